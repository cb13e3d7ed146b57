//! What a connection is carried by: a socket that somebody dialled, or a pair of them where the client is a part of this process.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// See the module.
pub(crate) enum Stream {
    /// From outside.
    Socket(TcpStream),
    /// From inside.
    Inside(UnixStream),
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// A client that dialled from there.
    Socket(SocketAddr),
    /// A part of this process, by its name. It is never given up for being slow, and leaves by itself when the broker stops.
    Inside(Arc<str>),
}

impl Stream {
    /// When more can be written, or the end is known.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Socket(stream) => stream.writable().await,
            Self::Inside(stream) => stream.writable().await,
        }
    }

    /// When there is something to read, or the end is known.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Socket(stream) => stream.readable().await,
            Self::Inside(stream) => stream.readable().await,
        }
    }

    /// Writes what can be written at once.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(stream) => stream.try_write(bytes),
            Self::Inside(stream) => stream.try_write(bytes),
        }
    }

    /// Reads what is there.
    pub(crate) fn try_read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Socket(stream) => stream.try_read_buf(buffer),
            Self::Inside(stream) => stream.try_read_buf(buffer),
        }
    }

    /// Does something with it that is noted as having found nothing where it says so.
    pub(crate) fn try_io<T>(&self, interest: Interest, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self {
            Self::Socket(stream) => stream.try_io(interest, act),
            Self::Inside(stream) => stream.try_io(interest, act),
        }
    }
}

impl Peer {
    /// Whether it is a part of this process.
    pub(crate) fn is_inside(&self) -> bool {
        matches!(self, Self::Inside(_))
    }

    /// Where it is, as an address.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Socket(peer) => format!("tcp://{peer}"),
            Self::Inside(name) => format!("inside://{name}"),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(peer) => peer.fmt(formatter),
            Self::Inside(name) => name.fmt(formatter),
        }
    }
}
