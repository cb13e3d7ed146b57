//! Connections, links, cuts.

use kahawai_simulation::fault::Fault;
use kahawai_simulation::world::World;
use kahawai_simulation::{Context, Cut, Ending, Partition, Side};

use super::{Heard, MILLI, PORT, Recorder, SECOND, Two};

#[test]
fn bytes_come_whole_and_in_order_both_ways() {
    for seed in 0..50 {
        let mut two = Two::new(seed);
        let (at_a, at_b) = two.connected();
        let text: Vec<u8> = (0..=255).collect();
        for part in text.chunks(7) {
            two.send("a", at_a, part);
            two.send("b", at_b, part);
            two.world.run_for(MILLI / 4);
        }
        two.world.run_for(SECOND);
        assert_eq!(two.heard("b"), [Heard::Bytes(at_b, text.clone())]);
        assert_eq!(two.heard("a"), [Heard::Bytes(at_a, text)]);
    }
}

#[test]
fn nothing_comes_before_the_word_that_a_connection_is_up() {
    for seed in 0..50 {
        let mut two = Two::new(seed);
        let at_a = two.connect("a", "b", PORT);
        let accepts =
            |world: &World| world.node::<Recorder>("b").is_some_and(|recorder| recorder.last.is_some());
        assert!(two.world.run_until(SECOND, accepts));
        two.send("b", at_a.other(), b"welcome");
        two.world.run_for(SECOND);
        assert_eq!(two.heard("a"), [Heard::Connected, Heard::Bytes(at_a, b"welcome".to_vec())]);
    }
}

#[test]
fn who_is_gone_before_its_connection_is_up_does_not_connect() {
    for dies in [false, true] {
        let mut two = Two::new(21);
        let at_a = two.connect("a", "b", PORT);
        if dies {
            two.world.kill("a");
        } else {
            two.world.call("a", |_: &mut Recorder, context: &mut Context<'_>| context.close(at_a));
        }
        two.world.run_for(SECOND);
        assert_eq!((two.heard("a"), two.heard("b").len()), (vec![], 0));
    }
}

#[test]
fn connecting_is_refused_where_nobody_listens_and_hangs_where_nothing_answers() {
    let mut two = Two::new(1);
    two.connect("a", "b", 1);
    two.connect("a", "nowhere", PORT);
    two.world.run_for(SECOND);
    assert_eq!(two.heard("a"), [Heard::Refused, Heard::Refused]);

    two.world.kill("b");
    two.connect("a", "b", PORT);
    two.world.run_for(SECOND);
    assert_eq!(two.heard("a"), [Heard::Refused], "its machine is there, and says so");

    two.world.crash("b");
    two.connect("a", "b", PORT);
    two.world.run_for(60 * SECOND);
    assert_eq!(two.heard("a"), [], "nothing is there that could say anything");
    two.world.start("b");
    two.world.run_for(SECOND);
    assert_eq!(two.heard("a"), [Heard::Connected], "it was asked again and again");
}

#[test]
fn connecting_through_a_cut_link_hangs_or_is_refused_as_the_cut_is() {
    for (from, to) in [("a", "b"), ("b", "a")] {
        let mut two = Two::new(2);
        two.world.block(from, to, Partition::Silent);
        two.connect("a", "b", PORT);
        two.world.run_for(60 * SECOND);
        assert_eq!((two.heard("a"), two.heard("b").len()), (vec![], 0), "{from} to {to}");
        two.world.heal("a", "b");
        two.world.run_for(SECOND);
        assert_eq!(two.heard("a"), [Heard::Connected]);
        two.world.part("a", "b", Partition::Refusing);
        two.connect("a", "b", PORT);
        two.world.run_for(SECOND);
        assert_eq!(two.heard("a"), [Heard::Refused]);
        assert!(two.world.counts().of(Fault::OneWay) > 0 && two.world.counts().of(Fault::Refuse) > 0);
    }
}

#[test]
fn a_paused_process_still_accepts_and_takes_everything_in_order_when_it_goes_on() {
    let mut two = Two::new(3);
    two.world.pause("b");
    let at_a = two.connect("a", "b", PORT);
    two.world.run_for(SECOND);
    assert_eq!(two.heard("a"), [Heard::Connected]);
    two.send("a", at_a, b"hello");
    two.world.run_for(SECOND);
    assert_eq!(two.heard("b"), []);
    let under_way = |_: &mut Recorder, context: &mut Context<'_>| context.under_way(at_a);
    assert_eq!(two.world.call("a", under_way), Some(5), "the kernel has them, the process has not");
    two.world.kill("a");
    two.world.run_for(SECOND);
    two.world.resume("b");
    let at_b = at_a.other();
    let heard = two.heard("b");
    assert_eq!(heard[..2], [Heard::Accepted(at_b), Heard::Bytes(at_b, b"hello".to_vec())]);
    assert!(matches!(heard[2..], [Heard::Ended(at, _)] if at == at_b), "{heard:?}");
}

#[test]
fn what_the_other_process_took_is_not_under_way() {
    let mut two = Two::new(4);
    let (at_a, _) = two.connected();
    two.send("a", at_a, b"hello");
    let under_way = |_: &mut Recorder, context: &mut Context<'_>| context.under_way(at_a);
    assert_eq!(two.world.call("a", under_way), Some(5));
    two.world.run_for(SECOND);
    assert_eq!(two.world.call("a", under_way), Some(0));
}

#[test]
fn a_one_way_cut_lets_the_other_way_pass_and_loses_nothing_when_it_is_mended() {
    let mut two = Two::new(5);
    let (at_a, at_b) = two.connected();
    two.world.block("a", "b", Partition::Silent);
    two.send("a", at_a, b"lost?");
    two.send("b", at_b, b"there");
    two.world.run_for(60 * SECOND);
    assert_eq!(two.heard("a"), [Heard::Bytes(at_a, b"there".to_vec())]);
    assert_eq!(two.heard("b"), [], "and its sender is told nothing");
    two.send("a", at_a, b" no");
    two.world.heal("a", "b");
    two.world.run_for(SECOND);
    assert_eq!(two.heard("b"), [Heard::Bytes(at_b, b"lost? no".to_vec())]);
}

#[test]
fn a_delayed_link_is_late_by_that_one_way() {
    let mut two = Two::new(6);
    let (at_a, at_b) = two.connected();
    two.world.delay("a", "b", SECOND);
    two.send("a", at_a, b"late");
    two.send("b", at_b, b"soon");
    two.world.run_for(500 * MILLI);
    assert_eq!((two.heard("a").len(), two.heard("b").len()), (1, 0));
    two.world.run_for(SECOND);
    assert_eq!(two.heard("b").len(), 1);
}

#[test]
fn the_rest_of_a_cut_connection_may_come_when_the_next_one_is_up() {
    let mut two = Two::new(7);
    let (at_a, at_b) = two.connected();
    two.send("a", at_a, b"0123456789");
    two.send("b", at_b, b"never seen");
    two.world.cut(at_a, Cut { prefix: 4, late: 2 * SECOND });
    assert_eq!(two.heard("a"), [Heard::Ended(at_a, Ending::Reset)]);
    let next = two.connect("a", "b", PORT);
    two.world.run_for(SECOND);
    two.send("a", next, b"new");
    two.world.run_for(5 * SECOND);
    assert_eq!(two.heard("a"), [Heard::Connected]);
    let at_next = next.other();
    assert_eq!(
        two.heard("b"),
        [
            Heard::Accepted(at_next),
            Heard::Bytes(at_next, b"new".to_vec()),
            Heard::Bytes(at_b, b"0123".to_vec()),
            Heard::Ended(at_b, Ending::Reset),
        ]
    );
}

#[test]
fn a_connection_is_cut_after_exactly_so_many_bytes_of_either_end() {
    for side in [Side::Dialer, Side::Listener] {
        for bytes in 0..10 {
            let mut two = Two::new(bytes);
            two.world.cut_next("a", "b", side, bytes, MILLI);
            let (at_a, at_b) = two.connected();
            let (from, end, to) = match side {
                Side::Dialer => ("a", at_a, "b"),
                Side::Listener => ("b", at_b, "a"),
            };
            for part in [&b"0"[..], b"123", b"456789"] {
                two.send(from, end, part);
            }
            two.world.run_for(SECOND);
            let sent = b"0123456789"[..bytes as usize].to_vec();
            let got = (!sent.is_empty()).then_some(Heard::Bytes(end.other(), sent));
            let told = Some(Heard::Ended(end.other(), Ending::Reset));
            assert_eq!(two.heard(to), got.into_iter().chain(told).collect::<Vec<_>>());
            assert_eq!(two.heard(from), [Heard::Ended(end, Ending::Reset)]);
            // It is for one connection.
            two.connected();
        }
    }
}

#[test]
fn what_a_killed_process_sent_comes_and_then_the_end() {
    for seed in 0..20 {
        let mut two = Two::new(seed);
        let (at_a, at_b) = two.connected();
        two.send("a", at_a, b"last words");
        two.world.kill("a");
        two.world.run_for(SECOND);
        let heard = two.heard("b");
        assert_eq!(heard[0], Heard::Bytes(at_b, b"last words".to_vec()));
        assert!(matches!(heard[1..], [Heard::Ended(at, _)] if at == at_b), "{heard:?}");
        assert!(!two.world.runs("a") && two.world.connections("a", "b").is_empty());
    }
}

#[test]
fn a_crashed_machine_says_nothing_until_it_is_back_and_asked() {
    let mut two = Two::new(9);
    let (at_a, at_b) = two.connected();
    two.world.crash("a");
    two.world.run_for(60 * SECOND);
    assert_eq!(two.heard("b"), [], "nobody tells");
    two.send("b", at_b, b"anyone?");
    two.world.run_for(60 * SECOND);
    assert_eq!(two.heard("b"), []);
    two.world.start("a");
    two.world.run_for(SECOND);
    assert_eq!(two.heard("b"), [Heard::Ended(at_b, Ending::Reset)], "its kernel knows of no such connection");
    assert_eq!(two.heard("a"), [Heard::Started]);
    assert!(!two.world.connections("a", "b").contains(&at_a));
}

#[test]
fn of_what_a_crashed_machine_sent_some_beginning_comes() {
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let mut two = Two::new(seed);
        let (at_a, at_b) = two.connected();
        let text: Vec<u8> = (0..8000_u32).map(|number| number as u8).collect();
        two.send("a", at_a, &text);
        two.world.crash("a");
        two.world.run_for(SECOND);
        match two.heard("b").as_slice() {
            [] => lengths.insert(0),
            [Heard::Bytes(at, bytes)] => {
                assert!(*at == at_b && text.starts_with(bytes));
                lengths.insert(bytes.len())
            }
            other => panic!("{other:?}"),
        };
    }
    assert!(lengths.len() > 10, "{lengths:?}");
}

#[test]
fn a_closed_connection_is_not_heard_of_any_more() {
    let mut two = Two::new(12);
    let (at_a, at_b) = two.connected();
    two.send("a", at_a, b"before");
    two.send("b", at_b, b"unheard");
    let close = |_: &mut Recorder, context: &mut Context<'_>| {
        context.close(at_a);
        context.send(at_a, &b"after"[..]);
    };
    two.world.call("a", close);
    two.world.run_for(SECOND);
    assert_eq!(two.heard("a"), []);
    assert_eq!(two.heard("b"), [Heard::Bytes(at_b, b"before".to_vec()), Heard::Ended(at_b, Ending::Closed)]);
}

#[test]
fn nobody_sends_by_a_connection_of_others() {
    let mut two = Two::new(13);
    let (at_a, at_b) = two.connected();
    two.send("b", at_a, b"forged");
    two.send("a", at_b, b"forged");
    two.world.call("b", |_: &mut Recorder, context: &mut Context<'_>| context.close(at_a));
    two.world.run_for(SECOND);
    assert_eq!((two.heard("a"), two.heard("b").len()), (vec![], 0));
}

#[test]
fn a_process_may_connect_to_itself() {
    let mut two = Two::new(14);
    let dialed = two.connect("a", "a", PORT);
    two.world.run_for(SECOND);
    assert_eq!(two.heard("a"), [Heard::Accepted(dialed.other()), Heard::Connected]);
    two.send("a", dialed, b"to myself");
    two.world.run_for(SECOND);
    assert_eq!(two.heard("a"), [Heard::Bytes(dialed.other(), b"to myself".to_vec())]);
}

#[test]
fn a_new_process_hears_nothing_of_the_one_before() {
    let mut two = Two::new(15);
    let (at_a, _) = two.connected();
    two.connect("b", "a", PORT);
    two.world.call("b", |_: &mut Recorder, context: &mut Context<'_>| context.set_timer(1, SECOND));
    two.send("a", at_a, b"for the one before");
    two.world.kill("b");
    two.world.start("b");
    two.world.run_for(5 * SECOND);
    assert_eq!(two.heard("b"), [Heard::Started]);
}
