//! Where a slave is handed over that dialled a connector: what it says then is no OpenWire, and none of the broker's business.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::Arc;

use bytes::Bytes;

/// Takes slaves that dial this broker.
pub trait TakeSlaves: Send + Sync {
    /// A slave dialled from there. The socket is blocking; `received` is what it has said already, behind its OpenWire. Called on the
    /// broker's executor: must return soon.
    fn take(&self, socket: TcpStream, from: SocketAddr, received: Bytes);

    /// Whether a slave is looked for, that may have taken over: until it is known nothing is proven, and it has to be greeted all the same.
    fn looks_for_one(&self) -> bool {
        false
    }

    /// Whether clients are let in now; asked for each (`waitForSlave`).
    fn lets_clients_in(&self) -> bool;
}

/// Who takes slaves, if anybody does.
#[derive(Clone, Default)]
pub struct Slaves(pub Option<Arc<dyn TakeSlaves>>);

impl std::fmt::Debug for Slaves {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.0.is_some() { "taken" } else { "refused" })
    }
}

impl Slaves {
    /// Whether clients wait for a slave.
    pub(super) fn keep_clients_out(&self) -> bool {
        self.0.as_ref().is_some_and(|slaves| !slaves.lets_clients_in())
    }

    /// Hands a socket over; gives it back to nobody where that does not work, which its slave hears by its end.
    pub(super) fn hand_over(
        &self,
        socket: &tokio::net::TcpStream,
        from: SocketAddr,
        received: Bytes,
    ) -> std::io::Result<()> {
        let Some(slaves) = &self.0 else { return Ok(()) };
        // The file is the same: what the executor held of it is let go.
        let socket = TcpStream::from(socket.as_fd().try_clone_to_owned()?);
        socket.set_nonblocking(false)?;
        slaves.take(socket, from, received);
        Ok(())
    }
}
