//! Drives a bridge over its lines until it ends.

use std::time::Duration;

use bytes::BytesMut;
use kahawai_openwire::negotiation::Preferences;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::line::Line;
use crate::bridge::{Bridge, Order, Remote, Side};
use crate::shell::hub::Phase;
use crate::shell::reports::Meter;

/// How long a bridge may take to end in good order.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Room for each read, in bytes.
const READ_BYTES: usize = 64 << 10;
/// A buffer with less room than this is renewed.
const READ_BYTES_MIN: usize = 8 << 10;
/// How much may wait to be written to the other broker before nothing more is taken from this one.
const FORWARD_BYTES_MAX: usize = 1 << 20;
/// How much may wait to be written to this broker before nothing more is heard of the other: far more than a bridge ever has to say.
const LOCAL_BYTES_MAX: usize = 64 << 20;

/// How it ended.
pub(super) enum Ended {
    /// The broker here stops, or is none any more.
    Stopped,
    /// For this reason; see [`Order::Failed`].
    Failed { why: String, for_good: bool },
}

/// What one wait came to.
enum Step {
    Read(Side, std::io::Result<usize>),
    Written(Side, std::io::Result<usize>),
    Time,
    Neighbours,
    Phase,
}

/// What carries a bridge.
pub(super) struct Wires {
    /// To this broker, and for what comes from the other one, where it goes both ways.
    pub(super) here: UnixStream,
    pub(super) inbound: Option<UnixStream>,
    /// To the other one, and how it is written there.
    pub(super) there: TcpStream,
    pub(super) line: Line,
    /// How long it may take until it stands.
    pub(super) opening: Duration,
}

impl Wires {
    /// To this broker, and to one that was dialled.
    pub(super) fn dialled(
        remote: &Remote,
        here: UnixStream,
        inbound: Option<UnixStream>,
        there: TcpStream,
    ) -> Result<Self, String> {
        let milliseconds = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let ours = Preferences {
            max_inactivity_duration: milliseconds(remote.max_inactivity_duration),
            max_inactivity_duration_initial_delay: milliseconds(remote.max_inactivity_duration_initial_delay),
            max_frame_size: i64::try_from(remote.max_frame_size).unwrap_or(i64::MAX),
            host: Some(remote.host.as_str().into()),
            ..Preferences::default()
        };
        let line = Line::new(ours, Instant::now())?;
        Ok(Self { here, inbound, there, line, opening: remote.connection_timeout })
    }
}

/// See the module. `name` is the other broker's for the log; `stands` is told what it calls itself when the bridge stands, and
/// `meter` what crosses.
pub(super) async fn drive(
    mut bridge: Bridge,
    name: &(dyn std::fmt::Display + Sync),
    wires: Wires,
    mut phase: watch::Receiver<Phase>,
    mut neighbours: watch::Receiver<u64>,
    meter: &Meter<'_>,
    stands: &mut (dyn FnMut(&str) + Send),
) -> Ended {
    let begun = Instant::now();
    let failed = |why: String| Ended::Failed { why, for_good: false };
    let Wires { mut here, mut inbound, mut there, line, opening } = wires;
    let opened_by = begun + opening;
    let mut lines = match (inside(begun), inside(begun)) {
        (Ok(local), Ok(inbound)) => [local, line, inbound],
        (Err(why), _) | (_, Err(why)) => return failed(why),
    };
    let (mut here_read, mut here_write) = here.split();
    let (mut there_read, mut there_write) = there.split();
    let (mut inbound_read, mut inbound_write) = inbound.as_mut().map(UnixStream::split).unzip();
    let mut stop_by: Option<Instant> = None;
    let mut is_over = false;
    // What had come already.
    handle(&mut bridge, &mut lines, Side::Remote, begun);
    loop {
        while let Some(order) = bridge.poll_order() {
            match order {
                Order::Send(side, command) => {
                    if let Err(why) = lines[side as usize].say(command) {
                        return failed(why);
                    }
                }
                Order::Say(text) => tracing::warn!("the bridge to {name}: {text}"),
                Order::Stands(other) => stands(&other),
                Order::Failed { why, for_good } => return Ended::Failed { why, for_good },
                Order::Ended => is_over = true,
            }
        }
        meter.set(bridge.figures());
        let [local, other, inward] = &mut lines;
        let is_said = |line: &Line| line.outgoing.is_empty();
        if is_over && is_said(local) && is_said(other) && (inbound_write.is_none() || is_said(inward)) {
            return Ended::Stopped;
        }
        let takes = !is_over && bridge.takes_more() && other.outgoing.len() < FORWARD_BYTES_MAX;
        let hears = !is_over
            && bridge.hears_more()
            && local.outgoing.len() < LOCAL_BYTES_MAX
            && inward.outgoing.len() < FORWARD_BYTES_MAX;
        if !hears {
            other.rests(Instant::now());
        }
        let mut wake = [local.deadline(), other.deadline(), stop_by].into_iter().flatten().min();
        if !bridge.stands() {
            wake = Some(wake.map_or(opened_by, |wake| wake.min(opened_by)));
        }
        for line in [&mut *local, &mut *other, &mut *inward] {
            if line.received.capacity() - line.received.len() < READ_BYTES_MIN {
                line.received.reserve(READ_BYTES);
            }
        }
        let alarm = async {
            match wake {
                Some(wake) => sleep_until(wake).await,
                None => std::future::pending().await,
            }
        };
        let step = tokio::select! {
            read = there_read.read_buf(&mut other.received), if hears => Step::Read(Side::Remote, read),
            read = here_read.read_buf(&mut local.received), if takes => Step::Read(Side::Local, read),
            read = read_if(&mut inbound_read, &mut inward.received), if !is_over => Step::Read(Side::Inbound, read),
            count = there_write.write(&other.outgoing), if !other.outgoing.is_empty() => Step::Written(Side::Remote, count),
            count = here_write.write(&local.outgoing), if !local.outgoing.is_empty() => Step::Written(Side::Local, count),
            count = write_if(&mut inbound_write, &inward.outgoing), if !inward.outgoing.is_empty() => Step::Written(Side::Inbound, count),
            () = alarm => Step::Time,
            Ok(()) = neighbours.changed() => Step::Neighbours,
            // Who stops waits for the end alone, and for being master no more.
            _ = phase.wait_for(|phase| is_news(phase, stop_by.is_some())) => Step::Phase,
        };
        let now = Instant::now();
        match step {
            Step::Read(side, Ok(0)) => bridge.lost(side, "it was closed"),
            Step::Read(side, Err(error)) | Step::Written(side, Err(error)) => {
                bridge.lost(side, &error.to_string())
            }
            Step::Written(side, Ok(count)) => lines[side as usize].written(count, now),
            Step::Read(side, Ok(_)) => handle(&mut bridge, &mut lines, side, now),
            Step::Time => {
                if stop_by.is_some_and(|by| now >= by) {
                    return Ended::Stopped;
                }
                if !bridge.stands() && now >= opened_by {
                    let waited = opening.as_millis();
                    return failed(format!("it does not answer within {waited} ms (connectionTimeout)"));
                }
                for side in [Side::Local, Side::Remote] {
                    if let Err(why) = lines[side as usize].look(now) {
                        bridge.lost(side, &why);
                    }
                }
            }
            Step::Neighbours => bridge.look_again(),
            Step::Phase => match &*phase.borrow() {
                Phase::Serving => {}
                Phase::Stopping => {
                    stop_by = Some(now + STOP_GRACE);
                    bridge.stop();
                }
                Phase::Abandoned(_) => return Ended::Stopped,
            },
        }
    }
}

/// Gives the bridge what a line has received.
fn handle(bridge: &mut Bridge, lines: &mut [Line; 3], side: Side, now: Instant) {
    loop {
        match lines[side as usize].next(now) {
            Ok(Some(command)) => bridge.received(side, command),
            Ok(None) => return,
            Err(why) => return bridge.lost(side, &why),
        }
    }
}

/// Reads where there is something to read from, and waits for ever elsewhere.
async fn read_if(from: &mut Option<ReadHalf<'_>>, into: &mut BytesMut) -> std::io::Result<usize> {
    match from {
        Some(from) => from.read_buf(into).await,
        None => std::future::pending().await,
    }
}

async fn write_if(to: &mut Option<WriteHalf<'_>>, bytes: &[u8]) -> std::io::Result<usize> {
    match to {
        Some(to) => to.write(bytes).await,
        None => std::future::pending().await,
    }
}

fn is_news(phase: &Phase, is_stopping: bool) -> bool {
    match phase {
        Phase::Serving => false,
        Phase::Stopping => !is_stopping,
        Phase::Abandoned(_) => true,
    }
}

/// A line to this broker.
fn inside(now: Instant) -> Result<Line, String> {
    // Nobody is silent within a process.
    Line::new(Preferences { max_inactivity_duration: 0, ..Preferences::default() }, now)
}
