//! The OpenWire wire format, versions 1 to 12: bytes in, commands out, no I/O.
//!
//! [`frame::take_frame`] cuts received bytes into frames, [`wire_format::WireFormat`] turns frames into
//! [`command::Command`]s and commands into frames, [`negotiation`] agrees with the peer on how.
//!
//! The protocol's structures are declared once each, in a table (`structure!` in the source), from which the Rust
//! type, both encodings and the tests' generator follow.

pub mod body;
mod boolean_stream;
mod cache;
pub mod command;
pub mod connection;
pub mod consumer;
pub mod destination;
pub mod error;
mod field;
pub mod frame;
mod frame_reader;
#[cfg(test)]
mod generate;
mod header;
pub mod ids;
pub mod journal;
mod loose;
pub mod message;
mod message_ack;
mod message_kind;
mod modified_utf8;
pub mod negotiation;
mod output;
pub mod primitive;
pub mod producer;
pub mod properties;
pub mod reliability;
pub mod response;
mod table;
#[cfg(test)]
mod tests;
pub mod text;
pub mod throwable;
mod tight;
pub mod transaction;
pub mod wire_format;
