//! Takes connections: one question and one answer each, then it is closed. Each has a deadline, and there are only so many at once.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kahawai_replication::witness::message::{Answer, MESSAGE_MAX};
use kahawai_replication::witness::{Records, answer};

/// How long a connection may take, from its first byte to its last.
const WITHIN: Duration = Duration::from_secs(3);
/// How many there are at once at most.
const AT_ONCE: usize = 128;
/// What a thread of a connection needs.
const STACK: usize = 256 << 10;
/// How long it waits where the system lets nobody in.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections on a thread of its own, until the process ends.
pub(super) fn start(listener: TcpListener, records: Arc<dyn Records>) -> io::Result<()> {
    let accepting = thread::Builder::new().name("kahawai-witness".to_owned());
    accepting.spawn(move || accept(&listener, &records)).map(drop)
}

fn accept(listener: &TcpListener, records: &Arc<dyn Records>) {
    let at_once = Arc::new(AtomicUsize::new(0));
    loop {
        let (socket, from) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!("cannot take a connection: {error}");
                thread::sleep(PAUSE);
                continue;
            }
        };
        let place = Place::take(&at_once);
        if at_once.load(Ordering::Acquire) > AT_ONCE {
            turn_away(&socket, from);
            continue;
        }
        let records = Arc::clone(records);
        let attending = thread::Builder::new().name("kahawai-question".to_owned()).stack_size(STACK);
        let started = attending.spawn(move || {
            let _place = place;
            if let Err(error) = attend(socket, &*records, Instant::now() + WITHIN) {
                tracing::debug!("{from}: {error}");
            }
        });
        if let Err(error) = started {
            tracing::error!("{from} is not answered: cannot start a thread: {error}");
        }
    }
}

/// One connection of those at once.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(at_once: &Arc<AtomicUsize>) -> Self {
        at_once.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(at_once))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Answers one question, or says what is wrong with it.
fn attend(mut socket: TcpStream, records: &dyn Records, until: Instant) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut received = Vec::new();
    let told = loop {
        if let Some(told) = answer(&received, records) {
            break told;
        }
        debug_assert!(received.len() < MESSAGE_MAX, "it will never be whole, and was not said to be");
        let mut bytes = [0; 1024];
        socket.set_read_timeout(Some(left(until)?))?;
        match socket.read(&mut bytes)? {
            0 => return Ok(()),
            count => received.extend_from_slice(&bytes[..count]),
        }
    };
    socket.set_write_timeout(Some(left(until)?))?;
    socket.write_all(&told)?;
    socket.shutdown(Shutdown::Write)?;
    // What was said beyond a question is read and forgotten: to hang up on it would take the answer back.
    let mut rest = [0; 1024];
    loop {
        socket.set_read_timeout(Some(left(until)?))?;
        if socket.read(&mut rest)? == 0 {
            return Ok(());
        }
    }
}

/// Says that there are too many; nothing is waited for.
fn turn_away(mut socket: &TcpStream, from: SocketAddr) {
    tracing::warn!("{from} is turned away: {AT_ONCE} are here at once");
    let why = Answer::Unreachable(format!("{AT_ONCE} ask at once: ask again"));
    let _ = socket.set_nonblocking(true).and_then(|()| socket.write_all(&why.encode()));
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use kahawai_replication::conformance::{self, Open};
    use kahawai_replication::witness::{PairName, Shelf, WitnessArbiter};
    use kahawai_replication::{Arbiter, Version};

    use super::*;
    use crate::arbiters::Line;

    /// A witness on a directory, as long as the process lives.
    fn witness(directory: &std::path::Path) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its number");
        start(listener, Arc::new(Shelf::open(directory).expect("a directory"))).expect("a thread");
        address
    }

    fn each(case: fn(Open<'_>)) {
        let directory = tempfile::tempdir().expect("a directory");
        let address = witness(directory.path());
        case(&|| {
            let line = Line::to(address.to_string());
            Arc::new(WitnessArbiter::new(line, PairName::default())) as Arc<dyn Arbiter>
        });
    }

    #[test]
    fn a_change_is_made_once_and_seen_by_all() {
        each(conformance::a_change_is_made_once_and_seen_by_all);
    }

    #[test]
    fn a_version_of_long_ago_changes_nothing() {
        each(conformance::a_version_of_long_ago_changes_nothing);
    }

    #[test]
    fn each_term_has_one_master_whoever_tries_at_once() {
        each(conformance::each_term_has_one_master_whoever_tries_at_once);
    }

    /// Says something, and reads until the other hangs up.
    fn said(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
        let mut socket = TcpStream::connect(address).expect("it listens");
        socket.write_all(bytes).expect("it reads");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).expect("it answers and hangs up");
        answer
    }

    #[test]
    fn a_stranger_is_answered_and_those_who_say_nothing_are_in_nobodys_way() {
        let directory = tempfile::tempdir().expect("a directory");
        let address = witness(directory.path());
        // More than a question may take, so that some of it is not read when the answer is known.
        for stranger in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![b'x'; 100 << 10]] {
            let answer = Answer::decode(&said(address, &stranger));
            assert!(matches!(answer, Ok(Some(Answer::Refused(_)))), "{answer:?}");
        }
        // Whoever says nothing has its time, and is hung up on; meanwhile others are answered, until there are too many.
        let silent: Vec<_> =
            (0..AT_ONCE - 1).map(|_| TcpStream::connect(address).expect("it listens")).collect();
        let arbiter = WitnessArbiter::new(Line::to(address.to_string()), PairName::default());
        assert_eq!(arbiter.read().map(|held| held.version), Ok(Version(0)));
        let more: Vec<_> = (0..8).map(|_| TcpStream::connect(address).expect("it listens")).collect();
        let refused = arbiter.read();
        assert!(refused.as_ref().is_err_and(|error| error.to_string().contains("at once")), "{refused:?}");
        for mut socket in silent {
            let mut answer = Vec::new();
            let _ = socket.read_to_end(&mut answer);
            assert!(answer.is_empty());
        }
        drop(more);
        // They are gone: it answers again, once their threads have ended.
        while arbiter.read().is_err() {
            thread::yield_now();
        }
    }
}
