//! Runs a broker: slave until it is master, then serves, and back.
//!
//! | module | what it does |
//! |---|---|
//! | [`pair`] | master and slave without a shared store |
//! | [`pause`] | how long to wait before the next try for the mastership |
//! | [`address`] | looks at a slave's address before it is needed |
//! | [`background`] | what takes its time, away from the runtime's threads |
//! | [`place`] | which engine and which election: the one place that knows |
//! | [`role`] | one mastership: open the store, serve, stop or step down |
//! | [`signal`] | SIGTERM, SIGINT and SIGHUP |
//! | [`status`] | the lines an operator and a script read, and systemd's notices |
//! | [`told`] | what the broker is told, and told anew |
//! | [`stop_at`] | stops the process at a named step, for tests |

mod address;
mod background;
mod pair;
mod pause;
mod place;
mod role;
mod signal;
mod status;
mod stop_at;
mod told;

use std::sync::Arc;
use std::time::Instant;

use kahawai_journal::steps::Watch;
use kahawai_store::election::{Cancel, ElectionError};

use crate::configure::options::ServeOptions;
use crate::exit::{Exit, Failure};
use crate::occupied;
use address::Look;
use background::blocking;
use kahawai_replication::member::Opening;
use pair::Pairing;
pub(crate) use pair::ask;
use pause::Pause;
use place::{Held, Place};
use role::{Ended, How};
use signal::{Asked, Signals};
use status::Status;
use told::Told;

/// Serves until told to stop.
pub(crate) fn run(options: ServeOptions) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime
        .map_err(|error| Failure::new(Exit::Other, format!("cannot start: {error}")))?
        .block_on(serve(Told::new(options)?))
}

async fn serve(mut told: Told) -> Result<(), Failure> {
    let config = Arc::clone(told.config());
    let status = Status::begin(&config.broker.broker_name);
    {
        let config = Arc::clone(&config);
        // Before signals are taken over: counting may take long, and is ended by any of them.
        blocking(move || occupied::refuse(&config.store.address)).await??;
    }
    if let Some((passed_over, by)) = told.passed_over() {
        occupied::tell_passed_over(passed_over, &config.store.address, &by);
    }
    let mut signals = Signals::listen()?;
    let watch = stop_at::watch()?;
    let place = {
        let (config, watch) = (Arc::clone(&config), watch.clone());
        blocking(move || Place::open(&config.store, &watch)).await??
    };
    status.store(&place.description());
    let mut pause = Pause::default();
    let pairing = {
        let config = Arc::clone(&config);
        blocking(move || Pairing::new(&config)).await??
    };
    if let Some(description) = pairing.arbiter() {
        status.arbiter(description);
    }
    let mut how = How { opening: Opening::AsItIs, remembered: Vec::new() };
    let mut is_first = true;
    loop {
        let acquired = acquire(&place, &mut told, &watch, &status, &mut signals, is_first).await?;
        is_first = false;
        let Some(held) = acquired else {
            status.stopped();
            return Ok(());
        };
        let since = Instant::now();
        let now = std::mem::replace(&mut how, How { opening: Opening::AsItIs, remembered: Vec::new() });
        match role::hold_store(&mut told, &pairing, &place, held, now, &status, &mut signals).await? {
            Ended::Reopen(opening, remembered) => how = How { opening, remembered },
            Ended::Stopped => {
                status.stopped();
                return Ok(());
            }
            // Another has claimed the store: nothing here is wrong, and it may be needed again.
            Ended::Lost(reason) => {
                let pause = pause.after(since.elapsed());
                status.stepped_down(&reason, pause);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = signals.stop() => {
                        status.stopped();
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Waits to become master; `None` where a signal came first.
async fn acquire(
    place: &Place,
    told: &mut Told,
    watch: &Watch,
    status: &Status,
    signals: &mut Signals,
    is_first: bool,
) -> Result<Option<Held>, Failure> {
    let cancel = Cancel::default();
    let mut acquired = {
        let (place, config, watch) = (place.clone(), Arc::clone(told.config()), watch.clone());
        let (cancel, status) = (cancel.clone(), status.clone());
        tokio::task::spawn_blocking(move || {
            if is_first {
                place.refuse_occupied(&config.store, &cancel)?;
            }
            let mut look = None;
            place.acquire(&config, &watch, &cancel, &mut |holder| {
                status.slave(holder);
                if look.is_none() {
                    look = config.broker.bind.first().map(|bind| Look::begin(bind));
                }
            })
        })
    };
    let acquired = loop {
        tokio::select! {
            acquired = &mut acquired => break acquired,
            asked = signals.next() => match asked {
                Asked::Reload => told.again(None, status).await,
                Asked::Stop => {
                    cancel.cancel();
                    break acquired.await;
                }
            }
        }
    };
    match acquired {
        // A mastership won while the signal came is given up again at once.
        Ok(Ok(held)) if cancel.is_cancelled() => {
            let _ = blocking(move || held.hold().release()).await;
            Ok(None)
        }
        Ok(Ok(held)) => Ok(Some(held)),
        Ok(Err(ElectionError::Cancelled)) => Ok(None),
        Ok(Err(error @ ElectionError::Occupied(_))) => Err(Failure::new(Exit::Store, error)),
        Ok(Err(error)) => Err(Failure::new(Exit::Unwritable, error)),
        Err(error) => Err(Failure::new(Exit::Other, error)),
    }
}
