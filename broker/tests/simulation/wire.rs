//! OpenWire over a stream of bytes, as whoever dialled speaks it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kahawai_openwire::command::Command;
use kahawai_openwire::frame::take_frame;
use kahawai_openwire::negotiation::{Preferences, negotiate};
use kahawai_openwire::wire_format::WireFormat;

/// No frame is larger.
pub(crate) const FRAME_BYTES_MAX: usize = 1 << 20;

/// What one end has said and heard.
pub(crate) struct Wire {
    format: WireFormat,
    is_agreed: bool,
    early: Vec<Command>,
    pub(crate) received: BytesMut,
    out: BytesMut,
    pub(crate) last_read: Duration,
    pub(crate) last_write: Duration,
}

impl Wire {
    /// A stream that was just opened: it begins with what this end would like.
    pub(crate) fn new(now: Duration) -> Self {
        let mut wire = Self::agreed(WireFormat::initial(), BytesMut::new(), now);
        wire.is_agreed = false;
        wire.encode(&Preferences::default().to_info().into());
        wire
    }

    /// One on which both have agreed; `received` came since.
    pub(crate) fn agreed(format: WireFormat, received: BytesMut, now: Duration) -> Self {
        let out = BytesMut::new();
        Self { format, is_agreed: true, early: Vec::new(), received, out, last_read: now, last_write: now }
    }

    fn encode(&mut self, command: &Command) {
        self.format.encode(command, &mut self.out).expect("what is said here can be written");
    }

    /// Says something, as soon as both have agreed on how.
    pub(crate) fn say(&mut self, command: Command) {
        match self.is_agreed {
            true => self.encode(&command),
            false => self.early.push(command),
        }
    }

    /// What is to be written.
    pub(crate) fn take_out(&mut self, now: Duration) -> Option<Bytes> {
        if self.out.is_empty() {
            return None;
        }
        self.last_write = now;
        Some(self.out.split().freeze())
    }

    pub(crate) fn feed(&mut self, bytes: &[u8], now: Duration) {
        self.last_read = now;
        self.received.extend_from_slice(bytes);
    }

    /// The next command of what came, but for the stream's own.
    pub(crate) fn next(&mut self) -> Option<Command> {
        loop {
            let frame = take_frame(&mut self.received, FRAME_BYTES_MAX).expect("a frame")?;
            match self.format.decode(frame).expect("a command") {
                Command::WireFormatInfo(theirs) if !self.is_agreed => {
                    let agreed = negotiate(&Preferences::default(), &theirs).expect("they agree");
                    self.format = WireFormat::new(&agreed);
                    self.is_agreed = true;
                    for command in std::mem::take(&mut self.early) {
                        self.encode(&command);
                    }
                }
                Command::KeepAliveInfo(_) => {}
                command => return Some(command),
            }
        }
    }
}
