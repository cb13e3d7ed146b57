//! Clocks, and what becomes of processes.

use std::time::Duration;

use kahawai_simulation::Context;

use super::{Heard, MILLI, PORT, Recorder, SECOND, Two};

#[test]
fn a_suspended_machine_stands_still_with_its_clock() {
    let mut two = Two::new(10);
    let (at_a, at_b) = two.connected();
    let now = |_: &mut Recorder, context: &mut Context<'_>| {
        context.set_timer(5, SECOND);
        context.now()
    };
    let before = two.world.call("b", now);
    two.world.suspend("b");
    two.send("a", at_a, b"hello");
    two.connect("a", "b", PORT);
    two.world.run_for(60 * SECOND);
    assert_eq!((two.heard("a"), two.heard("b").len()), (vec![], 0), "no kernel answers");
    two.world.resume("b");
    let after = |_: &mut Recorder, context: &mut Context<'_>| context.now();
    assert_eq!(two.world.call("b", after), before);
    two.world.run_for(500 * MILLI);
    assert!(two.heard("b").contains(&Heard::Bytes(at_b, b"hello".to_vec())));
    assert_eq!(two.heard("a"), [Heard::Connected]);
    two.world.run_for(SECOND);
    assert_eq!(two.heard("b"), [Heard::Timer(5)], "it had a second to go");
}

#[test]
fn timers_go_by_the_clock_of_their_host() {
    let mut two = Two::new(11);
    let set = |two: &mut Two, token: u64, after: Duration| {
        let set = |_: &mut Recorder, context: &mut Context<'_>| context.set_timer(token, after);
        two.world.call("a", set);
    };
    set(&mut two, 1, 10 * SECOND);
    two.world.skew_clock("a", 1_000_000);
    two.world.run_for(4999 * MILLI);
    assert_eq!(two.heard("a"), []);
    two.world.run_for(2 * MILLI);
    assert_eq!(two.heard("a"), [Heard::Timer(1)], "its clock is twice as fast");
    two.world.skew_clock("a", 0);
    set(&mut two, 2, 10 * SECOND);
    set(&mut two, 3, 9 * SECOND);
    set(&mut two, 4, 100 * SECOND);
    set(&mut two, 5, 5 * SECOND);
    two.world.call("a", |_: &mut Recorder, context: &mut Context<'_>| context.cancel_timer(5));
    two.world.jump_clock("a", 20 * SECOND);
    two.world.run_for(MILLI);
    assert_eq!(two.heard("a"), [Heard::Timer(3), Heard::Timer(2)]);
    set(&mut two, 4, SECOND);
    two.world.run_for(1001 * MILLI);
    assert_eq!(two.heard("a"), [Heard::Timer(4)], "the new one stands for the old one");
    two.world.run_for(100 * SECOND);
    assert_eq!(two.heard("a"), []);
}

#[test]
fn whether_a_process_that_goes_on_sees_its_timers_first_is_chance() {
    let mut timers_first = 0;
    for seed in 0..40 {
        let mut two = Two::new(seed);
        let (at_a, _) = two.connected();
        two.world.call("b", |_: &mut Recorder, context: &mut Context<'_>| context.set_timer(1, SECOND));
        two.world.pause("b");
        two.send("a", at_a, b"hello");
        two.world.run_for(5 * SECOND);
        two.world.resume("b");
        two.world.run_for(MILLI);
        let heard = two.heard("b");
        assert_eq!(heard.len(), 2);
        timers_first += usize::from(heard[0] == Heard::Timer(1));
    }
    assert!((5..35).contains(&timers_first), "{timers_first} of 40");
}

#[test]
fn a_process_that_exits_is_gone_once_it_has_handled_its_event() {
    let mut two = Two::new(19);
    let (at_a, at_b) = two.connected();
    let exit = |_: &mut Recorder, context: &mut Context<'_>| {
        context.exit();
        context.send(at_a, &b"bye"[..]);
    };
    two.world.call("a", exit);
    assert!(!two.world.runs("a"));
    two.world.run_for(SECOND);
    assert_eq!(two.heard("b")[0], Heard::Bytes(at_b, b"bye".to_vec()));
}

#[test]
#[should_panic(expected = "there is no host c")]
fn a_host_that_is_none_is_a_mistake() {
    Two::new(20).world.kill("c");
}
