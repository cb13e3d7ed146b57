//! One TCP connection's bytes: agreeing on a wire format, cutting and making frames, keeping alive. It knows
//! commands, not what they mean. A connection that fails over gets a new link for each broker.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::KeepAliveInfo;
use kahawai_openwire::error::EncodeError;
use kahawai_openwire::frame::{FRAME_LIMIT_BEFORE_AUTHENTICATION, take_frame};
use kahawai_openwire::negotiation::{Preferences, negotiate};
use kahawai_openwire::wire_format::{Decoder, Encoder, WireFormat};

use crate::error::Loss;
use crate::protocol::keep_alive::{Due, KeepAlive};

/// What came.
#[derive(Debug)]
pub(super) enum Received {
    /// The wire format is agreed on: commands may be sent.
    Negotiated,
    /// A command.
    Command(Command),
}

#[derive(Debug)]
enum Phase {
    /// Our `WireFormatInfo` is sent, the broker's has not come.
    Negotiating,
    /// Both are known.
    Agreed { decoder: Box<Decoder>, encoder: Box<Encoder>, frame_limit: usize, keep_alive: KeepAlive },
}

/// One TCP connection's bytes, without the connection.
#[derive(Debug)]
pub(super) struct Link {
    preferences: Preferences,
    phase: Phase,
    output: BytesMut,
}

impl Link {
    /// A fresh connection: the first bytes to send are waiting.
    ///
    /// # Errors
    /// [`EncodeError`] where the preferences hold a text that is too long.
    pub(super) fn new(preferences: Preferences) -> Result<Self, EncodeError> {
        let mut output = BytesMut::new();
        WireFormat::initial().encode(&Command::from(preferences.to_info()), &mut output)?;
        Ok(Self { preferences, phase: Phase::Negotiating, output })
    }

    /// Whether commands may be sent.
    pub(super) fn is_agreed(&self) -> bool {
        matches!(self.phase, Phase::Agreed { .. })
    }

    /// Notes that bytes came, even if they are not yet a whole frame.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Phase::Agreed { keep_alive, .. } = &mut self.phase {
            keep_alive.heard(now);
        }
    }

    /// Takes the next command off the front of `input`; none where more bytes are needed.
    ///
    /// # Errors
    /// [`Loss`]; the link is of no use then.
    pub(super) fn receive(&mut self, now: Instant, input: &mut BytesMut) -> Result<Option<Received>, Loss> {
        match &mut self.phase {
            Phase::Negotiating => {
                let frame = take_frame(input, FRAME_LIMIT_BEFORE_AUTHENTICATION).map_err(Loss::Frame)?;
                frame.map(|frame| self.agree(now, frame)).transpose()
            }
            Phase::Agreed { decoder, frame_limit, .. } => {
                let Some(frame) = take_frame(input, *frame_limit).map_err(Loss::Frame)? else {
                    return Ok(None);
                };
                decoder.decode(frame).map(|command| Some(Received::Command(command))).map_err(Loss::Decode)
            }
        }
    }

    fn agree(&mut self, now: Instant, frame: Bytes) -> Result<Received, Loss> {
        let theirs = match WireFormat::initial().decode(frame).map_err(Loss::Decode)? {
            Command::WireFormatInfo(info) => info,
            other => return Err(Loss::UnexpectedCommand(other.name())),
        };
        let negotiated = negotiate(&self.preferences, &theirs).map_err(Loss::Negotiation)?;
        tracing::debug!(?negotiated, "wire format agreed");
        let (decoder, encoder) = WireFormat::new(&negotiated).split();
        self.phase = Phase::Agreed {
            decoder: Box::new(decoder),
            encoder: Box::new(encoder),
            frame_limit: negotiated.frame_limit,
            keep_alive: KeepAlive::new(&negotiated, now),
        };
        Ok(Received::Negotiated)
    }

    /// Makes a command into bytes to send.
    ///
    /// # Errors
    /// [`EncodeError`]; nothing is sent then and the link can go on.
    ///
    /// # Panics
    /// Before the wire format is agreed on.
    pub(super) fn send(&mut self, now: Instant, command: &Command) -> Result<(), EncodeError> {
        let Phase::Agreed { encoder, keep_alive, .. } = &mut self.phase else {
            panic!("{} sent before the wire format was agreed on", command.name());
        };
        encoder.encode(command, &mut self.output)?;
        keep_alive.spoke(now);
        Ok(())
    }

    /// When to call [`Self::look`] next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Negotiating => None,
            Phase::Agreed { keep_alive, .. } => keep_alive.deadline(),
        }
    }

    /// Says something if it is time to.
    ///
    /// # Errors
    /// [`Loss::Inactive`] where the peer was silent for too long.
    pub(super) fn look(&mut self, now: Instant) -> Result<(), Loss> {
        let Phase::Agreed { encoder, keep_alive, .. } = &mut self.phase else { return Ok(()) };
        match keep_alive.due(now) {
            Due::Nothing => Ok(()),
            Due::PeerDead(duration) => Err(Loss::Inactive(duration)),
            Due::Speak => {
                // What still waits to be sent shows as well that we live.
                if self.output.is_empty() {
                    let encoded = encoder.encode(&KeepAliveInfo::default().into(), &mut self.output);
                    debug_assert_eq!(encoded, Ok(()), "a command without fields always fits");
                }
                keep_alive.spoke(now);
                Ok(())
            }
        }
    }

    /// Bytes that wait to be sent. Whoever sends them takes them out.
    pub(super) fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }
}
