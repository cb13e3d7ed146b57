//! Java exceptions as data. Class names are never more than text here.

use std::sync::Arc;

use crate::text::Text;

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
