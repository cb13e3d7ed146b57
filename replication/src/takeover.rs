//! Who serves: what a member does when it starts, and a slave when its master is gone. Decisions only; others dial and wait.

use std::time::Duration;

use kahawai_store::names::Term;

use crate::record::Member;
use crate::standing::Standing;

/// What came of dialling the other member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialled {
    /// Its host is there, and nobody listens: its process is gone, or not ready.
    Refused,
    /// Nobody answered, or not in time: nothing is known.
    Silent,
    /// It answered.
    Answered,
}

/// What a slave does whose master is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It takes over; where there is an arbiter, if that lets it.
    TakeOver,
    /// It dials again.
    Dial,
}

/// Whether a slave takes over, that was in sync on its last line or not, and heard its master so long ago.
///
/// It must not have said hello since: that is a promise to follow.
pub fn after_loss(
    was_in_sync: bool,
    has_left: bool,
    dialled: Option<Dialled>,
    silent: Duration,
    lease: Duration,
) -> Next {
    let is_gone = has_left
        || match dialled {
            Some(Dialled::Refused) => true,
            Some(Dialled::Silent) => silent >= lease,
            Some(Dialled::Answered) | None => false,
        };
    if was_in_sync && is_gone { Next::TakeOver } else { Next::Dial }
}

/// What a member does that starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// It serves; without a pair.
    Alone,
    /// It serves as the master of a pair, in the term after this one.
    Serve(Term),
    /// It follows whoever is found at these addresses.
    Follow(Vec<String>),
    /// It asks at these addresses who is master: [`Asked`] decides.
    Ask(Vec<String>),
}

/// What a member does, by its store and by what its file says of a master. With an arbiter, that is asked too.
pub fn at_start(me: Member, standing: &Standing, master: Option<&str>) -> Start {
    let mut others: Vec<_> = standing.members.iter().filter(|(member, _)| **member != me).collect();
    // The master by the record first.
    others
        .sort_by_key(|(member, _)| standing.record.as_ref().is_some_and(|record| record.master != **member));
    let mut addresses: Vec<String> = master.map(str::to_owned).into_iter().collect();
    for address in others.into_iter().flat_map(|(_, known)| &known.addresses) {
        if !addresses.contains(address) {
            addresses.push(address.clone());
        }
    }
    match (&standing.record, master) {
        (None, None) if addresses.is_empty() => Start::Alone,
        // What it had was set aside, to be copied anew.
        (None, None) => Start::Follow(addresses),
        (None, Some(_)) => Start::Follow(addresses),
        (Some(_), _) if standing.is_broken_off => Start::Follow(addresses),
        // Its file asks for a master; but it may have been master itself, and the other not in sync.
        (Some(record), Some(_)) if record.master != me => Start::Follow(addresses),
        (Some(record), None) if addresses.is_empty() => Start::Serve(record.term),
        (Some(_), _) => Start::Ask(addresses),
    }
}

/// What asking the others came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It serves.
    Serve,
    /// It serves, though the other may have taken over: nobody answered for so long, and there is no arbiter to ask.
    ServeAtARisk,
    /// It asks again.
    AskAgain,
}

/// Whether a member serves that has asked all others and found no master among them.
pub fn after_asking(me: Member, standing: &Standing, asked_for: Duration, wait: Duration) -> Asked {
    let Some(record) = &standing.record else { return Asked::Serve };
    let could_another = record.in_sync.iter().any(|member| *member != me);
    match () {
        // Nobody else may take over: it cut the other off before it answered alone.
        () if record.master == me && !could_another => Asked::Serve,
        () if record.master == me && asked_for >= wait => Asked::ServeAtARisk,
        // Where both have started, one after the other: who was master is found then.
        () if asked_for >= wait * 2 => Asked::ServeAtARisk,
        () => Asked::AskAgain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::standing::Known;

    const A: Member = Member([1; 16]);
    const B: Member = Member([2; 16]);
    const LEASE: Duration = Duration::from_secs(5);

    fn known(name: &str) -> Known {
        Known { name: name.to_owned(), addresses: vec![format!("tcp://{name}:61616")] }
    }

    fn standing(in_sync: bool) -> Standing {
        let mut record = Record::begin([7; 16], A);
        if in_sync {
            record = record.admit(A, Term(1), B).expect("it is the master");
        }
        let members = [(A, known("a")), (B, known("b"))].into();
        Standing { record: Some(record), members, ..Standing::default() }
    }

    #[test]
    fn a_slave_takes_over_only_if_it_was_in_sync_and_its_master_is_gone() {
        let after = |in_sync, left, dialled, silent| {
            after_loss(in_sync, left, dialled, Duration::from_secs(silent), LEASE)
        };
        for in_sync in [false, true] {
            let takes_over = if in_sync { Next::TakeOver } else { Next::Dial };
            assert_eq!(after(in_sync, false, Some(Dialled::Refused), 0), takes_over);
            assert_eq!(after(in_sync, false, Some(Dialled::Silent), 5), takes_over);
            assert_eq!(after(in_sync, true, None, 0), takes_over);
            assert_eq!(after(in_sync, false, Some(Dialled::Silent), 4), Next::Dial);
            assert_eq!(after(in_sync, false, Some(Dialled::Answered), 9), Next::Dial);
            assert_eq!(after(in_sync, false, None, 9), Next::Dial);
        }
    }

    #[test]
    fn who_was_in_a_pair_asks_before_it_serves_whatever_its_file_says() {
        assert_eq!(at_start(A, &Standing::default(), None), Start::Alone);
        let set_aside = Standing { record: None, ..standing(true) };
        let addresses =
            |all: &[&str]| all.iter().map(|name| format!("tcp://{name}:61616")).collect::<Vec<_>>();
        let by_file = Some("tcp://m:61616");
        assert_eq!(at_start(B, &Standing::default(), by_file), Start::Follow(addresses(&["m"])));
        assert_eq!(at_start(A, &standing(true), None), Start::Ask(addresses(&["b"])));
        assert_eq!(at_start(A, &set_aside, None), Start::Follow(addresses(&["b"])), "it has nothing yet");
        assert_eq!(
            at_start(B, &standing(true), None),
            Start::Ask(addresses(&["a"])),
            "its line was taken out"
        );
        assert_eq!(at_start(B, &standing(true), by_file), Start::Follow(addresses(&["m", "a"])));
        assert_eq!(
            at_start(A, &standing(true), by_file),
            Start::Ask(addresses(&["m", "b"])),
            "it had taken over"
        );
        let broken = Standing { is_broken_off: true, ..standing(true) };
        assert_eq!(at_start(B, &broken, None), Start::Follow(addresses(&["a"])), "it is no whole store");
    }

    #[test]
    fn who_finds_nobody_serves_at_once_only_if_nobody_else_can() {
        let wait = Duration::from_secs(30);
        let asked =
            |me, in_sync, seconds| after_asking(me, &standing(in_sync), Duration::from_secs(seconds), wait);
        assert_eq!(asked(A, false, 0), Asked::Serve);
        assert_eq!(asked(A, true, 29), Asked::AskAgain);
        assert_eq!(asked(A, true, 30), Asked::ServeAtARisk);
        assert_eq!(asked(B, false, 0), Asked::AskAgain, "the other was master");
        assert_eq!(asked(B, false, 59), Asked::AskAgain, "the other may ask too, and waits less");
        assert_eq!(asked(B, false, 60), Asked::ServeAtARisk);
    }
}
