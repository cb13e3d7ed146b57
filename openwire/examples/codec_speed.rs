//! How long a 1 KiB persistent message takes to encode and decode: version 12, tight, cached.
//!
//! `cargo run --release -p kahawai-openwire --example codec_speed`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use kahawai_openwire::body;
use kahawai_openwire::command::Command;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::frame::take_frame;
use kahawai_openwire::ids::{ConsumerId, MessageId, ProducerId};
use kahawai_openwire::message::{Message, MessageAck, MessageDispatch, MessageKind};
use kahawai_openwire::negotiation::{Negotiated, Preferences, negotiate};
use kahawai_openwire::wire_format::WireFormat;

const ROUNDS: u32 = 1_000_000;

fn negotiated() -> Negotiated {
    negotiate(&Preferences::default(), &Preferences::default().to_info()).unwrap()
}

fn time(what: &str, mut action: impl FnMut()) {
    (0..ROUNDS / 10).for_each(|_| action());
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| action());
    println!("{what:45} {:6.0} ns", start.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
}

fn message(kind: MessageKind, content: Bytes) -> Message {
    let producer = Arc::new(ProducerId {
        connection_id: "ID:client.example.org-40001-1700000000000-1:1".into(),
        session_id: 1,
        value: 1,
    });
    Message {
        kind,
        command_id: 70_000,
        response_required: true,
        producer_id: Some(producer.clone()),
        destination: Some(Arc::new(Destination::queue("orders.incoming"))),
        message_id: Some(MessageId {
            producer_id: Some(producer),
            producer_sequence_id: 100_000,
            ..MessageId::default()
        }),
        persistent: true,
        priority: 4,
        timestamp: 1_700_000_000_000,
        content: Some(content),
        ..Message::default()
    }
}

/// Encoding and decoding of one command again and again, as a connection that has warmed its caches does.
fn measure(what: &str, command: Command) {
    let (_, mut encoder) = WireFormat::new(&negotiated()).split();
    let (mut decoder, _) = WireFormat::new(&negotiated()).split();
    let mut out = BytesMut::with_capacity(1 << 20);
    encoder.encode(&command, &mut out).unwrap();
    decoder.decode(take_frame(&mut out, usize::MAX).unwrap().unwrap()).unwrap();
    encoder.encode(&command, &mut out).unwrap();
    let frame = take_frame(&mut out, usize::MAX).unwrap().unwrap();
    println!("{what}: frame of {} bytes", frame.len());
    let mut out = BytesMut::with_capacity(1 << 20);
    time("  encode", || {
        out.clear();
        encoder.encode(black_box(&command), &mut out).unwrap();
    });
    time("  decode", || {
        black_box(decoder.decode(frame.clone()).unwrap());
    });
}

fn main() {
    let text = message(MessageKind::Text, body::encode_text(&"x".repeat(1024)));
    let bytes = message(MessageKind::Bytes, Bytes::from(vec![0xa5; 1024]));
    measure("text message of 1 KiB", text.into());
    measure("bytes message of 1 KiB", bytes.clone().into());
    let consumer = Arc::new(ConsumerId {
        connection_id: "ID:other.example.org-40002-1700000000000-1:1".into(),
        session_id: 1,
        value: 1,
    });
    let ack = MessageAck {
        consumer_id: Some(consumer.clone()),
        destination: bytes.destination.clone(),
        ack_type: MessageAck::STANDARD,
        first_message_id: bytes.message_id.clone(),
        last_message_id: bytes.message_id.clone(),
        message_count: 1,
        ..MessageAck::default()
    };
    let dispatch = MessageDispatch {
        consumer_id: Some(consumer),
        destination: bytes.destination.clone(),
        message: Some(Arc::new(bytes)),
        ..MessageDispatch::default()
    };
    measure("dispatch of a bytes message of 1 KiB", dispatch.into());
    measure("acknowledgement", ack.into());
}
