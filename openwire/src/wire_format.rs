//! The negotiated state of one connection: turns frames into commands and commands into frames.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::boolean_stream::BooleanReader;
use crate::cache::{DecodeCache, EncodeCache};
use crate::command::{self, Command, DataStructure, Message, MessageDispatch};
use crate::error::{DecodeError, EncodeError};
use crate::field::{FieldReader, Options, Structure, check_version};
use crate::frame::FRAME_PREFIX_LENGTH;
use crate::frame_reader::FrameReader;
use crate::loose::{LooseReader, LooseWriter};
use crate::negotiation::{Negotiated, VERSION_MAX, VERSION_MIN};
use crate::output::{Chunks, Output};
use crate::tight::{TightPlan, TightReader, TightSizer};

/// One connection's wire format, both directions. Frames must be decoded in the order in which they came and encoded
/// in the order in which they are sent, each once: the caches depend on it.
///
/// The directions share nothing: [`WireFormat::split`] gives each its own value.
#[derive(Debug)]
pub struct WireFormat {
    decoder: Decoder,
    encoder: Encoder,
}

/// The receiving direction of a connection's wire format.
#[derive(Debug)]
pub struct Decoder {
    options: Options,
    is_tight: bool,
    cache: Option<DecodeCache>,
}

/// The sending direction of a connection's wire format.
#[derive(Debug)]
pub struct Encoder {
    options: Options,
    is_tight: bool,
    has_size_prefix: bool,
    frame_limit: usize,
    cache: Option<EncodeCache>,
    plan: TightPlan,
}

impl WireFormat {
    /// How every connection starts, until both `WireFormatInfo`s were exchanged: version 1, loose, no cache.
    pub fn initial() -> Self {
        Self::new(&Negotiated::initial())
    }

    /// The wire format that two peers agreed on, with empty caches.
    pub fn new(negotiated: &Negotiated) -> Self {
        let options = Options {
            version: negotiated.version.clamp(VERSION_MIN, VERSION_MAX),
            stack_trace: negotiated.stack_trace_enabled,
        };
        let is_tight = negotiated.tight_encoding_enabled;
        Self {
            decoder: Decoder { options, is_tight, cache: negotiated.cache_size.map(DecodeCache::new) },
            encoder: Encoder {
                options,
                is_tight,
                has_size_prefix: !negotiated.size_prefix_disabled,
                frame_limit: negotiated.frame_limit.min(i32::MAX as usize),
                cache: negotiated.cache_size.map(EncodeCache::new),
                plan: TightPlan::default(),
            },
        }
    }

    /// Both directions of one connection, put together again.
    pub fn join(decoder: Decoder, encoder: Encoder) -> Self {
        debug_assert_eq!(decoder.version(), encoder.version(), "both are of one connection");
        Self { decoder, encoder }
    }

    /// The two directions, for two tasks.
    pub fn split(self) -> (Decoder, Encoder) {
        (self.decoder, self.encoder)
    }

    /// The version in force.
    pub fn version(&self) -> u8 {
        self.decoder.options.version
    }

    /// See [`Decoder::decode`].
    ///
    /// # Errors
    /// See there.
    pub fn decode(&mut self, frame: Bytes) -> Result<Command, DecodeError> {
        self.decoder.decode(frame)
    }

    /// See [`Encoder::encode`].
    ///
    /// # Errors
    /// See there.
    pub fn encode(&mut self, command: &Command, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.encoder.encode(command, out)
    }

    /// See [`Encoder::encode_dispatch`].
    ///
    /// # Errors
    /// See there.
    pub fn encode_dispatch(
        &mut self,
        dispatch: &MessageDispatch,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        self.encoder.encode_dispatch(dispatch, out)
    }
}

impl Decoder {
    /// The version in force.
    pub fn version(&self) -> u8 {
        self.options.version
    }

    /// Decodes a frame (without its length prefix, as [`crate::frame::take_frame`] gives it). A message's body and
    /// properties share the frame's memory and keep all of it, with the buffer that the frame was cut from.
    ///
    /// Memory taken stays within a constant times the frame's length.
    ///
    /// # Errors
    /// [`DecodeError`]; the decoder must not be used any more then, since the peers' caches may differ.
    pub fn decode(&mut self, frame: Bytes) -> Result<Command, DecodeError> {
        match self.decode_structure(frame)? {
            DataStructure::Command(command) => Ok(command),
            structure => Err(DecodeError::NotACommand { type_id: structure.type_id() }),
        }
    }

    /// Decodes a frame that may hold any structure, as files and journals do.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_structure(&mut self, frame: Bytes) -> Result<DataStructure, DecodeError> {
        self.read_structure(frame).map_err(|error| match error {
            // What stands in the wrong place may be what no place has.
            DecodeError::UnexpectedType { found, .. } if !command::exists(found, self.options.version) => {
                DecodeError::UnknownType { type_id: found, version: self.options.version }
            }
            error => error,
        })
    }

    fn read_structure(&mut self, frame: Bytes) -> Result<DataStructure, DecodeError> {
        let mut frame = FrameReader::new(frame);
        let [type_id] = frame.array()?;
        if type_id == 0 {
            return Err(DecodeError::UnexpectedNull { expected: DataStructure::NAME });
        }
        let cache = self.cache.as_mut();
        if !self.is_tight {
            let mut reader = LooseReader { frame, options: self.options, cache };
            let structure = DataStructure::read(type_id, &mut reader)?;
            reader.frame().finish()?;
            return Ok(structure);
        }
        let (booleans, end) = BooleanReader::find(frame.all(), frame.position())?;
        frame.take(end - frame.position())?;
        let mut reader = TightReader { frame, booleans, options: self.options, cache };
        let structure = DataStructure::read(type_id, &mut reader)?;
        reader.booleans.finish()?;
        reader.frame().finish()?;
        Ok(structure)
    }
}

impl Encoder {
    /// The version in force.
    pub fn version(&self) -> u8 {
        self.options.version
    }

    /// Appends a command as a frame, with its length prefix.
    ///
    /// # Errors
    /// [`EncodeError`]; nothing was appended then and the encoder can go on.
    pub fn encode(&mut self, command: &Command, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.encode_any(command, out)
    }

    /// Appends a dispatch as a frame, like [`Self::encode`] without the need to put it into a [`Command`].
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_dispatch(
        &mut self,
        dispatch: &MessageDispatch,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        self.encode_any(dispatch, out)
    }

    /// Appends a message as a frame, like [`Self::encode`] without the need to put it into a [`Command`].
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_message(&mut self, message: &Arc<Message>, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.encode_any(message, out)
    }

    /// Appends any structure as a frame, as files and journals do.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_structure(
        &mut self,
        structure: &DataStructure,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        self.encode_any(structure, out)
    }

    /// Encodes a command as a frame in chunks, for vectored writing: bodies and properties of at least `share_from`
    /// bytes are shared, not copied.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_chunks(&mut self, command: &Command, share_from: usize) -> Result<Vec<Bytes>, EncodeError> {
        let mut chunks = Chunks::new(share_from);
        self.encode_to(command, &mut chunks)?;
        Ok(chunks.finish())
    }

    fn encode_any<S: Structure>(&mut self, structure: &S, out: &mut BytesMut) -> Result<(), EncodeError> {
        let start = out.len();
        self.encode_to(structure, out).inspect_err(|_| out.truncate(start))
    }

    fn encode_to<S: Structure, O: Output>(&mut self, structure: &S, out: &mut O) -> Result<(), EncodeError> {
        check_version(structure, self.options.version)?;
        if let Some(cache) = &mut self.cache {
            cache.begin_command();
        }
        let result =
            if self.is_tight { self.encode_tight(structure, out) } else { self.encode_loose(structure, out) };
        result.inspect_err(|_| {
            if let Some(cache) = &mut self.cache {
                cache.roll_back_command();
            }
        })
    }

    fn encode_tight<S: Structure, O: Output>(
        &mut self,
        structure: &S,
        out: &mut O,
    ) -> Result<(), EncodeError> {
        let Self { options, plan, cache, .. } = self;
        plan.clear();
        structure.write(&mut TightSizer { plan, options: *options, cache: cache.as_mut() })?;
        plan.booleans.finish();
        let size = 1 + plan.booleans.encoded_length()? + plan.size();
        let prefix = self.size_prefix(size)?;
        out.reserve(FRAME_PREFIX_LENGTH + size);
        out.put(&prefix[..if self.has_size_prefix { FRAME_PREFIX_LENGTH } else { 0 }]);
        out.put(&[structure.type_id()]);
        self.plan.booleans.write(out.buffer());
        structure.write(&mut self.plan.writer(out, self.options, self.cache.is_some()))
    }

    fn encode_loose<S: Structure, O: Output>(
        &mut self,
        structure: &S,
        out: &mut O,
    ) -> Result<(), EncodeError> {
        let start = out.begin(if self.has_size_prefix { FRAME_PREFIX_LENGTH } else { 0 });
        out.put(&[structure.type_id()]);
        structure.write(&mut LooseWriter { out, options: self.options, cache: self.cache.as_mut() })?;
        let prefix = self.size_prefix(out.length_since(start))?;
        if self.has_size_prefix {
            out.patch(start, prefix);
        }
        Ok(())
    }

    fn size_prefix(&self, size: usize) -> Result<[u8; FRAME_PREFIX_LENGTH], EncodeError> {
        if size > self.frame_limit {
            return Err(EncodeError::TooLarge { found: size, limit: self.frame_limit });
        }
        Ok((size as u32).to_be_bytes())
    }
}
