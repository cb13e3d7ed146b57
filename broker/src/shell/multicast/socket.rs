//! A socket in a group.

use std::io;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::place::Place;
use crate::discovery::Multicast;

/// In the group at this place.
///
/// # Errors
/// What the system says.
pub(super) fn join(options: &Multicast, place: &Place) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // Every broker of this host, and every client that looks for one, has the port.
    socket.set_reuse_address(true)?;
    // Bound to the group, so that nothing comes that was not sent to it.
    socket.bind(&options.address.into())?;
    socket.set_multicast_all_v4(false)?;
    socket.join_multicast_v4(options.address.ip(), &place.listens)?;
    socket.set_multicast_if_v4(&place.speaks)?;
    socket.set_multicast_ttl_v4(options.time_to_live.into())?;
    socket.set_multicast_loop_v4(!options.loop_back_mode)?;
    UdpSocket::from_std(socket.into())
}
