//! The writer on a disk that fails, stops and forgets, driven by one thread so that every run is the same.
//!
//! `KAHAWAI_TEST_SCALE` multiplies the number of random sequences (default 1).
//!
//! | module | what it holds |
//! |---|---|
//! | [`driver`] | a store over one writer without threads, and the model beside it |
//! | [`script`] | random batches with some of everything |
//! | [`bound`] | how much disk a store takes, whatever is acknowledged |
//! | [`checkpoint`] | checkpoints that spare work, and that are deleted, damaged or of another future |
//! | [`crash`] | power failure at every call |
//! | [`cut`] | what is left out when a store is opened, and set aside |
//! | [`damage`] | bytes and files that are not what was written |
//! | [`errors`] | an error at every call, and a full disk |
//! | [`full`] | a full disk, its reserves, and what waits for the cleaner |
//! | [`names`] | what names a batch, and stays |
//! | [`open`] | segments that are opened again, or gone, when they are read |
//! | [`order`] | write, flush, prove, answer, destroy |
//! | [`places`] | what stands where in the files of a sound store |
//! | [`prove`] | every sequence of a few operations, with every crash and every failing call; every damage to some stores |
//! | [`sweep`] | what goes with a destination or a subscription, by and by |
//! | [`levels`] | durability levels weaker than always |
//! | [`long`] | long random lives with reopening among them; how much disk they take |

mod bound;
mod checkpoint;
mod crash;
mod cut;
mod damage;
mod driver;
mod errors;
mod full;
mod levels;
mod long;
mod names;
mod open;
mod order;
mod places;
mod prove;
mod script;
mod sweep;

/// How many times the default amount of random work is asked for.
pub(crate) fn scale() -> u64 {
    std::env::var("KAHAWAI_TEST_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}
