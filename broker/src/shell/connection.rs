//! One connection's task: reads, hands commands over, goes on writing where the socket was full, and looks at the time.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::{BrokerInfo, KeepAliveInfo, ShutdownInfo, WireFormatInfo};
use kahawai_openwire::frame::{FRAME_PREFIX_LENGTH, frame_bytes_missing, take_frame};
use kahawai_openwire::ids::BrokerId;
use kahawai_openwire::negotiation::{Negotiated, Preferences, REPLICATION, negotiate};
use kahawai_openwire::wire_format::{Decoder, WireFormat};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::clock::now;
use super::config::BrokerConfig;
use super::hub::{Hub, Phase};
use super::outbox::{Flushed, Outbox};
use super::stream::{Peer, Stream};
use crate::core::failure::{Failure, FailureKind};
use crate::openwire::failure::connection_error;
use crate::openwire::foreign::looks_like;
use crate::openwire::network;
use crate::openwire::outgoing::{Outgoing, OutgoingEncoder};
use crate::openwire::session::{Flow, Session};

/// How much is read at once.
const READ_BYTES: usize = 64 << 10;
/// How many commands are handled while the core is held once, so that others get their turn.
const COMMANDS_PER_TURN: usize = 256;
/// How long a refused client may take to leave by itself (ActiveMQ: 2 s).
const REFUSED_GRACE: Duration = Duration::from_secs(2);
/// How long what was said last may take to be written when a connection ends.
const FAREWELL_GRACE: Duration = Duration::from_millis(500);

/// Why a connection ended.
#[derive(Debug)]
enum End {
    /// As connections do.
    Quiet,
    /// Because of this, which the log tells.
    Loud(String),
    /// The broker is stopping.
    Stopped,
    /// It is a slave's, and handed over.
    HandedOver,
    /// It is one end of a duplex bridge.
    Duplex(Box<(BrokerInfo, network::Peer)>),
}

struct Connection {
    peer: Peer,
    hub: Arc<Hub>,
    outbox: Arc<Outbox>,
    session: Session,
    decoder: Decoder,
    received: BytesMut,
    negotiated: Negotiated,
    /// Bytes of commands received before the client said who it is, its signs of life aside.
    early_bytes: usize,
    /// Cut from the stream and not handled yet: the disk has to catch up first.
    paused: bool,
    started: Instant,
    last_read: Instant,
    blocked_since: Option<Instant>,
    refused_at: Option<Instant>,
    /// Whether the peer is a Kahawai that could be a slave.
    peer_replicates: bool,
    /// Whether the log says that a bridge has come.
    bridge_told: bool,
}

/// A connection that a duplex bridge goes on with.
pub(crate) struct Duplex {
    /// Who dialled, in its own words.
    pub(crate) info: BrokerInfo,
    /// And as it is called.
    pub(crate) initiator: network::Peer,
    pub(crate) stream: TcpStream,
    pub(crate) wire: WireFormat,
    pub(crate) negotiated: Negotiated,
    /// What it has said since.
    pub(crate) received: BytesMut,
}

/// Serves a connection until it ends, or is one for a duplex bridge to go on with.
pub(crate) async fn serve(hub: Arc<Hub>, stream: Stream, peer: Peer) -> Option<Duplex> {
    if let Stream::Socket(stream) = &stream
        && stream.set_nodelay(true).is_err()
    {
        return None;
    }
    let negotiated = Negotiated::initial();
    let (decoder, encoder) = WireFormat::new(&negotiated).split();
    let writer = OutgoingEncoder::new(encoder, Arc::clone(&hub.origin));
    let key = hub.new_key();
    let outbox = Arc::new(Outbox::new(key, Arc::new(stream), writer));
    hub.register(&outbox);
    let mut connection = Connection {
        session: Session::new(key, peer.url(), hub.look_beside(), hub.origin.broker_id.clone()),
        peer: peer.clone(),
        bridge_told: false,
        decoder,
        received: BytesMut::new(),
        negotiated,
        early_bytes: 0,
        paused: false,
        started: Instant::now(),
        last_read: Instant::now(),
        blocked_since: None,
        refused_at: None,
        peer_replicates: false,
        hub: Arc::clone(&hub),
        outbox: Arc::clone(&outbox),
    };
    let end = connection.run().await;
    hub.unregister(key);
    if let Some(bridge) = connection.session.bridge() {
        tracing::info!(%peer, "no longer bridged by {bridge}");
    }
    let mut duplex = None;
    match end {
        End::HandedOver => {}
        End::Duplex(who) => match connection.give_away(*who).await {
            Ok(given) => duplex = Some(given),
            Err(why) => tracing::warn!(%peer, "connection closed: {why}"),
        },
        End::Quiet => tracing::debug!(%peer, "connection closed"),
        End::Stopped => connection.farewell(ShutdownInfo::default().into()).await,
        End::Loud(reason) => {
            tracing::warn!(%peer, "connection closed: {reason}");
            if outbox.is_cut() {
                outbox.break_off();
                return None;
            }
            let failure = Failure::new(FailureKind::General, reason);
            connection.farewell(connection_error(&failure).into()).await;
        }
    }
    outbox.break_off();
    duplex
}

impl Connection {
    async fn run(&mut self) -> End {
        let ours = preferences(&self.hub.config);
        self.outbox.push(Outgoing::Command(ours.to_info().into()));
        self.hub.flush(&self.outbox);
        let mut phase = self.hub.phase();
        let stream = Arc::clone(&self.outbox.stream);
        loop {
            let deadline = self.deadline();
            let blocked = self.outbox.is_blocked();
            // A bridge asks for little, and must not wait here for what it waits for there.
            let floods = blocked && !self.peer.is_inside() && self.outbox.is_flooded();
            let reads = !self.paused && self.refused_at.is_none() && !floods;
            let step = tokio::select! {
                biased;
                // First: whoever sends without end must not keep from itself what it is sent.
                found = stream.writable(), if blocked => found.map_err(|error| read_error(&error)).map(|()| {
                    self.outbox.unblock();
                    self.blocked_since = None;
                    self.hub.flush(&self.outbox);
                }),
                found = stream.readable(), if reads => {
                    let read = found.map_err(|error| read_error(&error)).and_then(|()| self.read());
                    // Nor does it get around what is due, or the end.
                    if ended(&phase, &self.peer) {
                        read.and(Err(stopped(&mut phase, &self.peer).await))
                    } else if self.last_read >= deadline {
                        read.and_then(|()| self.look_at_time())
                    } else {
                        read
                    }
                }
                () = self.outbox.wake.notified() => Ok(()),
                () = tokio::time::sleep_until(deadline.into()) => self.look_at_time(),
                end = stopped(&mut phase, &self.peer) => Err(end),
            };
            if let Err(end) = step.and_then(|()| self.after_step()) {
                return end;
            }
        }
    }

    /// Reads what is there and handles it.
    fn read(&mut self) -> Result<(), End> {
        let wanted = frame_bytes_missing(&self.received, self.frame_limit()).map_err(|error| loud(&error))?;
        // Room grows with what has come, not with what is promised.
        let room = wanted.clamp(READ_BYTES, READ_BYTES.max(self.received.len()));
        self.received.reserve(room);
        match read_some(&self.outbox.stream, &mut self.received) {
            Ok(0) => return Err(End::Quiet),
            Ok(_) => self.last_read = Instant::now(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(read_error(&error)),
        }
        self.handle_received()
    }

    fn frame_limit(&self) -> usize {
        if self.session.stage().was_let_in() {
            self.negotiated.frame_limit.min(self.hub.config.max_frame_size)
        } else {
            Negotiated::initial().frame_limit
        }
    }

    /// Handles the whole frames that have come, many in each turn.
    fn handle_received(&mut self) -> Result<(), End> {
        loop {
            let mut commands = Vec::new();
            let mut broken = None;
            while commands.len() < COMMANDS_PER_TURN {
                match self.next_command() {
                    Ok(Some(command)) => {
                        // What follows is decoded by what this agrees on.
                        let last = matches!(
                            command,
                            Command::WireFormatInfo(_) | Command::ConnectionInfo(_) | Command::BrokerInfo(_)
                        );
                        commands.push(command);
                        if last {
                            break;
                        }
                    }
                    Ok(None) => break,
                    Err(end) => {
                        broken = Some(end);
                        break;
                    }
                }
            }
            if commands.is_empty() {
                if self.received.is_empty() {
                    // An idle connection holds no buffer.
                    self.received = BytesMut::new();
                }
                return broken.map_or(Ok(()), Err);
            }
            self.handle(commands)?;
            if let Some(end) = broken {
                return Err(end);
            }
            // Who was refused may have said more, as bridges do without waiting: it is not looked at.
            if self.paused || self.refused_at.is_some() {
                return Ok(());
            }
        }
    }

    fn next_command(&mut self) -> Result<Option<Command>, End> {
        let limit = self.frame_limit();
        let frame = match take_frame(&mut self.received, limit) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(None),
            // Before anything was understood, these are the peer's first bytes.
            Err(error) if self.session.stage().is_opening() => {
                return Err(match looks_like(&self.received) {
                    Some(told) => End::Loud(told.to_owned()),
                    None => loud(&error),
                });
            }
            Err(error) => return Err(loud(&error)),
        };
        let bytes = frame.len() + FRAME_PREFIX_LENGTH;
        let command = self.decoder.decode(frame).map_err(|error| loud(&error))?;
        // However long a client takes to say who it is, its signs of life are not held against it.
        if !self.session.stage().was_let_in() && !matches!(command, Command::KeepAliveInfo(_)) {
            self.early_bytes += bytes;
            let most = self.hub.config.negotiation_bytes_max;
            if self.early_bytes > most {
                return Err(End::Loud(format!("more than {most} bytes before ConnectionInfo")));
            }
        }
        Ok(Some(command))
    }

    fn handle(&mut self, commands: Vec<Command>) -> Result<(), End> {
        if !self.session.stage().was_let_in() && !matches!(commands[..], [Command::WireFormatInfo(_)]) {
            self.outbox.end_greeting();
        }
        let hub = Arc::clone(&self.hub);
        if hub.config.slaves.keep_clients_out()
            && commands.iter().any(
                |command| matches!(command, Command::ConnectionInfo(info) if !info.broker_master_connector),
            )
        {
            return Err(End::Loud(
                "clients are let in once the slave has everything (waitForSlave)".to_owned(),
            ));
        }
        let outbox = Arc::clone(&self.outbox);
        let key = outbox.key;
        let session = &mut self.session;
        let now = now();
        let (outcome, may_read) = hub.turn(|core| {
            core.written(key, outbox.take_written());
            let mut outcome = Ok(Flow::Continue);
            for command in commands {
                outcome = session.handle(core, now, command, &mut |outgoing| outbox.push(outgoing));
                if !matches!(outcome, Ok(Flow::Continue)) {
                    break;
                }
            }
            (outcome, core.may_read(key))
        });
        self.paused = !may_read;
        hub.flush(&outbox);
        if let Some(bridge) = self.session.bridge().filter(|_| !self.bridge_told) {
            tracing::info!(peer = %self.peer, "bridged by {bridge}");
            self.bridge_told = true;
        }
        match outcome {
            Ok(Flow::Continue) => Ok(()),
            Ok(Flow::Negotiate(info)) => self.negotiate(&info),
            Ok(Flow::Shutdown) => Err(End::Quiet),
            Ok(Flow::Slave) => self.hand_over(),
            Ok(Flow::Duplex(who)) => Err(End::Duplex(who)),
            Ok(Flow::Refused(failure)) => {
                match self.hub.refusals.now(&failure.message) {
                    Some(1) => tracing::warn!(peer = %self.peer, "connection refused: {failure}"),
                    Some(times) => {
                        tracing::warn!(peer = %self.peer, "connection refused: {failure} ({times} times so far)");
                    }
                    None => {}
                }
                self.refused_at = Some(Instant::now());
                Ok(())
            }
            Err(failure) => Err(End::Loud(failure.message)),
        }
    }

    fn negotiate(&mut self, theirs: &WireFormatInfo) -> Result<(), End> {
        let ours = preferences(&self.hub.config);
        self.peer_replicates =
            Preferences::from_info(theirs).is_ok_and(|theirs| theirs.replication == REPLICATION);
        self.negotiated = negotiate(&ours, theirs).map_err(|error| loud(&error))?;
        let (decoder, encoder) = WireFormat::new(&self.negotiated).split();
        self.decoder = decoder;
        let origin = &self.hub.origin;
        let info = BrokerInfo {
            broker_id: Some(Arc::new(BrokerId::new(origin.broker_id.clone()))),
            broker_url: Some(origin.broker_url.clone()),
            broker_name: Some(origin.broker_name.clone()),
            ..BrokerInfo::default()
        };
        self.outbox.push(Outgoing::Encoder(Box::new(encoder)));
        self.outbox.push(Outgoing::Command(info.into()));
        self.hub.flush(&self.outbox);
        Ok(())
    }

    /// A slave dialled. What it says is for whoever takes slaves, if it is one that can be understood.
    fn hand_over(&mut self) -> Result<(), End> {
        let slaves = &self.hub.config.slaves;
        if slaves.0.is_none() {
            return Err(End::Loud("this broker takes no slaves".to_owned()));
        }
        if !self.peer_replicates {
            return Err(End::Loud(
                "an ActiveMQ wants to be this broker's slave, and cannot copy from it: run kahawai on both (to move from \
                 ActiveMQ, see README.md)"
                    .to_owned(),
            ));
        }
        let received = std::mem::take(&mut self.received).freeze();
        if let (Stream::Socket(stream), Peer::Socket(peer)) = (&*self.outbox.stream, &self.peer) {
            slaves.hand_over(stream, *peer, received).map_err(|error| loud(&error))?;
        }
        Err(End::HandedOver)
    }

    /// What every step may have made necessary.
    fn after_step(&mut self) -> Result<(), End> {
        if let Some(reason) = self.outbox.close_asked() {
            return Err(End::Loud(reason));
        }
        if self.outbox.is_blocked() {
            self.blocked_since.get_or_insert_with(Instant::now);
        }
        let key = self.outbox.key;
        if self.outbox.congested.load(std::sync::atomic::Ordering::Acquire) && self.outbox.has_written() {
            let outbox = Arc::clone(&self.outbox);
            self.hub.turn(|core| core.written(key, outbox.take_written()));
        }
        if self.paused {
            self.paused = !self.hub.turn(|core| core.may_read(key));
            if !self.paused {
                return self.handle_received();
            }
        }
        Ok(())
    }

    /// When to look at the time next.
    fn deadline(&self) -> Instant {
        let config = &self.hub.config;
        let mut deadline = self.last_read + Duration::from_secs(3600);
        if let Some(inactivity) = self.negotiated.max_inactivity_duration {
            deadline = deadline.min(self.outbox.last_write() + inactivity / 3);
            deadline = deadline.min(self.read_deadline(inactivity));
        }
        if self.session.stage().is_opening() {
            deadline = deadline.min(self.started + config.connection_timeout);
        }
        if let Some(since) = self.blocked_since.filter(|_| !self.peer.is_inside()) {
            deadline = deadline.min(since + config.write_timeout);
        }
        if let Some(refused) = self.refused_at {
            deadline = deadline.min(refused + REFUSED_GRACE);
        }
        deadline
    }

    fn read_deadline(&self, inactivity: Duration) -> Instant {
        let first = self.started + self.negotiated.max_inactivity_duration_initial_delay + inactivity;
        (self.last_read + inactivity).max(first)
    }

    fn look_at_time(&mut self) -> Result<(), End> {
        let config = &self.hub.config;
        let now = Instant::now();
        if self.refused_at.is_some_and(|refused| now >= refused + REFUSED_GRACE) {
            return Err(End::Quiet);
        }
        if self.session.stage().is_opening() && now >= self.started + config.connection_timeout {
            let waited = config.connection_timeout.as_secs();
            return Err(End::Loud(format!("no WireFormatInfo within {waited} s (connectionTimeout)")));
        }
        let is_given_up = |since| now >= since + config.write_timeout;
        if !self.peer.is_inside() && self.blocked_since.is_some_and(is_given_up) {
            let waited = config.write_timeout.as_secs();
            return Err(End::Loud(format!(
                "the client read nothing for {waited} s while messages waited for it"
            )));
        }
        if let Some(inactivity) = self.negotiated.max_inactivity_duration {
            // A paused connection is not read: that it is silent says nothing.
            if !self.paused && now >= self.read_deadline(inactivity) {
                let waited = inactivity.as_millis();
                return Err(End::Loud(format!("the client was inactive for too long (>{waited} ms)")));
            }
            let idle = now >= self.outbox.last_write() + inactivity / 3;
            if idle && !self.outbox.is_blocked() {
                self.outbox.push(Outgoing::Command(KeepAliveInfo::default().into()));
                self.hub.flush(&self.outbox);
            }
        }
        Ok(())
    }

    /// Says one last thing, if the socket takes it soon.
    async fn farewell(&mut self, command: Command) {
        self.outbox.push(Outgoing::Command(command));
        // That the time is over is nothing to report: the client hears it from its socket.
        let _ = tokio::time::timeout(FAREWELL_GRACE, self.write_all()).await;
    }

    /// What a duplex bridge needs to go on with it, when all that was said is written.
    async fn give_away(&mut self, (info, initiator): (BrokerInfo, network::Peer)) -> Result<Duplex, String> {
        let all = tokio::time::timeout(self.hub.config.connection_timeout, self.write_all());
        all.await.map_err(|_| "it reads nothing".to_owned())?;
        let encoder = self.outbox.take_encoder().ok_or("the line broke")?;
        let Stream::Socket(stream) = &*self.outbox.stream else {
            return Err("a duplex bridge begins at another broker".to_owned());
        };
        // The file is the same: what the executor holds of it here ends with this connection.
        let again = stream.as_fd().try_clone_to_owned().and_then(|file| TcpStream::from_std(file.into()));
        let stream = again.map_err(|error| format!("it cannot be held: {error}"))?;
        let (unused, _) = WireFormat::initial().split();
        let decoder = std::mem::replace(&mut self.decoder, unused);
        let mut negotiated = self.negotiated.clone();
        negotiated.frame_limit = negotiated.frame_limit.min(self.hub.config.max_frame_size);
        let received = std::mem::take(&mut self.received);
        Ok(Duplex { info, initiator, stream, wire: WireFormat::join(decoder, encoder), negotiated, received })
    }

    /// Until all is written, or nothing can be any more.
    async fn write_all(&self) {
        /// How soon to look again where no event tells: a proof is under way, or somebody else is writing.
        const PAUSE: Duration = Duration::from_millis(5);
        loop {
            self.outbox.unblock();
            match self.hub.flush(&self.outbox) {
                Flushed::Broken => return,
                _ if self.outbox.is_empty() => return,
                Flushed::Blocked => {
                    if self.outbox.stream.writable().await.is_err() {
                        return;
                    }
                }
                Flushed::Done | Flushed::Unproven => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

/// Reads what is there. What did not fill the buffer was all: that is noted, as asking the system again would only tell
/// the same.
fn read_some(stream: &Stream, received: &mut BytesMut) -> io::Result<usize> {
    let nothing = || io::Error::from(io::ErrorKind::WouldBlock);
    let mut result = Err(nothing());
    // Readiness is as of before the read: what comes meanwhile is not forgotten with it.
    let _ = stream.try_io(Interest::READABLE, || {
        let spare = received.capacity() - received.len();
        result = stream.try_read_buf(received);
        match &result {
            Ok(count) if *count > 0 && *count < spare => Err(nothing()),
            _ => Ok(()),
        }
    });
    result
}

/// What we would like of the wire format.
fn preferences(config: &BrokerConfig) -> Preferences {
    let milliseconds = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Preferences {
        replication: if config.slaves.0.is_some() { REPLICATION } else { 0 },
        max_inactivity_duration: milliseconds(config.max_inactivity_duration),
        max_inactivity_duration_initial_delay: milliseconds(config.max_inactivity_duration_initial_delay),
        max_frame_size: i64::try_from(config.max_frame_size).unwrap_or(i64::MAX),
        ..Preferences::default()
    }
}

/// Whether a connection of this one is to end in this phase. A bridge waits for what is on its way, and is waited for.
fn ends(phase: &Phase, peer: &Peer) -> bool {
    match phase {
        Phase::Serving => false,
        Phase::Stopping => !peer.is_inside(),
        Phase::Abandoned(_) => true,
    }
}

fn ended(phase: &watch::Receiver<Phase>, peer: &Peer) -> bool {
    match phase.has_changed() {
        Ok(has_changed) => has_changed && ends(&phase.borrow(), peer),
        Err(_) => true,
    }
}

async fn stopped(phase: &mut watch::Receiver<Phase>, peer: &Peer) -> End {
    match phase.wait_for(|phase| ends(phase, peer)).await.as_deref() {
        Ok(Phase::Stopping) => End::Stopped,
        _ => End::Quiet,
    }
}

fn loud(error: &dyn std::fmt::Display) -> End {
    End::Loud(error.to_string())
}

fn read_error(error: &io::Error) -> End {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            End::Quiet
        }
        _ => End::Loud(error.to_string()),
    }
}
