//! Compaction: what lives at the head of the log is written once more at its tail, and the head is given up.
//!
//! First in, first out: only the head is ever cleaned, so that an acknowledgement never has to be kept longer than the message it is
//! for, and nothing keeps account of which segment acknowledges what in which other.
//!
//! | module | what it does |
//! |---|---|
//! | [`cleaner`] | the thread that brings both together |
//! | [`cleaning`] | what it is asked for |
//! | [`head`] | reads the head and finds what lives there |
//! | [`pace`] | decides when to clean, and how much before more is taken: the bound on the disk |
//! | [`to_end`] | all of it, for an operator who asks |

pub(crate) mod cleaner;
pub(crate) mod cleaning;
pub(crate) mod head;
pub(crate) mod pace;
pub(crate) mod to_end;
