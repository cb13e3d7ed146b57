//! Mistakes that the judges are to find.

use kahawai_replication::frame::Frame;
use kahawai_store::batch::Operation;
use kahawai_store::codec::encode_batch;
use kahawai_store::names::Term;

/// A mistake of whoever runs the deciding code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    /// Says that a message is kept before it is.
    AnswersEarly,
    /// A slave takes itself for in sync as soon as it follows.
    NeverInSync,
    /// A slave says hello, and takes over all the same.
    HelloIsNoPromise,
    /// A master whose slave is gone goes on alone without asking anybody.
    GoesOnUnasked,
    /// Takes a member out at the arbiter without looking whether it may.
    SkipsRecord,
    /// Takes over without the arbiter.
    PromotesItself,
    /// Begins the term that it has seen, instead of one after it.
    SharesTerm,
    /// A member that was set aside begins alone.
    ForgetsPair,
    /// Opens a store as it is that was to be cut.
    LeavesTail,
    /// Leaves the first batch there of those that were to be cut.
    CutsTooLittle,
    /// Cuts a batch too much.
    CutsTooMuch,
    /// A copy forgets which subscription is done with what.
    CopyForgetsDone,
    /// A copy is without what is prepared.
    CopyForgetsPrepared,
    /// A master that is to leave answers what its slave does not have.
    LeavesEarly,
}

impl Bug {
    /// What a slave takes for what its master sent.
    pub(crate) fn changed(self, frame: Frame) -> Frame {
        let is_kept = |operation: &Operation| match operation {
            Operation::Acknowledge { subscription, .. } => {
                subscription.is_none() || self != Self::CopyForgetsDone
            }
            Operation::Prepare { .. } => self != Self::CopyForgetsPrepared,
            _ => true,
        };
        match frame {
            // A part of a copy.
            Frame::Batch(mut taken) if taken.name.term == Term(0) && self != Self::None => {
                let mut batch = taken.copied().expect("it was written so").batch;
                batch.operations.retain(is_kept);
                let mut encoded = Vec::new();
                encode_batch(batch, &mut encoded);
                taken.encoded = encoded.into();
                Frame::Batch(taken)
            }
            frame => frame,
        }
    }
}
