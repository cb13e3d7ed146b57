//! Mistakes that the judges are to find.

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
}
