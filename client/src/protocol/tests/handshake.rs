//! Opening and closing a connection, and what a broker may do to it meanwhile.

use bytes::BytesMut;
use kahawai_openwire::command::Command;
use kahawai_openwire::connection::{
    BrokerInfo, ConnectionControl, ConnectionError, KeepAliveInfo, ShutdownInfo,
};
use kahawai_openwire::destination::{Destination, DestinationKind};
use kahawai_openwire::error::{FrameError, NegotiationError};
use kahawai_openwire::negotiation::Preferences;
use kahawai_openwire::throwable::Throwable;
use kahawai_openwire::wire_format::WireFormat;

use crate::consumer_options::ConsumerOptions;
use crate::error::{Error, Loss};
use crate::protocol::tests::conversation::{Conversation, identity};

#[test]
fn a_connection_opens_and_closes() {
    let mut talk = Conversation::new(Preferences::default());
    talk.agree(&Preferences::default());
    talk.protocol.open_connection(talk.now, &identity()).unwrap();
    talk.expect(&[
        "> WireFormatInfo",
        "= negotiated",
        "> ConnectionInfo client=me user=user password=secret  #1?",
    ]);
    talk.say(BrokerInfo::default()).unwrap();
    talk.answer(1);
    talk.expect(&["= 1 answered"]);
    talk.protocol.close_connection(talk.now).unwrap();
    talk.expect(&["> RemoveInfo connection last=-2  #2?"]);
    talk.answer(2);
    talk.protocol.shut_down(talk.now).unwrap();
    talk.expect(&["= 2 answered", "> ShutdownInfo  #3"]);
}

#[test]
fn bytes_may_come_one_by_one_in_every_wire_format() {
    for version in 1..=12 {
        for tight_encoding_enabled in [false, true] {
            let theirs = Preferences { version, tight_encoding_enabled, ..Preferences::default() };
            let mut talk = Conversation::new(Preferences::default());
            let mut bytes = BytesMut::new();
            WireFormat::initial().encode(&Command::from(theirs.to_info()), &mut bytes).unwrap();
            let mut input = BytesMut::new();
            for byte in bytes {
                assert!(talk.protocol.poll_event().is_none());
                input.extend_from_slice(&[byte]);
                talk.say_bytes(&mut input).unwrap();
            }
            assert!(input.is_empty());
            talk.expect(&["= negotiated", "> WireFormatInfo"]);
        }
    }
}

#[test]
fn nothing_can_be_sent_before_the_wire_format_is_agreed_on() {
    let mut talk = Conversation::new(Preferences::default());
    let refused = talk.protocol.open_session(talk.now, false).unwrap_err();
    assert!(matches!(refused, Error::Usage(_)), "{refused}");
}

#[test]
fn a_peer_that_is_no_broker_is_found_out() {
    let mut talk = Conversation::new(Preferences::default());
    let loss = talk.say_bytes(&mut BytesMut::from("HTTP/1.1 400 Bad Request\r\n")).unwrap_err();
    assert!(matches!(loss, Loss::Frame(FrameError::TooLarge { .. })), "{loss}");

    let mut talk = Conversation::new(Preferences::default());
    let loss = talk.say(KeepAliveInfo::default()).unwrap_err();
    assert!(matches!(loss, Loss::UnexpectedCommand("KeepAliveInfo")), "{loss}");

    let mut talk = Conversation::new(Preferences::default());
    let loss = talk.say_bytes(&mut BytesMut::from(&[0, 0, 0, 2, 1, 0][..])).unwrap_err();
    assert!(matches!(loss, Loss::Decode(_)), "{loss}");

    let mut talk = Conversation::new(Preferences::default());
    let theirs = Preferences { cache_size: -1, ..Preferences::default() };
    let loss = talk.say(theirs.to_info()).unwrap_err();
    assert!(matches!(loss, Loss::Negotiation(NegotiationError::CacheSize { found: -1 })), "{loss}");

    let mut talk = Conversation::open();
    let loss = talk.say(Preferences::default().to_info()).unwrap_err();
    assert!(matches!(loss, Loss::UnexpectedCommand("WireFormatInfo")), "{loss}");
}

#[test]
fn a_frame_beyond_what_was_agreed_is_refused_by_its_length_alone() {
    let mut talk = Conversation::new(Preferences::default());
    talk.agree(&Preferences { max_frame_size: 1000, ..Preferences::default() });
    let loss = talk.say_bytes(&mut BytesMut::from(&1001i32.to_be_bytes()[..])).unwrap_err();
    assert!(matches!(loss, Loss::Frame(FrameError::TooLarge { found: 1001, limit: 1000 })), "{loss}");
}

#[test]
fn the_broker_says_why_it_gives_up() {
    let mut talk = Conversation::open();
    assert!(matches!(talk.protocol.end_of_stream(), Loss::EndOfStream));
    talk.say(ShutdownInfo::default()).unwrap();
    assert!(matches!(talk.protocol.end_of_stream(), Loss::Shutdown));
    let exception = Some(Box::new(Throwable::new("java.lang.SecurityException", "go away")));
    talk.say(ConnectionError { exception, ..ConnectionError::default() }).unwrap();
    let Loss::Broker(error) = talk.protocol.end_of_stream() else { panic!() };
    assert_eq!(error.to_string(), "java.lang.SecurityException: go away");
    let loss = talk.say(ConnectionControl { close: true, ..ConnectionControl::default() }).unwrap_err();
    assert!(matches!(loss, Loss::Shutdown), "{loss}");
    // What a client need not do anything about.
    talk.say(ConnectionControl { connected_brokers: Some("a,b".into()), ..ConnectionControl::default() })
        .unwrap();
    talk.answer(12345);
    talk.expect(&[]);
}

#[test]
fn a_refusal_is_answered_with_its_class_and_leaves_nothing() {
    let mut talk = Conversation::open();
    let (session, _) = talk.protocol.open_session(talk.now, false).unwrap();
    talk.refuse(2, "no");
    let error = talk.protocol.open_producer(talk.now, session, None).unwrap_err();
    assert!(matches!(error, Error::Closed), "{error}");
    talk.expect(&["= 2 failed: the broker refused: javax.jms.JMSException: no", "> SessionInfo 1  #2?"]);

    let (session, _) = talk.protocol.open_session(talk.now, false).unwrap();
    let options = ConsumerOptions::queue("A").selector("x");
    let (consumer, _) = talk.protocol.open_consumer(talk.now, session, &options, 5).unwrap();
    talk.expect(&["> SessionInfo 2  #3?", "> ConsumerInfo 2:1 queue://A prefetch=5 selector=x  #4?"]);
    talk.refuse(4, "no");
    assert!(matches!(talk.protocol.next(talk.now, consumer), Err(Error::Closed)));
}

#[test]
fn temporary_destinations_and_subscriptions_belong_to_the_connection() {
    let mut talk = Conversation::open();
    let (queue, _) = talk.protocol.create_temporary(talk.now, DestinationKind::TemporaryQueue).unwrap();
    let (topic, _) = talk.protocol.create_temporary(talk.now, DestinationKind::TemporaryTopic).unwrap();
    talk.protocol.remove_temporary(talk.now, &queue).unwrap();
    talk.protocol.unsubscribe(talk.now, "paper").unwrap();
    talk.expect(&[
        "> DestinationInfo add temp-queue://ID:test:1:1  #2?",
        "> DestinationInfo add temp-topic://ID:test:1:2  #3?",
        "> DestinationInfo remove temp-queue://ID:test:1:1  #4?",
        "> RemoveSubscriptionInfo paper of me  #5?",
    ]);
    let (session, _) = talk.protocol.open_session(talk.now, false).unwrap();
    talk.protocol.open_consumer(talk.now, session, &ConsumerOptions::new(topic.clone()), 1).unwrap();
    assert!(matches!(talk.protocol.remove_temporary(talk.now, &topic), Err(Error::Usage(_))));
    // A name that only begins like the connection's is another's.
    let other = Destination::new(DestinationKind::TemporaryQueue, "ID:test:11:1");
    assert!(matches!(talk.protocol.remove_temporary(talk.now, &other), Err(Error::Usage(_))));
    let refused = talk.protocol.open_consumer(talk.now, session, &ConsumerOptions::new(other), 1);
    assert!(matches!(refused, Err(Error::Usage(_))));
}
