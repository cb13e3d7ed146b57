//! Connections to this broker, from inside.

use std::io;
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::shell::connection::{self, Duplex};
use crate::shell::hub::Hub;
use crate::shell::stream::{Peer, Stream};

/// Those of one bridge.
pub(super) struct Inside {
    here: UnixStream,
    inbound: Option<UnixStream>,
    served: Served,
}

/// The broker's ends of them.
pub(super) struct Served(Vec<JoinHandle<Option<Duplex>>>);

impl Inside {
    /// One connection, and another for what comes from the other broker where the bridge is duplex; `name` is the bridge's for the log.
    pub(super) fn open(hub: &Arc<Hub>, name: &str, duplex: bool) -> io::Result<Self> {
        let mut served = Vec::new();
        let mut connect = || {
            let (ours, theirs) = UnixStream::pair()?;
            let serving =
                connection::serve(Arc::clone(hub), Stream::Inside(theirs), Peer::Inside(name.into()));
            served.push(tokio::spawn(serving));
            io::Result::Ok(ours)
        };
        let here = connect()?;
        let inbound = duplex.then(connect).transpose()?;
        Ok(Self { here, inbound, served: Served(served) })
    }

    /// The bridge's ends, and the broker's.
    pub(super) fn apart(self) -> (UnixStream, Option<UnixStream>, Served) {
        (self.here, self.inbound, self.served)
    }
}

impl Served {
    /// Each ends with its other half; then its client id is free for the next.
    pub(super) async fn end(self) {
        for serving in self.0 {
            // One that failed has ended too.
            let _ = serving.await;
        }
    }
}
