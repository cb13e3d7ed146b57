//! Opens the arbiter of a pair: the one place that knows which there are.
//!
//! | module | what it does |
//! |---|---|
//! | [`line`] | carries questions to a witness |

mod line;

use std::sync::Arc;
use std::thread;

use kahawai_config::ArbiterAddress;
use kahawai_replication::Arbiter;
use kahawai_replication::directory::DirectoryArbiter;
use kahawai_replication::witness::WitnessArbiter;

pub(crate) use line::Line;

/// Opens the arbiter at this address. It is not reached for yet.
pub(crate) fn open(address: &ArbiterAddress) -> Arc<dyn Arbiter> {
    match address {
        ArbiterAddress::Directory(path) => Arc::new(DirectoryArbiter::new(path)),
        ArbiterAddress::Witness { place, name } => {
            Arc::new(WitnessArbiter::new(Line::to(place.clone()), name.clone()))
        }
    }
}

/// Which one it is, for people; no secret is in it.
pub(crate) fn describe(address: &ArbiterAddress) -> String {
    match address {
        ArbiterAddress::Directory(path) => format!("directory {}", path.display()),
        ArbiterAddress::Witness { place, name } => format!("witness tcp://{place}, pair {name}"),
    }
}

/// Says in the log where it cannot be reached, as early as that can be known. Does not block: a broker may serve without it, until it needs it.
pub(crate) fn look(arbiter: Arc<dyn Arbiter>) {
    let looking = thread::Builder::new().name("kahawai-look".to_owned()).spawn(move || {
        if let Err(error) = arbiter.read() {
            tracing::warn!(
                "{error}; until it answers, neither broker of this pair can take over or go on alone: start it, or see that the address is \
                 right and that it can be reached from here"
            );
        }
    });
    if let Err(error) = looking {
        tracing::warn!("the arbiter is not looked at: cannot start a thread: {error}");
    }
}
