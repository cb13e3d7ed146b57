//! Silence, on either side.

use bytes::BytesMut;
use kahawai_openwire::connection::KeepAliveInfo;
use kahawai_openwire::negotiation::Preferences;

use crate::error::Loss;
use crate::protocol::tests::conversation::Conversation;

/// Duration and initial delay in milliseconds, as the broker wants them.
fn agreed(duration: i64, initial_delay: i64) -> Conversation {
    let theirs = Preferences {
        max_inactivity_duration: duration,
        max_inactivity_duration_initial_delay: initial_delay,
        ..Preferences::default()
    };
    let mut talk = Conversation::new(Preferences::default());
    talk.agree(&theirs);
    talk.expect(&["> WireFormatInfo", "= negotiated"]);
    talk
}

#[test]
fn something_is_said_every_third_of_the_duration() {
    let mut talk = agreed(3000, 10_000);
    assert_eq!(talk.protocol.deadline(), Some(talk.now + std::time::Duration::from_millis(1000)));
    talk.wait(999);
    talk.protocol.look(talk.now).unwrap();
    talk.expect(&[]);
    talk.wait(1);
    talk.protocol.look(talk.now).unwrap();
    talk.protocol.look(talk.now).unwrap();
    talk.expect(&["> KeepAliveInfo"]);
    // Whatever else is said does as well.
    talk.wait(900);
    talk.protocol.open_session(talk.now, false).unwrap();
    talk.expect(&["> SessionInfo 1  #1?"]);
    talk.wait(900);
    talk.protocol.look(talk.now).unwrap();
    talk.expect(&[]);
    talk.wait(100);
    talk.protocol.look(talk.now).unwrap();
    talk.expect(&["> KeepAliveInfo"]);
}

#[test]
fn a_silent_broker_is_dead_after_the_duration_but_not_before_the_initial_delay() {
    let mut talk = agreed(3000, 10_000);
    talk.wait(12_999);
    talk.protocol.look(talk.now).unwrap();
    talk.wait(1);
    let loss = talk.protocol.look(talk.now).unwrap_err();
    assert!(matches!(loss, Loss::Inactive(duration) if duration.as_millis() == 3000), "{loss}");
}

#[test]
fn any_byte_of_the_broker_shows_that_it_lives() {
    let mut talk = agreed(3000, 0);
    talk.wait(2000);
    // A byte of a frame that takes its time.
    talk.say_bytes(&mut BytesMut::from(&[0][..])).unwrap();
    talk.wait(2999);
    talk.protocol.look(talk.now).unwrap();
    talk.wait(1);
    talk.protocol.look(talk.now).unwrap_err();
}

#[test]
fn what_cannot_be_written_does_not_pile_up() {
    let mut talk = agreed(3000, 0);
    for _ in 0..50 {
        talk.wait(1000);
        talk.say(KeepAliveInfo::default()).unwrap();
        talk.protocol.look(talk.now).unwrap();
    }
    talk.expect(&["> KeepAliveInfo"]);
}

#[test]
fn a_broker_that_asks_whether_we_live_is_told() {
    let mut talk = agreed(0, 0);
    talk.say(KeepAliveInfo { response_required: true, ..KeepAliveInfo::default() }).unwrap();
    talk.expect(&["> KeepAliveInfo"]);
}

#[test]
fn without_a_duration_silence_is_fine() {
    let mut talk = agreed(0, 10_000);
    assert_eq!(talk.protocol.deadline(), None);
    talk.wait(100_000_000);
    talk.protocol.look(talk.now).unwrap();
    talk.expect(&[]);
}
