//! A JMS client's session with ActiveMQ's own broker, recorded in both directions: negotiation, commands, bodies.
//! `golden/README.md` tells how the files were made.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use kahawai_openwire::body::{self, Body};
use kahawai_openwire::command::Command;
use kahawai_openwire::frame::{FRAME_LIMIT_DEFAULT, take_frame};
use kahawai_openwire::message::{Message, MessageKind};
use kahawai_openwire::negotiation::{Negotiated, Preferences, negotiate};
use kahawai_openwire::primitive::Value;
use kahawai_openwire::wire_format::WireFormat;

/// One direction of a session: the peer's preferences, and its other frames.
struct Direction {
    preferences: Preferences,
    frames: Vec<Bytes>,
}

fn direction(session: &str, side: &str) -> Direction {
    let name = format!("session-{session}-{side}.bin");
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/golden/frames", &name].iter().collect();
    let mut bytes = BytesMut::from(&std::fs::read(&path).unwrap()[..]);
    let mut frames = std::iter::from_fn(|| take_frame(&mut bytes, FRAME_LIMIT_DEFAULT).unwrap());
    let first = frames.next().unwrap();
    let command = WireFormat::initial().decode(first.clone()).unwrap();
    let mut again = BytesMut::new();
    WireFormat::initial().encode(&command, &mut again).unwrap();
    assert_eq!(again[4..], first);
    let Command::WireFormatInfo(info) = command else { panic!("{}", command.name()) };
    let preferences = Preferences::from_info(&info).unwrap();
    let frames = frames.collect();
    assert!(bytes.is_empty());
    Direction { preferences, frames }
}

/// Decodes a direction's commands; each, encoded again, gives the same bytes.
fn commands(direction: &Direction, negotiated: &Negotiated) -> Vec<Command> {
    let (mut decoder, _) = WireFormat::new(negotiated).split();
    let (_, mut encoder) = WireFormat::new(negotiated).split();
    direction
        .frames
        .iter()
        .map(|frame| {
            let command = decoder.decode(frame.clone()).unwrap();
            let mut again = BytesMut::new();
            encoder.encode(&command, &mut again).unwrap();
            assert_eq!(again[4..], *frame, "{command:?}");
            command
        })
        .collect()
}

fn session(name: &str) -> (Negotiated, Vec<Command>, Vec<Command>) {
    let (client, broker) = (direction(name, "client"), direction(name, "broker"));
    let negotiated = negotiate(&client.preferences, &broker.preferences.to_info()).unwrap();
    assert_eq!(negotiated, negotiate(&broker.preferences, &client.preferences.to_info()).unwrap());
    let from_client = commands(&client, &negotiated);
    let from_broker = commands(&broker, &negotiated);
    (negotiated, from_client, from_broker)
}

fn names(commands: &[Command]) -> BTreeSet<&'static str> {
    commands.iter().map(Command::name).collect()
}

#[test]
fn sessions_are_negotiated_as_the_peers_did() {
    let (negotiated, ..) = session("v12-tight-cached");
    assert_eq!((negotiated.version, negotiated.tight_encoding_enabled), (12, true));
    assert_eq!((negotiated.cache_size, negotiated.stack_trace_enabled), (Some(1024), true));
    let (negotiated, ..) = session("v12-loose-whole");
    assert_eq!((negotiated.version, negotiated.tight_encoding_enabled), (12, false));
    assert_eq!(negotiated.cache_size, None);
    let (negotiated, ..) = session("v6-tight-cached");
    assert_eq!((negotiated.version, negotiated.cache_size), (6, Some(128)));
    assert!(!negotiated.stack_trace_enabled);
}

#[test]
fn both_sides_say_what_a_session_needs() {
    for name in ["v12-tight-cached", "v12-loose-whole", "v6-tight-cached"] {
        let (_, from_client, from_broker) = session(name);
        let client = names(&from_client);
        for expected in [
            "ConnectionInfo",
            "ConsumerInfo",
            "DestinationInfo",
            "Message",
            "MessageAck",
            "ProducerInfo",
            "RemoveInfo",
            "RemoveSubscriptionInfo",
            "SessionInfo",
            "ShutdownInfo",
            "TransactionInfo",
        ] {
            assert!(client.contains(expected), "{expected} in {client:?}");
        }
        let broker = names(&from_broker);
        for expected in ["BrokerInfo", "ExceptionResponse", "MessageDispatch", "Response"] {
            assert!(broker.contains(expected), "{expected} in {broker:?}");
        }
    }
}

#[test]
fn bodies_and_properties_are_those_that_the_client_sent() {
    for name in ["v12-tight-cached", "v12-loose-whole", "v6-tight-cached"] {
        let (_, from_client, _) = session(name);
        let messages: Vec<&Message> = from_client
            .iter()
            .filter_map(|command| match command {
                Command::Message(message) => Some(&**message),
                _ => None,
            })
            .collect();
        let of_kind = |kind| *messages.iter().find(|message| message.kind == kind).unwrap();

        let text = of_kind(MessageKind::Text);
        assert_eq!(Body::of(text).unwrap(), Body::Text("text é€😀\0 end".into()));
        assert_eq!(Body::of(text).unwrap().to_content(), text.content);
        assert_eq!(text.correlation_id.as_deref(), Some("correlation"));
        assert_eq!((text.priority, text.persistent), (7, true));
        let properties = body::properties(text).unwrap();
        let expected: [(&str, Value); 8] = [
            ("string", "value".into()),
            ("boolean", true.into()),
            ("byte", (-8_i8).into()),
            ("short", (-300_i16).into()),
            ("int", 70_000.into()),
            ("long", (1_i64 << 40).into()),
            ("float", 1.5_f32.into()),
            ("double", (-2.25_f64).into()),
        ];
        assert_eq!(properties.len(), expected.len());
        for (name, value) in expected {
            assert_eq!(properties.get(name), Some(&value), "{name}");
        }
        assert_eq!(Some(body::encode_properties(&properties)), text.marshalled_properties);

        let bytes = of_kind(MessageKind::Bytes);
        assert_eq!(Body::of(bytes).unwrap(), Body::Bytes(Bytes::from_static(&[1, 2, 3])));
        let map = of_kind(MessageKind::Map);
        let body = Body::of(map).unwrap();
        assert_eq!(body.to_content(), map.content);
        let Body::Map(values) = body else { panic!("{body:?}") };
        assert_eq!(values.get("char"), Some(&Value::Char(0x20ac)));
        assert_eq!(values.get("bytes"), Some(&Value::Bytes(Bytes::from_static(&[4, 5]))));
        assert_eq!(values.get("big"), Some(&"x".repeat(9000).into()));
        let stream = of_kind(MessageKind::Stream);
        let body = Body::of(stream).unwrap();
        assert_eq!(body, Body::Stream(vec!["value".into(), 5.into(), false.into()]));
        assert_eq!(body.to_content(), stream.content);
        assert!(matches!(Body::of(of_kind(MessageKind::Object)).unwrap(), Body::Object(_)));
        assert_eq!(Body::of(of_kind(MessageKind::Plain)).unwrap(), Body::Empty);
    }
}
