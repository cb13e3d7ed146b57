//! Open files: every connection takes one, and the store needs some at any time.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What stands for a limit that is none.
const UNLIMITED: u64 = 1 << 20;

/// Lets this process have as many open files as the system grants it.
///
/// The soft limit of 1024 that systems begin with is for programs that use `select`, as this one does not.
pub(crate) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(UNLIMITED);
    if limit.current.is_some_and(|current| current < wanted)
        && let Err(error) =
            setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })
    {
        tracing::warn!("the limit of open files stays as it is: {error}");
    }
}

/// How many open files this process may have.
pub(crate) fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(UNLIMITED)
}
