//! The task that serves a connection by `failover:`: it does what the state machine of [`crate::failover`] orders, and
//! serves the link to one broker after another.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::error::Loss;
use crate::failover::attempt::Attempt;
use crate::failover::{Failover, Order};
use crate::shell::driver::{End, serve};
use crate::shell::shared::{Notice, Shared};
use crate::url::TcpUrl;

/// What an unused connection may say before we listen: a `WireFormatInfo` and a little more.
const UNREAD_BYTES_MAX: usize = 64 * 1024;

/// Serves a connection until it is closed or no broker is left to try.
pub(crate) async fn drive(shared: Arc<Shared>, failover: Failover) {
    // The runtime may drop this task at any await.
    let mut end = End::new(&shared);
    end.loss = Supervisor::new(&shared, failover).run().await;
}

/// How the task of one attempt ends.
enum Ending {
    /// It is to be used: the stream, and what was read from it.
    Taken(TcpStream, BytesMut),
    /// It could not be opened, or is closed: why.
    Closed(String),
}

/// The task of one attempt.
struct Opening {
    /// Takes the stream out of its task.
    take: Option<oneshot::Sender<()>>,
    task: AbortHandle,
}

struct Link<'a> {
    attempt: Attempt,
    serving: Pin<Box<dyn Future<Output = Loss> + Send + 'a>>,
}

struct Supervisor<'a> {
    shared: &'a Shared,
    failover: Failover,
    tasks: JoinSet<(Attempt, Ending)>,
    openings: HashMap<Attempt, Opening>,
    opened: (mpsc::UnboundedSender<Attempt>, mpsc::UnboundedReceiver<Attempt>),
    /// The broker that a stream is being taken for.
    wanted: Option<(Attempt, Box<TcpUrl>)>,
    link: Option<Link<'a>>,
}

impl<'a> Supervisor<'a> {
    fn new(shared: &'a Shared, failover: Failover) -> Self {
        Self {
            shared,
            failover,
            tasks: JoinSet::new(),
            openings: HashMap::new(),
            opened: mpsc::unbounded_channel(),
            wanted: None,
            link: None,
        }
    }

    async fn run(mut self) -> Loss {
        self.failover.start(Instant::now().into_std());
        loop {
            while let Some(order) = self.failover.poll_order() {
                if let Err(loss) = self.obey(order) {
                    return loss;
                }
            }
            if self.link.is_none() && self.shared.is_finishing() {
                return Loss::EndOfStream;
            }
            let deadline = self.failover.deadline();
            let alarm = async {
                match deadline {
                    Some(deadline) => sleep_until(Instant::from_std(deadline)).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                loss = served(&mut self.link) => self.lost(&loss),
                Some(attempt) = self.opened.1.recv() => self.failover.opened(now(), attempt),
                Some(ended) = self.tasks.join_next() => {
                    // A task that was aborted has nothing to say.
                    if let Ok((attempt, ending)) = ended {
                        self.ended(attempt, ending);
                    }
                }
                () = self.shared.noticed() => self.heed(),
                () = alarm => self.failover.look(now()),
            }
        }
    }

    /// Does what the state machine says.
    fn obey(&mut self, order: Order) -> Result<(), Loss> {
        match order {
            Order::Open(attempt, url) => {
                let (take, taken) = oneshot::channel();
                let opened = self.opened.0.clone();
                let task =
                    self.tasks.spawn(async move { (attempt, open(attempt, &url, &opened, taken).await) });
                self.openings.insert(attempt, Opening { take: Some(take), task });
            }
            Order::Use(attempt, url) => {
                self.leave();
                let take = self.openings.get_mut(&attempt).and_then(|opening| opening.take.take());
                self.wanted = Some((attempt, url));
                // A task that is gone has said so already.
                let _ = take.map(|take| take.send(()));
            }
            Order::Drop(attempt) => {
                if let Some(opening) = self.openings.remove(&attempt) {
                    opening.task.abort();
                }
                self.wanted.take_if(|(wanted, _)| *wanted == attempt);
                if self.link.as_ref().is_some_and(|link| link.attempt == attempt) {
                    self.leave();
                }
            }
            Order::GiveUp { rounds, last } => return Err(Loss::NoBroker { rounds, last }),
        }
        Ok(())
    }

    /// Lets the link of today go, for another broker's.
    fn leave(&mut self) {
        if self.link.take().is_some() {
            self.shared.interrupt(&Loss::Moved);
        }
    }

    fn lost(&mut self, loss: &Loss) {
        let Some(link) = self.link.take() else { return };
        self.shared.interrupt(loss);
        self.failover.closed(now(), link.attempt, &loss.to_string());
    }

    fn ended(&mut self, attempt: Attempt, ending: Ending) {
        self.openings.remove(&attempt);
        let wanted = self.wanted.take_if(|(wanted, _)| *wanted == attempt);
        match (ending, wanted) {
            (Ending::Taken(stream, input), Some((_, url))) => {
                let prepared = stream.set_nodelay(url.wire_format.tcp_no_delay_enabled);
                let resumed = self.shared.resume(url.wire_format.clone(), url.address());
                match (prepared, resumed) {
                    (Ok(()), Ok(())) => {
                        let serving = Box::pin(serve(self.shared, stream, input));
                        self.link = Some(Link { attempt, serving });
                    }
                    (Err(error), _) => self.failover.closed(now(), attempt, &error.to_string()),
                    (_, Err(error)) => self.failover.closed(now(), attempt, &error.to_string()),
                }
            }
            (Ending::Closed(why), _) => self.failover.closed(now(), attempt, &why),
            (Ending::Taken(..), None) => {}
        }
    }

    /// Looks at what came over the link.
    fn heed(&mut self) {
        for notice in self.shared.take_notices() {
            let Some(link) = &self.link else { continue };
            let attempt = link.attempt;
            match notice {
                Notice::Restored => self.failover.established(now(), attempt),
                Notice::Refused(error) => self.lost(&Loss::Broker(error)),
                Notice::Told(told) => self.failover.told(now(), &told),
            }
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// The end of the link, if there is one.
async fn served(link: &mut Option<Link<'_>>) -> Loss {
    match link {
        Some(link) => link.serving.as_mut().await,
        None => pending().await,
    }
}

/// Opens a connection and holds it until it is taken.
async fn open(
    attempt: Attempt,
    url: &TcpUrl,
    opened: &mpsc::UnboundedSender<Attempt>,
    mut taken: oneshot::Receiver<()>,
) -> Ending {
    let mut stream = match TcpStream::connect((url.host.as_str(), url.port)).await {
        Ok(stream) => stream,
        Err(error) => return Ending::Closed(error.to_string()),
    };
    let mut input = BytesMut::new();
    if opened.send(attempt).is_err() {
        return Ending::Closed("nobody wants it".to_owned());
    }
    loop {
        tokio::select! {
            // Whoever would take it may be gone: then this task is ended as well.
            _ = &mut taken => return Ending::Taken(stream, input),
            read = stream.read_buf(&mut input), if input.len() < UNREAD_BYTES_MAX => match read {
                Ok(0) => return Ending::Closed("the broker closed it".to_owned()),
                Ok(_) => {}
                Err(error) => return Ending::Closed(error.to_string()),
            }
        }
    }
}
