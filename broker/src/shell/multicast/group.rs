//! An agent over a socket in its group, whatever becomes of the network: where there is no way to the group, it is tried again, and where the way is
//! another, it is taken.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{place, socket};
use crate::discovery::datagram::BYTES_MAX;
use crate::discovery::{Agent, Multicast, Order};
use crate::shell::hub::Phase;
use crate::shell::rarely::Rarely;

/// How often it is looked whether the interface is still the one to take.
const LOOK: Duration = Duration::from_secs(5);
/// The same while there is no way to the group.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What there is to tell.
#[derive(Debug)]
pub(in crate::shell) enum News {
    /// Somebody is there, or is to be tried again.
    Appeared(String),
    /// It is not any more.
    Vanished(String),
}

impl std::fmt::Display for News {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Appeared(service) => write!(formatter, "{service} is there"),
            Self::Vanished(service) => write!(formatter, "{service} is not there any more"),
        }
    }
}

/// See the module.
pub(in crate::shell) struct Group {
    /// For whom, in the log.
    who: String,
    options: Multicast,
    agent: Agent,
    begun: Instant,
    phase: watch::Receiver<Phase>,
    socket: Option<(place::Place, UdpSocket)>,
    look_at: Instant,
    buffer: Box<[u8]>,
    last_from: Option<SocketAddr>,
    said: Rarely,
    is_over: bool,
}

/// What one wait came to.
enum Step {
    Received(io::Result<(usize, SocketAddr)>),
    Time,
    Over,
}

impl Group {
    /// With the agent that is made, as of now.
    pub(in crate::shell) fn new(
        who: String,
        options: Multicast,
        phase: watch::Receiver<Phase>,
        agent: impl FnOnce(Duration) -> Agent,
    ) -> Self {
        let begun = Instant::now();
        Self {
            who,
            options,
            agent: agent(Duration::ZERO),
            begun,
            phase,
            socket: None,
            look_at: begun,
            // A byte more than there may be: what is longer is known by it.
            buffer: vec![0; BYTES_MAX + 1].into(),
            last_from: None,
            said: Rarely::default(),
            is_over: false,
        }
    }

    /// What there is to tell next; nothing once the broker serves no more, of which the group was told then. Whoever gives up waiting misses nothing.
    pub(in crate::shell) async fn news(&mut self) -> Option<News> {
        loop {
            // Before anything is said.
            if Instant::now() >= self.look_at {
                self.look();
            }
            while let Some(order) = self.agent.poll_order() {
                match order {
                    Order::Say(datagram) => self.say(&datagram),
                    Order::Appeared(service) => return Some(News::Appeared(service)),
                    Order::Vanished(service) => return Some(News::Vanished(service)),
                    Order::Odd { why, times } => self.tell_odd(why, times),
                }
            }
            if self.is_over {
                return None;
            }
            let begun = self.begun;
            let wake =
                self.agent.deadline().map_or(self.look_at, |deadline| self.look_at.min(begun + deadline));
            let (socket, buffer) = (&self.socket, &mut self.buffer);
            let receive = async {
                match socket {
                    Some((_, socket)) => socket.recv_from(buffer).await,
                    None => std::future::pending().await,
                }
            };
            let step = tokio::select! {
                received = receive => Step::Received(received),
                () = sleep_until(wake) => Step::Time,
                _ = self.phase.wait_for(|phase| *phase != Phase::Serving) => Step::Over,
            };
            let now = self.begun.elapsed();
            match step {
                Step::Received(Ok((count, from))) => {
                    self.last_from = Some(from);
                    self.agent.received(self.buffer.get(..count).unwrap_or_default(), now);
                }
                Step::Received(Err(error)) => self.broken(&error),
                Step::Time => self.agent.time(now),
                Step::Over => {
                    self.agent.stop();
                    self.is_over = true;
                }
            }
        }
    }

    /// Somebody who is there could not be worked with; see [`Agent::failed`].
    pub(in crate::shell) fn failed(&mut self, service: &str, for_good: bool) {
        self.agent.failed(service, for_good, self.begun.elapsed());
    }

    /// Takes the way to the group that is the right one now.
    fn look(&mut self) {
        self.look_at = Instant::now() + LOOK;
        let found = place::find(&self.options).and_then(|place| {
            if self.socket.as_ref().is_some_and(|(before, _)| *before == place) {
                return Ok(());
            }
            let socket = socket::join(&self.options, &place)?;
            tracing::info!("{} is in {} by the interface of {}", self.who, self.options, place.speaks);
            self.socket = Some((place, socket));
            Ok(())
        });
        if let Err(error) = found {
            self.broken(&error);
        }
    }

    fn say(&mut self, datagram: &[u8]) {
        let Some((_, socket)) = &self.socket else { return };
        match socket.try_send_to(datagram, self.options.address.into()) {
            // The next one will do.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.broken(&error),
            Ok(_) => {}
        }
    }

    /// There is no way to the group for now.
    fn broken(&mut self, error: &io::Error) {
        self.socket = None;
        self.look_at = Instant::now() + LOOK_AGAIN;
        let text = error.to_string();
        if let Some(times) = self.said.now(&text) {
            tracing::warn!(
                "{}: there is no way to {}: {text} ({times} so far); tried again every second",
                self.who,
                self.options
            );
        }
    }

    fn tell_odd(&self, why: &str, times: u64) {
        let from = self.last_from.map_or_else(String::new, |from| format!(", the last from {from}"));
        tracing::warn!(
            "{}: of {} is ignored what came: {why} ({times} so far{from})",
            self.who,
            self.options
        );
    }
}
