//! OpenWire over one line, without the line: bytes and commands, agreeing on how to write, and signs of life.

use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::KeepAliveInfo;
use kahawai_openwire::frame::take_frame;
use kahawai_openwire::negotiation::{Negotiated, Preferences, negotiate};
use kahawai_openwire::wire_format::WireFormat;
use tokio::time::Instant;

use crate::openwire::network::SUBSCRIPTIONS_SINCE;

/// A buffer beyond this is given back when it was written.
const KEPT_BYTES_MAX: usize = 2 << 20;

/// See the module.
pub(super) struct Line {
    ours: Preferences,
    wire: WireFormat,
    negotiated: Option<Negotiated>,
    /// What came and was not looked at.
    pub(super) received: BytesMut,
    /// What is to be written.
    pub(super) outgoing: BytesMut,
    /// What was said before both had agreed on how.
    early: Vec<Command>,
    opened: Instant,
    last_read: Instant,
    last_write: Instant,
}

impl Line {
    /// A line that was just opened. It begins with what we would like.
    pub(super) fn new(ours: Preferences, now: Instant) -> Result<Self, String> {
        let mut line = Self {
            wire: WireFormat::initial(),
            negotiated: None,
            received: BytesMut::new(),
            outgoing: BytesMut::new(),
            early: Vec::new(),
            opened: now,
            last_read: now,
            last_write: now,
            ours,
        };
        line.encode(&line.ours.to_info().into())?;
        Ok(line)
    }

    /// A line on which both have agreed already; `received` is what came since and was not looked at.
    pub(super) fn agreed(wire: WireFormat, negotiated: Negotiated, received: BytesMut, now: Instant) -> Self {
        Self {
            ours: Preferences::default(),
            wire,
            negotiated: Some(negotiated),
            received,
            outgoing: BytesMut::new(),
            early: Vec::new(),
            opened: now,
            last_read: now,
            last_write: now,
        }
    }

    /// Nothing is read from it for now: that it is silent says nothing.
    pub(super) fn rests(&mut self, now: Instant) {
        self.last_read = now;
    }

    /// So much of it was.
    pub(super) fn written(&mut self, count: usize, now: Instant) {
        self.outgoing.advance(count);
        self.last_write = now;
        if self.outgoing.is_empty() && self.outgoing.capacity() > KEPT_BYTES_MAX {
            self.outgoing = BytesMut::new();
        }
    }

    /// Says something, as soon as both have agreed on how.
    pub(super) fn say(&mut self, command: Command) -> Result<(), String> {
        if self.negotiated.is_none() {
            self.early.push(command);
            return Ok(());
        }
        self.encode(&command)
    }

    fn encode(&mut self, command: &Command) -> Result<(), String> {
        let version = self.negotiated.as_ref().map_or(u8::MAX, |agreed| agreed.version);
        // Whoever speaks an older version does without.
        if matches!(command, Command::BrokerSubscriptionInfo(_)) && i32::from(version) < SUBSCRIPTIONS_SINCE {
            return Ok(());
        }
        self.wire
            .encode(command, &mut self.outgoing)
            .map_err(|error| format!("{} cannot be written: {error}", command.name()))
    }

    /// The next command of what came, but for those that are the line's own.
    pub(super) fn next(&mut self, now: Instant) -> Result<Option<Command>, String> {
        self.last_read = now;
        loop {
            let limit = self.negotiated.as_ref().unwrap_or(&Negotiated::initial()).frame_limit;
            let frame = take_frame(&mut self.received, limit).map_err(|error| error.to_string())?;
            let Some(frame) = frame else { return Ok(None) };
            match self.wire.decode(frame).map_err(|error| error.to_string())? {
                Command::WireFormatInfo(theirs) if self.negotiated.is_none() => {
                    let agreed = negotiate(&self.ours, &theirs).map_err(|error| error.to_string())?;
                    self.wire = WireFormat::new(&agreed);
                    self.negotiated = Some(agreed);
                    for command in std::mem::take(&mut self.early) {
                        self.encode(&command)?;
                    }
                }
                Command::KeepAliveInfo(info) => {
                    if info.response_required {
                        self.encode(&KeepAliveInfo::default().into())?;
                    }
                }
                command => return Ok(Some(command)),
            }
        }
    }

    /// When to look at the time next, if ever.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let inactivity = self.inactivity()?;
        let beat = self.last_write + inactivity / 3;
        Some(if self.outgoing.is_empty() {
            beat.min(self.silent_from(inactivity))
        } else {
            self.silent_from(inactivity)
        })
    }

    /// Gives signs of life, and looks for the other's.
    pub(super) fn look(&mut self, now: Instant) -> Result<(), String> {
        let Some(inactivity) = self.inactivity() else { return Ok(()) };
        if now >= self.silent_from(inactivity) {
            return Err(format!("nothing was heard for {} ms", inactivity.as_millis()));
        }
        if self.outgoing.is_empty() && now >= self.last_write + inactivity / 3 {
            self.encode(&KeepAliveInfo::default().into())?;
        }
        Ok(())
    }

    fn inactivity(&self) -> Option<Duration> {
        self.negotiated.as_ref()?.max_inactivity_duration
    }

    fn silent_from(&self, inactivity: Duration) -> Instant {
        let delay = self
            .negotiated
            .as_ref()
            .map_or(Duration::ZERO, |agreed| agreed.max_inactivity_duration_initial_delay);
        (self.last_read + inactivity).max(self.opened + delay + inactivity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one has said, to the other.
    fn carry(from: &mut Line, to: &mut Line, now: Instant) -> Vec<Command> {
        to.received.extend_from_slice(&from.outgoing);
        let count = from.outgoing.len();
        from.written(count, now);
        std::iter::from_fn(|| to.next(now).unwrap()).collect()
    }

    #[tokio::test]
    async fn both_agree_and_what_was_said_before_comes_after() {
        let now = Instant::now();
        let ours = Preferences { max_inactivity_duration: 3000, ..Preferences::default() };
        let mut one = Line::new(ours, now).unwrap();
        let mut other = Line::new(Preferences::default(), now).unwrap();
        one.say(KeepAliveInfo { response_required: true, ..KeepAliveInfo::default() }.into()).unwrap();
        one.say(kahawai_openwire::connection::ShutdownInfo::default().into()).unwrap();
        assert_eq!(one.deadline(), None);
        assert_eq!(carry(&mut one, &mut other, now), []);
        assert_eq!(carry(&mut other, &mut one, now), []);
        let heard = carry(&mut one, &mut other, now);
        assert!(matches!(&heard[..], [Command::ShutdownInfo(_)]), "{heard:?}");
        assert!(!other.outgoing.is_empty(), "it answers the sign of life");
        assert_eq!(carry(&mut other, &mut one, now), []);

        // What is silent gives a sign, and what stays silent is given up.
        let second = Duration::from_secs(1);
        assert_eq!(one.deadline(), Some(now + second));
        one.look(now + second / 2).unwrap();
        assert!(one.outgoing.is_empty());
        one.look(now + second).unwrap();
        assert!(!one.outgoing.is_empty());
        one.look(now + 12 * second).unwrap();
        assert!(one.look(now + 13 * second).is_err());
    }

    #[tokio::test]
    async fn what_is_no_openwire_is_an_error_and_takes_no_memory() {
        let now = Instant::now();
        let mut line = Line::new(Preferences::default(), now).unwrap();
        line.received.extend_from_slice(b"HTTP/1.1 400 Bad Request");
        assert!(line.next(now).is_err());
        let mut line = Line::new(Preferences::default(), now).unwrap();
        line.received.extend_from_slice(b"\0\0\0\x02\xff\xff");
        assert!(line.next(now).is_err());
    }
}
