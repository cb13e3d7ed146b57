//! What a connection that recovers keeps beside its books.

use std::collections::VecDeque;
use std::sync::Arc;

use kahawai_openwire::message::Message;

use crate::error::Loss;
use crate::protocol::identity::Identity;

/// Where a connection that recovers stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// There is no link.
    Down,
    /// There is a link, and the broker has not accepted us yet.
    Presenting,
    /// The broker knows all that it must.
    Up,
}

/// What a connection that recovers keeps beside its books.
#[derive(Debug)]
pub(crate) struct Recovery {
    pub(crate) identity: Identity,
    pub(crate) standing: Standing,
    /// A broker had accepted us before.
    pub(crate) was_up: bool,
    /// Why the last link was lost.
    pub(crate) loss: Loss,
    /// Of messages that wait for their answers.
    pub(crate) held_bytes: usize,
    /// Messages that no answer was asked for, the newest last.
    pub(crate) tracked: VecDeque<Arc<Message>>,
    pub(crate) tracked_bytes: usize,
    pub(crate) tracked_bytes_max: usize,
}
