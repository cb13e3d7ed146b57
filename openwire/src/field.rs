//! The seam between the table of structures and the encodings: a structure hands its fields, in wire order, to a
//! [`FieldWriter`] or asks a [`FieldReader`] for them; it never knows whether the encoding is loose or tight.

use std::sync::Arc;

use bytes::Bytes;

use crate::cache::{Cacheable, CachedObject, DecodeCache};
use crate::error::{DecodeError, EncodeError};
use crate::frame_reader::FrameReader;
use crate::text::Text;
use crate::throwable::{StackTraceElement, Throwable};

/// What both encodings depend on besides their caches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// The version in force, 1 to 12.
    pub(crate) version: u8,
    /// Whether exceptions travel with stack traces and causes.
    pub(crate) stack_trace: bool,
}

/// Causes of an exception allowed on the wire; longer chains are cut when writing.
const CAUSE_LIMIT: usize = 64;

/// Takes a structure's fields in wire order. Implemented by the loose writer and the tight encoding's two passes.
pub(crate) trait FieldWriter: Sized {
    fn options(&self) -> Options;
    fn bool(&mut self, value: bool);
    fn byte(&mut self, value: u8);
    fn short(&mut self, value: u16);
    fn int(&mut self, value: i32);
    fn long(&mut self, value: i64);
    fn text(&mut self, value: Option<&Text>) -> Result<(), EncodeError>;
    /// Bytes as they are, without a length.
    fn fixed(&mut self, value: &[u8]);
    /// Bytes as they are, without a length, to be shared rather than copied where possible.
    fn shared(&mut self, value: &Bytes);
    fn cached<S: Structure + Cacheable>(&mut self, value: Option<&S>) -> Result<(), EncodeError>;
    /// The tight encoding's boolean for nested objects that might come in pre-marshalled form, which never do.
    fn not_premarshalled(&mut self);

    fn version(&self) -> u8 {
        self.options().version
    }

    fn bytes(&mut self, value: Option<&Bytes>) -> Result<(), EncodeError> {
        self.bool(value.is_some());
        let Some(bytes) = value else { return Ok(()) };
        let length = i32::try_from(bytes.len())
            .map_err(|_| EncodeError::TooLarge { found: bytes.len(), limit: i32::MAX as usize })?;
        self.int(length);
        self.shared(bytes);
        Ok(())
    }

    fn nested<S: Structure>(&mut self, value: Option<&S>) -> Result<(), EncodeError> {
        self.bool(value.is_some());
        let Some(structure) = value else { return Ok(()) };
        let type_id = structure.type_id();
        check_version(structure, self.version())?;
        if is_marshal_aware(type_id) {
            self.not_premarshalled();
        }
        self.byte(type_id);
        structure.write(self)
    }

    fn count(&mut self, found: usize) -> Result<(), EncodeError> {
        // Java reads the count with its sign.
        let limit = i16::MAX as usize;
        if found > limit {
            return Err(EncodeError::ListTooLong { found, limit });
        }
        self.short(found as u16);
        Ok(())
    }

    fn list<S: Structure>(&mut self, value: Option<&[S]>) -> Result<(), EncodeError> {
        self.bool(value.is_some());
        let Some(list) = value else { return Ok(()) };
        self.count(list.len())?;
        list.iter().try_for_each(|element| self.nested(Some(element)))
    }

    fn throwable(&mut self, value: Option<&Throwable>) -> Result<(), EncodeError> {
        write_throwable(self, value)
    }
}

/// Gives a structure's fields in wire order. Implemented by the loose and the tight reader.
pub(crate) trait FieldReader: Sized {
    fn options(&self) -> Options;
    fn bool(&mut self) -> Result<bool, DecodeError>;
    fn text(&mut self) -> Result<Option<Text>, DecodeError>;
    fn long(&mut self) -> Result<i64, DecodeError>;
    /// The frame's bytes.
    fn frame(&mut self) -> &mut FrameReader;
    fn cache(&mut self) -> Option<&mut DecodeCache>;
    /// The tight encoding's boolean for nested objects that might come in pre-marshalled form.
    fn is_premarshalled(&mut self) -> Result<bool, DecodeError>;

    fn version(&self) -> u8 {
        self.options().version
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        self.frame().array().map(u8::from_be_bytes)
    }

    fn int(&mut self) -> Result<i32, DecodeError> {
        self.frame().array().map(i32::from_be_bytes)
    }

    /// A slice of the frame, not copied.
    fn bytes(&mut self) -> Result<Option<Bytes>, DecodeError> {
        if !self.bool()? {
            return Ok(None);
        }
        let at = self.frame().position();
        let found = self.int()?;
        let length = usize::try_from(found).map_err(|_| DecodeError::NegativeLength { found, at })?;
        self.frame().slice(length).map(Some)
    }

    fn nested<S: Structure>(&mut self) -> Result<Option<S>, DecodeError> {
        if !self.bool()? {
            return Ok(None);
        }
        self.frame().enter()?;
        let type_id = self.byte()?;
        if is_marshal_aware(type_id) && self.is_premarshalled()? {
            return Err(DecodeError::PreMarshalled { type_id });
        }
        let structure = S::read(type_id, self)?;
        self.frame().leave();
        Ok(Some(structure))
    }

    fn cached<S: Structure + Cacheable>(&mut self) -> Result<Option<S>, DecodeError> {
        if self.cache().is_none() {
            return self.nested();
        }
        let is_new = self.bool()?;
        let index = self.frame().array().map(i16::from_be_bytes)?;
        if !is_new {
            return self.cache().map_or(Ok(None), |cache| cache.get(index, S::NAME));
        }
        let start = self.frame().position();
        let structure = self.nested::<S>()?;
        let encoded_bytes = self.frame().position() - start;
        if let Some(cache) = self.cache() {
            let object = structure.as_ref().map_or(CachedObject::Null, Cacheable::to_cached);
            cache.set(index, object, encoded_bytes)?;
        }
        Ok(structure)
    }

    fn count(&mut self) -> Result<usize, DecodeError> {
        let at = self.frame().position();
        let found = self.frame().array().map(i16::from_be_bytes)?;
        usize::try_from(found).map_err(|_| DecodeError::NegativeLength { found: found.into(), at })
    }

    fn list<S: Structure>(&mut self) -> Result<Option<Arc<[S]>>, DecodeError> {
        if !self.bool()? {
            return Ok(None);
        }
        let count = self.count()?;
        // Grows as elements come: the count alone must not take memory.
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(self.nested()?.ok_or(DecodeError::UnexpectedNull { expected: S::NAME })?);
        }
        Ok(Some(list.into()))
    }

    fn throwable(&mut self) -> Result<Option<Box<Throwable>>, DecodeError> {
        read_throwable(self)
    }
}

/// What has a type id and fields.
pub(crate) trait Structure: Sized {
    /// What to say when something else stands in its place.
    const NAME: &'static str;

    /// The type id on the wire (`CommandTypes` in ActiveMQ).
    fn type_id(&self) -> u8;

    /// The first version that has it.
    fn since(&self) -> u8 {
        1
    }

    /// Hands all fields that the writer's version has to the writer.
    fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError>;

    /// Reads the fields of the structure whose type id was `type_id`.
    fn read<R: FieldReader>(type_id: u8, reader: &mut R) -> Result<Self, DecodeError>;
}

impl<S: Structure> Structure for Arc<S> {
    const NAME: &'static str = S::NAME;

    fn type_id(&self) -> u8 {
        S::type_id(self)
    }

    fn since(&self) -> u8 {
        S::since(self)
    }

    fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
        S::write(self, writer)
    }

    fn read<R: FieldReader>(type_id: u8, reader: &mut R) -> Result<Self, DecodeError> {
        S::read(type_id, reader).map(Arc::new)
    }
}

/// Whether the tight encoding of a *nested* object of this type has one more boolean ("pre-marshalled form
/// follows", never true): in ActiveMQ those classes are `MarshallAware`.
pub(crate) fn is_marshal_aware(type_id: u8) -> bool {
    matches!(type_id, 1 | 23..=29)
}

/// Refuses a structure that the version in force does not have.
pub(crate) fn check_version<S: Structure>(structure: &S, version: u8) -> Result<(), EncodeError> {
    let since = structure.since();
    if version < since {
        return Err(EncodeError::NotInVersion { type_id: structure.type_id(), since, version });
    }
    Ok(())
}

/// The error of a structure that does not have `found` as its type id. Whether any has it is known further up.
pub(crate) fn unexpected_type(found: u8, expected: &'static str) -> DecodeError {
    DecodeError::UnexpectedType { found, expected }
}

/// Writes an exception with its causes.
fn write_throwable<W: FieldWriter>(
    writer: &mut W,
    mut throwable: Option<&Throwable>,
) -> Result<(), EncodeError> {
    for _ in 0..CAUSE_LIMIT {
        writer.bool(throwable.is_some());
        let Some(present) = throwable else { return Ok(()) };
        writer.text(present.class_name.as_ref())?;
        writer.text(present.message.as_ref())?;
        if !writer.options().stack_trace {
            return Ok(());
        }
        writer.count(present.stack_trace.len())?;
        for element in present.stack_trace.iter() {
            writer.text(element.class_name.as_ref())?;
            writer.text(element.method_name.as_ref())?;
            writer.text(element.file_name.as_ref())?;
            writer.int(element.line_number);
        }
        throwable = present.cause.as_deref();
    }
    writer.bool(false);
    Ok(())
}

/// Reads an exception with its causes.
fn read_throwable<R: FieldReader>(reader: &mut R) -> Result<Option<Box<Throwable>>, DecodeError> {
    let mut chain = Vec::new();
    while reader.bool()? {
        if chain.len() >= CAUSE_LIMIT {
            return Err(DecodeError::TooDeep { limit: CAUSE_LIMIT });
        }
        let mut throwable =
            Throwable { class_name: reader.text()?, message: reader.text()?, ..Throwable::default() };
        let has_stack_trace = reader.options().stack_trace;
        if has_stack_trace {
            throwable.stack_trace = read_stack_trace(reader)?;
        }
        chain.push(Box::new(throwable));
        if !has_stack_trace {
            break;
        }
    }
    Ok(chain.into_iter().rev().fold(None, |cause, mut throwable| {
        throwable.cause = cause;
        Some(throwable)
    }))
}

fn read_stack_trace<R: FieldReader>(reader: &mut R) -> Result<Arc<[StackTraceElement]>, DecodeError> {
    let count = reader.count()?;
    let mut elements = Vec::new();
    for _ in 0..count {
        elements.push(StackTraceElement {
            class_name: reader.text()?,
            method_name: reader.text()?,
            file_name: reader.text()?,
            line_number: reader.int()?,
        });
    }
    Ok(elements.into())
}
