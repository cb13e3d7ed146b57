//! The task that serves a connection: reads, writes and looks at the clock.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::error::Loss;
use crate::shell::shared::Shared;

/// Room for each read, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// A read buffer with less room than this is renewed.
const READ_BYTES_MIN: usize = 8 * 1024;

/// A write buffer beyond this is given back when it was written: one large message must not cost for ever.
const WRITE_BYTES_KEPT: usize = 2 * 1024 * 1024;

/// How long the last bytes may take (ActiveMQ's `closeTimeout`).
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(15);

/// When there is nothing to look at: far away, and looked at in vain.
const IDLE: Duration = Duration::from_secs(24 * 60 * 60);

/// Serves a connection until it ends, however it does.
pub(crate) async fn drive(shared: Arc<Shared>, stream: TcpStream) {
    // The runtime may drop this task at any await.
    let mut end = End::new(&shared);
    end.loss = serve(&shared, stream, BytesMut::new()).await;
}

/// Tells everyone that the connection is over, however its task ends.
pub(crate) struct End<'a> {
    shared: &'a Shared,
    /// Why.
    pub(crate) loss: Loss,
}

impl<'a> End<'a> {
    /// Until something better is known, the runtime was shut down.
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { shared, loss: Loss::RuntimeGone }
    }
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.shared.end(&self.loss);
    }
}

/// Serves a link until it ends. Something may have been read from it already.
pub(crate) async fn serve(shared: &Shared, mut stream: TcpStream, mut input: BytesMut) -> Loss {
    let (mut reader, mut writer) = stream.split();
    if !input.is_empty()
        && let Err(loss) = shared.receive(&mut input)
    {
        return loss;
    }
    let mut outgoing = BytesMut::new();
    let mut write_error = None;
    let mut wake_at = Instant::now() + IDLE;
    let mut alarm = pin!(sleep_until(wake_at));
    let mut finish_by = None;
    loop {
        if write_error.is_some() || (outgoing.is_empty() && outgoing.capacity() > WRITE_BYTES_KEPT) {
            outgoing = BytesMut::new();
        }
        let plan = shared.plan(&mut outgoing);
        let deadline = if plan.is_finishing {
            let finish_by = *finish_by.get_or_insert_with(|| Instant::now() + CLOSE_TIMEOUT);
            if outgoing.is_empty() {
                // Nobody is left who would mind an error.
                let _ = writer.shutdown().await;
                if plan.lingers {
                    let _ = timeout_at(finish_by, discard(&mut reader, &mut input)).await;
                }
                return Loss::EndOfStream;
            }
            Some(finish_by)
        } else {
            plan.deadline.map(Instant::from_std)
        };
        // Later deadlines are found when the alarm goes off: it is set anew seldom.
        if let Some(deadline) = deadline.filter(|deadline| *deadline < wake_at) {
            wake_at = deadline;
            alarm.as_mut().reset(wake_at);
        }
        if input.capacity() - input.len() < READ_BYTES_MIN {
            input.reserve(READ_BYTES);
        }
        tokio::select! {
            read = reader.read_buf(&mut input) => match read {
                Ok(0) => return loss(shared, write_error),
                Ok(_) => {
                    if let Err(loss) = shared.receive(&mut input) {
                        return loss;
                    }
                }
                Err(error) => return loss(shared, write_error.or(Some(error))),
            },
            written = writer.write_buf(&mut outgoing), if !outgoing.is_empty() && write_error.is_none() => {
                // The broker's last words may still be there to read.
                write_error = written.err();
            }
            () = shared.output_ready(), if outgoing.is_empty() => {}
            () = alarm.as_mut() => {
                if finish_by.is_some_and(|by| by <= Instant::now()) {
                    return Loss::EndOfStream;
                }
                if let Err(loss) = shared.look() {
                    return loss;
                }
                wake_at = Instant::now() + IDLE;
                alarm.as_mut().reset(wake_at);
            }
        }
    }
}

/// Reads to the end of the stream what nobody is left to read.
async fn discard(reader: &mut (impl AsyncRead + Unpin), input: &mut BytesMut) -> std::io::Result<()> {
    loop {
        input.clear();
        input.reserve(READ_BYTES_MIN);
        if reader.read_buf(input).await? == 0 {
            return Ok(());
        }
    }
}

/// Why the stream ended: the broker's words count for more than the operating system's.
fn loss(shared: &Shared, error: Option<std::io::Error>) -> Loss {
    match (shared.end_of_stream(), error) {
        (Loss::EndOfStream, Some(error)) => Loss::Io(Arc::new(error)),
        (said, _) => said,
    }
}
