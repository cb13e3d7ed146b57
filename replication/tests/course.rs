//! What a member does, step by step: what the simulation found wrong, each by the shortest way there.

use std::time::Duration;

use kahawai_replication::frame::{Frame, Plan, Refusal, Welcome, Why};
use kahawai_replication::member::{Came, Course, Do, MemberCourse};
use kahawai_replication::record::{Member, Record};
use kahawai_replication::slave::Broken;
use kahawai_replication::standing::{Known, Standing};
use kahawai_store::contract::{Recovered, TableEntry};
use kahawai_store::names::{BatchName, Term};

const A: Member = Member([1; 16]);
const B: Member = Member([2; 16]);
const LEASE: Duration = Duration::from_secs(5);
const WAIT: Duration = Duration::from_secs(30);

fn course(me: Member, has_arbiter: bool) -> MemberCourse {
    let master = (me == B).then(|| "tcp://a:1".to_owned());
    MemberCourse::new(Course {
        me,
        master,
        lease: LEASE,
        wait: WAIT,
        has_arbiter,
        shutdown_on_master_failure: false,
    })
}

/// Of a pair whose master is A, the other in sync.
fn standing() -> Standing {
    let record = Record::begin([7; 16], A).admit(A, Term(1), B).expect("it is the master");
    let known = |name: &str| Known { name: name.to_owned(), addresses: vec![format!("tcp://{name}:1")] };
    Standing {
        record: Some(record),
        members: [(A, known("a")), (B, known("b"))].into(),
        last: BatchName { term: Term(1), number: 9 },
        ..Standing::default()
    }
}

fn welcome() -> Frame {
    let (pair, member, name) = ([7; 16], A, "a".to_owned());
    Frame::Welcome(Welcome { pair, member, name, term: Term(1), plan: Plan::Follow, lease: 5000 })
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A slave that was in sync until its line broke; the master was sure to have it last at 10 s.
fn lost(has_arbiter: bool) -> MemberCourse {
    let mut slave = course(B, has_arbiter);
    slave.opened(standing(), seconds(1));
    assert_eq!(slave.what_next(), Do::Dial("tcp://a:1".to_owned()));
    slave.dialled("tcp://a:1", Came::Said(welcome()), seconds(1));
    assert!(matches!(slave.what_next(), Do::Follow(_)));
    slave.followed(Broken::Line("cut".to_owned()), true, seconds(10), standing());
    slave
}

/// Whether it takes over after its master was found to be gone then.
fn takes_over(mut slave: MemberCourse, came: &Came, at: &[u64]) -> bool {
    for at in at {
        slave.dialled("tcp://a:1", came.clone(), Duration::from_millis(*at));
    }
    std::iter::repeat_with(|| slave.what_next())
        .find(|next| !matches!(next, Do::Wait(_)))
        .is_some_and(|next| matches!(next, Do::Promote { .. }))
}

#[test]
fn a_slave_takes_over_only_if_it_would_have_found_a_master_that_went_on_alone() {
    let silent = Came::Silent { said_hello: false };
    assert!(takes_over(lost(false), &Came::Refused, &[10_100]));
    assert!(
        !takes_over(lost(false), &Came::Refused, &[14_500]),
        "its master had the time to go on alone, and die"
    );
    assert!(!takes_over(lost(false), &silent, &[13_000]), "not for a lease");
    assert!(takes_over(lost(false), &silent, &[13_000, 15_000]));
    assert!(takes_over(lost(false), &Came::Refused, &[13_000, 15_000]));
    assert!(!takes_over(lost(false), &silent, &[13_000, 16_000]), "it slept meanwhile");
    // An arbiter knows.
    assert!(takes_over(lost(true), &Came::Refused, &[60_000]));
}

#[test]
fn a_hello_is_a_promise_where_no_arbiter_decides() {
    for has_arbiter in [false, true] {
        let mut slave = lost(has_arbiter);
        slave.dialled("tcp://a:1", Came::Silent { said_hello: true }, Duration::from_millis(10_100));
        assert_eq!(takes_over(slave, &Came::Refused, &[10_200]), has_arbiter);
    }
}

#[test]
fn a_slave_that_may_have_been_promoted_asks_the_arbiter_again_when_it_is_back() {
    let mut slave = course(B, true);
    slave.opened(standing(), seconds(1));
    // A former master that does not know yet is no reason to follow it.
    let refusal = Refusal { why: Why::Later, term: Term(1), text: String::new() };
    slave.dialled("tcp://a:1", Came::Said(Frame::Refused(refusal)), seconds(1));
    assert!(takes_over(slave, &Came::Refused, &[2000]));
    let mut slave = course(B, false);
    slave.opened(standing(), seconds(1));
    assert!(!takes_over(slave, &Came::Refused, &[2000]), "it was in sync before it restarted");
}

#[test]
fn the_two_never_begin_the_same_term_and_who_was_master_goes_first() {
    let begins = |me, at| {
        let mut member = course(me, false);
        // Its line was taken out of the file of the slave.
        if me == B {
            member = MemberCourse::new(Course {
                me,
                master: None,
                lease: LEASE,
                wait: WAIT,
                has_arbiter: false,
                shutdown_on_master_failure: false,
            });
        }
        member.opened(standing(), seconds(0));
        let other = if me == A { "tcp://b:1" } else { "tcp://a:1" };
        member.dialled(other, Came::Refused, at);
        std::iter::repeat_with(|| member.what_next()).find_map(|next| match next {
            Do::Promote { record, at_a_risk } => Some(Some((record.term, at_a_risk))),
            Do::Dial(_) => Some(None),
            _ => None,
        })
    };
    assert_eq!(begins(A, WAIT), Some(Some((Term(3), true))));
    assert_eq!(begins(B, WAIT), Some(None), "the other is about to serve");
    assert_eq!(begins(B, WAIT * 2), Some(Some((Term(2), true))));
}

/// Without this a former master whose file names no master served alone, with nothing, once it had set its store aside.
#[test]
fn a_store_that_was_set_aside_remembers_whom_to_follow() {
    let mut former = course(A, false);
    former.opened(standing(), seconds(0));
    let mut recovered =
        Recovered { batch_last: BatchName { term: Term(0), number: 1 }, ..Recovered::default() };
    for operation in former.remembered() {
        let kahawai_store::batch::Operation::Put { table, key, value: Some(value) } = operation else {
            panic!("{operation:?}")
        };
        recovered.tables.push(TableEntry { table, key, value });
    }
    let empty = Standing::of(&recovered).expect("it was written so");
    assert!(empty.is_untouched, "a copy is appended to it as it is");
    let mut again = course(A, false);
    again.opened(empty, seconds(0));
    assert_eq!(again.what_next(), Do::Dial("tcp://b:1".to_owned()));
}

#[test]
fn nobody_follows_a_term_below_its_own() {
    for has_arbiter in [false, true] {
        let last = BatchName { term: Term(2), number: 12 };
        let mut slave = course(B, has_arbiter);
        slave.opened(Standing { last, ..standing() }, seconds(1));
        slave.dialled("tcp://a:1", Came::Said(welcome()), seconds(1));
        let next = std::iter::repeat_with(|| slave.what_next()).find(|next| !matches!(next, Do::Wait(_)));
        assert!(matches!(next, Some(Do::Dial(_))), "{next:?}");
    }
}
