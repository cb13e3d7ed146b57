//! The suite fails on every named mutant: a store with one fault around the model. Each is caught at least by the
//! case that is about its fault; which others catch it is printed.

mod common;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use common::ModelEngine;
use kahawai_store::conformance::mutant::{Fault, MutantEngine};
use kahawai_store::conformance::{CASES, Case};

thread_local! {
    /// Whether this thread's panics are expected, and not to be told.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

fn fails(case: &Case, fault: Fault) -> bool {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !EXPECTED.get() {
                usual(info);
            }
        }));
    });
    EXPECTED.set(true);
    let mut engine = MutantEngine::new(ModelEngine::default(), fault);
    let result = catch_unwind(AssertUnwindSafe(|| (case.run)(&mut engine)));
    EXPECTED.set(false);
    result.is_err()
}

#[expect(clippy::print_stdout, reason = "which cases are strong is worth seeing")]
fn caught_by(fault: Fault, expected: &str) {
    assert!(CASES.iter().any(|case| case.name == expected), "there is no case {expected}");
    let caught = CASES.iter().filter(|case| fails(case, fault)).map(|case| case.name).collect::<Vec<_>>();
    println!("{fault:?} is caught by {}", caught.join(", "));
    assert!(caught.contains(&expected), "{fault:?} passes {expected}; it is caught by {caught:?}");
}

macro_rules! mutants {
    ($($name:ident: $fault:ident, $case:ident;)*) => {
        $(
            #[test]
            fn $name() {
                caught_by(Fault::$fault, stringify!($case));
            }
        )*

        #[test]
        fn every_fault_has_its_test() {
            assert_eq!([$(Fault::$fault),*], Fault::ALL);
        }
    };
}

mutants! {
    lost: Lost, batches_apply_in_the_order_of_their_commits;
    reordered: Reordered, batches_apply_in_the_order_of_their_commits;
    half_a_batch: Half, batches_apply_as_a_whole;
    completed_early: CompletedEarly, crash_keeps_what_was_completed;
    lost_at_close: LostAtClose, reopening_keeps_everything;
    answers_swapped: AnswersSwapped, completions_come_in_the_order_of_their_commits;
    duplicated_enqueue: DuplicatedEnqueue, batches_apply_in_the_order_of_their_commits;
    forgotten_acknowledgement: ForgottenAcknowledgement, acknowledged_message_is_gone;
    subscription_off_by_one: SubscriptionOffByOne, subscription_starts_where_it_subscribes;
    rank_forgotten: RankForgotten, ranks_come_before_arrivals;
    move_in_place: MoveInPlace, moved_message_keeps_its_id_and_goes_to_the_end;
    cursor_unchecked: CursorUnchecked, stale_cursor_comes_to_nothing;
    chunk_lost: ChunkLost, chunks_apply_in_order;
    rollback_ignored: RollbackIgnored, rollback_forgets;
    entry_kept: EntryKept, tables_keep_their_entries;
    rejected_partly: RejectedPartly, rejected_batch_leaves_nothing;
    cursors_reassigned: CursorsReassigned, cursors_stay_over_reopening;
    end_guessed: EndGuessed, end_is_told_exactly;
    empty_page: EmptyPage, pages_keep_their_limits;
    cursor_ignored: CursorIgnored, cursors_page_through_everything;
    counted_twice: CountedTwice, counts_tell_what_waits;
    next_id_reused: NextIdReused, next_ids_are_beyond_all_given;
    closed_goes_on: ClosedGoesOn, closed_store_says_so;
}
