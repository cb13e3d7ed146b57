//! A line of frames on a socket: a thread writes what is sent, another reads.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use kahawai_replication::frame::{Frame, FrameReader};
use kahawai_replication::master::Line;

/// What waits to be written.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    is_closing: bool,
}

/// The writing half.
pub(super) struct SocketLine {
    outgoing: Mutex<Outgoing>,
    wake: Condvar,
    socket: TcpStream,
}

impl SocketLine {
    /// A line on a socket, with a thread that writes. A peer that takes nothing for so long ends it.
    pub(super) fn on(socket: TcpStream, patience: Duration) -> io::Result<Arc<Self>> {
        socket.set_write_timeout(Some(patience))?;
        let line = Arc::new(Self { outgoing: Mutex::default(), wake: Condvar::new(), socket });
        let writing = Arc::clone(&line);
        thread::Builder::new().name("kahawai-replicate".into()).spawn(move || writing.write())?;
        Ok(line)
    }

    fn lock(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) {
        let mut bytes = Vec::new();
        loop {
            let is_closing = {
                let idle = |outgoing: &mut Outgoing| outgoing.bytes.is_empty() && !outgoing.is_closing;
                let outgoing = self.wake.wait_while(self.lock(), idle);
                let mut outgoing = outgoing.unwrap_or_else(PoisonError::into_inner);
                bytes.clear();
                std::mem::swap(&mut bytes, &mut outgoing.bytes);
                outgoing.is_closing
            };
            if (&self.socket).write_all(&bytes).is_err() {
                let mut outgoing = self.lock();
                outgoing.is_closing = true;
                outgoing.bytes = Vec::new();
                break;
            }
            if is_closing {
                break;
            }
            // What one burst needed is not kept for ever.
            bytes.shrink_to(1 << 20);
        }
        hang_up(&self.socket);
    }
}

impl Line for SocketLine {
    fn send(&self, frame: Frame) {
        let mut outgoing = self.lock();
        if outgoing.is_closing {
            return;
        }
        let was_idle = outgoing.bytes.is_empty();
        frame.encode(&mut outgoing.bytes);
        drop(outgoing);
        if was_idle {
            self.wake.notify_one();
        }
    }

    fn close(&self) {
        self.lock().is_closing = true;
        self.wake.notify_one();
    }
}

/// Ends a connection at once.
pub(super) fn hang_up(socket: &TcpStream) {
    // Whoever is gone already has hung up too.
    let _ = socket.shutdown(Shutdown::Both);
}

/// Reads frames until the line ends, those first that the reader has already; `take` says whether to go on. Gives why it ended.
pub(super) fn read_frames(
    socket: &TcpStream,
    reader: &mut FrameReader,
    take: &mut dyn FnMut(&mut FrameReader, Frame) -> bool,
) -> String {
    let mut bytes = vec![0; 256 << 10];
    loop {
        loop {
            match reader.take() {
                Ok(Some(frame)) => {
                    if !take(reader, frame) {
                        return "it was hung up".to_owned();
                    }
                }
                Ok(None) => break,
                Err(error) => return error.to_string(),
            }
        }
        match { socket }.read(&mut bytes) {
            Ok(0) => return "the line was closed".to_owned(),
            Ok(count) => reader.push(&bytes[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return format!("the line broke: {error}"),
        }
    }
}
