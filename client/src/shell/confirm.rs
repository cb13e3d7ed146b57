//! The broker's answer as a future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::error::{Error, Loss, Result};

/// The broker's answer, to come. It comes whether or not anyone waits: dropping this takes nothing back.
#[derive(Debug)]
#[must_use = "the answer tells whether the broker has it; await it, or drop it knowingly"]
pub struct Confirm(Option<oneshot::Receiver<Result<()>>>);

impl Confirm {
    pub(crate) fn new(answer: oneshot::Receiver<Result<()>>) -> Self {
        Self(Some(answer))
    }

    /// Resolves at once.
    pub(crate) fn nothing_to_wait_for() -> Self {
        Self(None)
    }
}

impl Future for Confirm {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(answer) = &mut self.0 else { return Poll::Ready(Ok(())) };
        Pin::new(answer).poll(context).map(|answer| {
            self.0 = None;
            answer.unwrap_or(Err(Error::Lost(Loss::RuntimeGone)))
        })
    }
}
