//! A line to a witness: anew for each question, so that an answer belongs to what was asked.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use kahawai_replication::witness::Carry;
use kahawai_replication::witness::message::is_complete;

/// How long a question may take with all that belongs to it, the witness's flush too.
const WITHIN: Duration = Duration::from_secs(3);
/// How long one address may take to be connected to.
const CONNECT: Duration = Duration::from_secs(1);

/// A line to the witness at a place, `HOST:PORT`.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    place: String,
}

impl Line {
    /// To the witness there. It is dialled with each question.
    pub(crate) fn to(place: String) -> Self {
        Self { place }
    }

    fn dial(&self, until: Instant) -> io::Result<TcpStream> {
        let mut problem = io::Error::new(io::ErrorKind::NotFound, "it has no address");
        for address in self.place.to_socket_addrs()? {
            let connected = TcpStream::connect_timeout(&address, CONNECT.min(left(until)?));
            match connected {
                // A port of this host's that nobody listens on can be given to whoever dials it: then it is itself.
                Ok(socket) if socket.local_addr()? == socket.peer_addr()? => {
                    problem = io::ErrorKind::ConnectionRefused.into();
                }
                Ok(socket) => return Ok(socket),
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }

    fn ask(&self, question: &[u8]) -> io::Result<Vec<u8>> {
        let until = Instant::now() + WITHIN;
        let mut socket = self.dial(until)?;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(left(until)?))?;
        socket.write_all(question)?;
        let mut received = Vec::new();
        // What cannot become an answer is complete too: no more of it is taken.
        while !is_complete(&received) {
            let mut bytes = [0; 1024];
            socket.set_read_timeout(Some(left(until)?))?;
            match socket.read(&mut bytes)? {
                0 => break,
                count => received.extend_from_slice(&bytes[..count]),
            }
        }
        Ok(received)
    }
}

impl Carry for Line {
    fn carry(&self, question: &[u8]) -> Result<Vec<u8>, String> {
        self.ask(question).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("the witness at {} does not answer", self.place)
            }
            io::ErrorKind::ConnectionRefused => format!("no witness listens at {}", self.place),
            _ => format!("the witness at {}: {error}", self.place),
        })
    }
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
