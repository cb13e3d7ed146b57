//! `kahawai witness`: an arbiter for pairs, as a process with one port and a disk of its own.
//!
//! | module | what it does |
//! |---|---|
//! | [`options`] | the command line |
//! | [`records`] | the records, and what the log says of them |
//! | [`server`] | takes connections: one question and one answer each |

pub(crate) mod options;
mod records;
mod server;

use std::net::TcpListener;
use std::sync::Arc;

use kahawai_replication::witness::Shelf;
use kahawai_replication::witness::shelf::ShelfError;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};
use crate::notice::{notify, say};
use options::WitnessOptions;
use records::Told;

/// Answers until told to stop. Whatever was answered is on the disk, so that there is nothing to end.
pub(crate) fn run(options: &WitnessOptions) -> Result<(), Failure> {
    let (version, process) = (env!("CARGO_PKG_VERSION"), std::process::id());
    say(&format!("kahawai: version {version}, witness, process {process}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Other, format!("cannot start: {error}")))?;
    // Taken over before anything is said: whoever reads that it is ready may stop it.
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let shelf = open(options)?;
    let connector =
        |error| Failure::new(Exit::Connector, format!("cannot listen on {}: {error}", options.bind));
    let listener = TcpListener::bind(&options.bind).map_err(connector)?;
    let address = listener.local_addr().map_err(connector)?;
    if !address.ip().is_loopback() {
        tracing::warn!(
            "dangerous: the witness listens on {address}, and there is no secret yet: whoever reaches it can say which broker of a pair may \
             serve; let only the brokers reach it"
        );
    }
    server::start(listener, Arc::new(Told(shelf))).map_err(|error| Failure::new(Exit::Other, error))?;
    say(&format!("ready: answering on tcp://{address}"));
    notify(&[NotifyState::Ready, NotifyState::Status(&format!("answering on tcp://{address}"))]);
    runtime.block_on(signals.stop());
    say("stopping: asked to by a signal");
    notify(&[NotifyState::Stopping]);
    say("stopped: in good order");
    Ok(())
}

fn open(options: &WitnessOptions) -> Result<Shelf, Failure> {
    let directory = &options.directory;
    let shelf = Shelf::open(directory).map_err(|error| {
        let advice = match &error {
            ShelfError::Taken(_) => "; give this one a directory of its own with --directory",
            ShelfError::Strange(_) => "; look what it is, and move it away",
            ShelfError::Io(..) => "",
        };
        Failure::new(Exit::Unwritable, format!("{error}{advice}"))
    })?;
    let names: Vec<_> = shelf.names().iter().map(ToString::to_string).collect();
    let pairs = match names.len() {
        0 => "no pair yet".to_owned(),
        1..=8 => format!("pairs {}", names.join(", ")),
        count => format!("{count} pairs"),
    };
    say(&format!("records: {}, {pairs}", directory.display()));
    Ok(shelf)
}

/// The signals that ask it to stop. There is no file to be read again: SIGHUP is borne.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::new(Exit::Other, format!("signals: {error}")));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn stop(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => tracing::info!("SIGHUP: a witness has nothing to read again"),
            }
        }
    }
}
