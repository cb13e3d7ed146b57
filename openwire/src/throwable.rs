//! Java exceptions as data. Class names are never more than text here.

use std::sync::Arc;

use crate::error::{DecodeError, EncodeError};
use crate::field::{FieldReader, FieldWriter};
use crate::text::Text;

/// Causes of an exception allowed on the wire; longer chains are cut when writing.
const CAUSE_LIMIT: usize = 64;

/// An exception of a peer. Stack trace and cause travel only where stack traces were negotiated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Throwable {
    /// Fully qualified name of the Java class, such as `javax.jms.InvalidClientIDException`.
    pub class_name: Option<Text>,
    /// The exception's message.
    pub message: Option<Text>,
    /// Where it was thrown, innermost frame first.
    pub stack_trace: Arc<[StackTraceElement]>,
    /// What led to it.
    pub cause: Option<Box<Throwable>>,
}

impl Throwable {
    /// An exception of this class with this message, without a stack trace.
    pub fn new(class_name: impl Into<Text>, message: impl Into<Text>) -> Self {
        Self { class_name: Some(class_name.into()), message: Some(message.into()), ..Self::default() }
    }
}

/// One frame of a stack trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StackTraceElement {
    /// Fully qualified name of the class.
    pub class_name: Option<Text>,
    /// Name of the method.
    pub method_name: Option<Text>,
    /// Name of the source file, where known.
    pub file_name: Option<Text>,
    /// Line in that file; negative where unknown.
    pub line_number: i32,
}

/// Writes an exception with its causes.
pub(crate) fn write<W: FieldWriter>(
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
pub(crate) fn read<R: FieldReader>(reader: &mut R) -> Result<Option<Box<Throwable>>, DecodeError> {
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
