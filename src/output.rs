//! Standard output, of commands that answer.

use std::io::{self, ErrorKind, Write as _};

use serde::Serialize;

use crate::exit::{Exit, Failure};

/// Writes to standard output at once. Who reads no more (`| head`) has enough: that ends the program in good order.
///
/// # Errors
/// Where it cannot be written to.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// Writes bytes as they are.
///
/// # Errors
/// As [`write()`].
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(gone)
}

/// Writes a line of JSON.
///
/// # Errors
/// As [`write()`].
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string(value).map_err(|error| Failure::new(Exit::Other, error))?;
    text.push('\n');
    write(&text)
}

fn gone(error: io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        return Failure::silent();
    }
    Failure::new(Exit::Other, format!("cannot write to standard output: {error}"))
}
