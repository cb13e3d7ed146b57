//! Drives a bridge over its two lines until it ends.

use std::time::Duration;

use kahawai_openwire::negotiation::Preferences;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::line::Line;
use crate::bridge::{Bridge, Order, Remote, Side};
use crate::shell::hub::Phase;

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
    Phase,
}

/// See the module. `stands` is told the other broker's name when the bridge stands.
pub(super) async fn drive(
    mut bridge: Bridge,
    remote: &Remote,
    mut here: UnixStream,
    mut there: TcpStream,
    mut phase: watch::Receiver<Phase>,
    stands: &mut (dyn FnMut(&str) + Send),
) -> Ended {
    let begun = Instant::now();
    let failed = |why: String| Ended::Failed { why, for_good: false };
    let (mut lines, opened_by) = match lines(remote, begun) {
        Ok(lines) => (lines, begun + remote.connection_timeout),
        Err(why) => return failed(why),
    };
    let (mut here_read, mut here_write) = here.split();
    let (mut there_read, mut there_write) = there.split();
    let mut stop_by: Option<Instant> = None;
    let mut is_over = false;
    loop {
        while let Some(order) = bridge.poll_order() {
            match order {
                Order::Send(side, command) => {
                    if let Err(why) = lines[side as usize].say(command) {
                        return failed(why);
                    }
                }
                Order::Say(text) => tracing::warn!("the bridge to {remote}: {text}"),
                Order::Stands(name) => stands(&name),
                Order::Failed { why, for_good } => return Ended::Failed { why, for_good },
                Order::Ended => is_over = true,
            }
        }
        if is_over && lines.iter().all(|line| line.outgoing.is_empty()) {
            return Ended::Stopped;
        }
        let [local, other] = &mut lines;
        let mut wake = [local.deadline(), other.deadline(), stop_by].into_iter().flatten().min();
        if !bridge.stands() {
            wake = Some(wake.map_or(opened_by, |wake| wake.min(opened_by)));
        }
        let takes = !is_over && bridge.takes_more() && other.outgoing.len() < FORWARD_BYTES_MAX;
        let hears = !is_over && local.outgoing.len() < LOCAL_BYTES_MAX;
        for line in [&mut *local, &mut *other] {
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
            count = there_write.write(&other.outgoing), if !other.outgoing.is_empty() => Step::Written(Side::Remote, count),
            count = here_write.write(&local.outgoing), if !local.outgoing.is_empty() => Step::Written(Side::Local, count),
            () = alarm => Step::Time,
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
            Step::Read(side, Ok(_)) => loop {
                match lines[side as usize].next(now) {
                    Ok(Some(command)) => bridge.received(side, command),
                    Ok(None) => break,
                    Err(why) => {
                        bridge.lost(side, &why);
                        break;
                    }
                }
            },
            Step::Time => {
                if stop_by.is_some_and(|by| now >= by) {
                    return Ended::Stopped;
                }
                if !bridge.stands() && now >= opened_by {
                    let waited = remote.connection_timeout.as_millis();
                    return failed(format!("it does not answer within {waited} ms (connectionTimeout)"));
                }
                for side in [Side::Local, Side::Remote] {
                    if let Err(why) = lines[side as usize].look(now) {
                        bridge.lost(side, &why);
                    }
                }
            }
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

fn is_news(phase: &Phase, is_stopping: bool) -> bool {
    match phase {
        Phase::Serving => false,
        Phase::Stopping => !is_stopping,
        Phase::Abandoned(_) => true,
    }
}

/// Both lines, to this broker first.
fn lines(remote: &Remote, now: Instant) -> Result<[Line; 2], String> {
    // Nobody is silent within a process.
    let here = Preferences { max_inactivity_duration: 0, ..Preferences::default() };
    let milliseconds = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let there = Preferences {
        max_inactivity_duration: milliseconds(remote.max_inactivity_duration),
        max_inactivity_duration_initial_delay: milliseconds(remote.max_inactivity_duration_initial_delay),
        max_frame_size: i64::try_from(remote.max_frame_size).unwrap_or(i64::MAX),
        host: Some(remote.host.as_str().into()),
        ..Preferences::default()
    };
    Ok([Line::new(here, now)?, Line::new(there, now)?])
}
