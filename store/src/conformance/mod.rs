//! The suite that every engine runs.
//!
//! An engine's test file says how the engine is opened and crashed and gets one `#[test]` for each case:
//!
//! ```
//! # // Not run as tests here: shown to compile.
//! use std::sync::Arc;
//! use kahawai_store::conformance::Engine;
//! use kahawai_store::contract::Store;
//! use kahawai_store::model::{Memory, Model};
//! use kahawai_store::names::Epoch;
//!
//! #[derive(Default)]
//! struct InMemory(Memory, u64);
//!
//! impl Engine for InMemory {
//!     fn open(&mut self) -> Arc<dyn Store> {
//!         self.1 += 1;
//!         Arc::new(Model::open(&self.0, Epoch(self.1)))
//!     }
//!
//!     fn crash(&mut self, _store: Arc<dyn Store>) -> Result<(), &'static str> {
//!         Err("nothing is ever pending when a call returns")
//!     }
//! }
//!
//! kahawai_store::conformance_tests!(InMemory::default());
//! ```
//!
//! [`mutant::Mutant`] is a store with a named fault around another; the suite fails on every one of them.

pub mod cases;
pub mod hold;
pub mod mutant;
mod operations;
pub mod places;
pub mod replica;
mod session;

use std::sync::Arc;

use crate::contract::Store;

/// How the suite opens, closes and crashes an engine. Each case gets a new one, whose store is empty.
pub trait Engine {
    /// Opens the store: empty at first; later with what it held, after an earlier one was closed or crashed.
    fn open(&mut self) -> Arc<dyn Store>;

    /// Ends the open store as a crash of its process would (or harder, where the engine can): what was not
    /// completed before this call may be lost, what was completed must be found by the next `open`. Batches may
    /// be in flight.
    ///
    /// # Errors
    /// Why this engine cannot be crashed here; the store goes on then and the case ends.
    fn crash(&mut self, store: Arc<dyn Store>) -> Result<(), &'static str>;
}

/// One case of the suite.
#[derive(Clone, Copy)]
pub struct Case {
    /// The name under which a test runner shows it.
    pub name: &'static str,
    /// Runs it; panics where the engine breaks the contract.
    pub run: fn(&mut dyn Engine),
}

impl std::fmt::Debug for Case {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

/// Makes the list of cases and the macro that makes a test of each. `$` comes in as a token, to be written out
/// for the inner macro.
macro_rules! suite {
    (($dollar:tt) $($group:ident :: { $($name:ident),* $(,)? })*) => {
        /// Every case of the suite.
        pub const CASES: &[Case] =
            &[$($(Case { name: stringify!($name), run: cases::$group::$name }),*),*];

        /// Makes one `#[test]` of each case of the suite, on a new engine: the expression is evaluated for each.
        #[macro_export]
        macro_rules! conformance_tests {
            ($dollar engine:expr) => {
                $($(
                    #[test]
                    fn $name() {
                        $crate::conformance::cases::$group::$name(&mut $dollar engine);
                    }
                )*)*
            };
        }
    };
}

suite! { ($)
    committing::{
        batches_apply_in_the_order_of_their_commits,
        completions_come_in_the_order_of_their_commits,
        batches_apply_as_a_whole,
        operations_of_a_batch_apply_in_their_order,
        rejected_batch_leaves_nothing,
        each_rule_rejects,
        arrivals_count_up,
        threads_commit_together,
        batches_beyond_the_limits_are_rejected,
    }
    queues::{
        acknowledged_message_is_gone,
        acknowledgement_of_nothing_comes_to_nothing,
        ranks_come_before_arrivals,
        moved_message_keeps_its_id_and_goes_to_the_end,
        move_of_nothing_comes_to_nothing,
        stale_cursor_comes_to_nothing,
    }
    paging::{
        cursors_page_through_everything,
        pages_keep_their_limits,
        end_is_told_exactly,
        cursor_of_a_message_that_is_gone_still_works,
        cursors_stay_over_reopening,
        reading_what_does_not_exist_is_rejected,
        messages_come_back_whole,
        big_message_comes_back,
    }
    topics::{
        subscription_starts_where_it_subscribes,
        subscriptions_acknowledge_each_for_itself,
        acknowledgements_out_of_order_are_passed_over,
        unsubscribing_frees_what_waited,
        topic_without_subscriptions_keeps_nothing,
        ranks_order_topics_too,
    }
    transactions::{
        prepared_transaction_waits_for_its_decision,
        commit_applies_where_the_decision_stands,
        rollback_forgets,
        chunks_apply_in_order,
        prepared_transactions_outlive_reopening,
        prepared_messages_can_still_be_read,
    }
    catalogue::{
        destinations_and_subscriptions_are_recovered,
        removed_destination_takes_everything_along,
        tables_keep_their_entries,
        next_ids_are_beyond_all_given,
        counts_tell_what_waits,
    }
    durability::{
        reopening_keeps_everything,
        crash_keeps_what_was_completed,
        crash_in_flight_leaves_a_beginning,
        closing_completes_what_was_submitted,
        closed_store_says_so,
    }
    random::{
        random_operations_match_the_model,
    }
}
