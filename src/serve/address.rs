//! Looks at a slave's address before it is needed.
//!
//! A slave listens when it has become master: too late to learn that it cannot. What its address is wrong in by itself is refused on the
//! command line; what depends on the host is looked at here, and only warned of: that it is taken may be right, as by the master
//! on this host, and what is missing now may be there in time.

use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kahawai_broker::listen;

/// A look at an address, for as long as this waits.
pub(super) struct Look {
    waiting: Arc<AtomicBool>,
}

impl Look {
    /// Begins to look, on a thread of its own: a name server may take its time, and nobody waits for it.
    pub(super) fn begin(address: &str) -> Self {
        let waiting = Arc::new(AtomicBool::new(true));
        let (still, address) = (Arc::clone(&waiting), address.to_owned());
        let look = move || {
            let Err(error) = listen::probe(&address) else { return };
            // Once this broker may be master itself, it may be the one who listens there.
            if still.load(Ordering::Acquire) {
                tracing::warn!("{}", warning(&address, &error));
            }
        };
        if let Err(error) = std::thread::Builder::new().name("address".to_owned()).spawn(look) {
            tracing::warn!(%error, "cannot look whether the address can be listened on");
        }
        Self { waiting }
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.waiting.store(false, Ordering::Release);
    }
}

fn warning(address: &str, error: &Error) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let problem = match error.kind() {
        ErrorKind::AddrInUse => {
            "somebody listens there; that is right if it is the master of this store on this host \
             and goes when this broker takes over; else give --bind a port of its own"
                .to_owned()
        }
        ErrorKind::AddrNotAvailable => {
            format!(
                "{host} is no address of this host; give --bind one that it has, or 0.0.0.0 for every one"
            )
        }
        ErrorKind::PermissionDenied => {
            "this user may not listen there; ports below 1024 need a permission".to_owned()
        }
        _ if error.raw_os_error().is_none() => format!("the name {host} is not known here"),
        _ => "this host does not allow it".to_owned(),
    };
    format!(
        "cannot listen on {address} now: {problem} ({error}). As it is, this broker would end when it is to take over"
    )
}
