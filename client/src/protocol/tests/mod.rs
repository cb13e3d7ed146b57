//! Transcripts: what the state machine says and tells when it is called and when a broker speaks to it.
//!
//! ```text
//! > ProducerInfo 1:1 queue://A  #3?     the client says; #3 is the command's number, ? asks for an answer
//! < Response to 3                       the broker says
//! = 3 answered                          the state machine tells
//! ```

mod acknowledging;
mod conversation;
mod damage;
mod handshake;
mod keeping_alive;
mod recovering;
mod render;
mod sending;
mod transactions;
