//! Decoding takes memory in proportion to the bytes received, whatever they say. Counted by the allocator: all that
//! decoding one frame ever allocated, also what it gave back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::System;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use cap::Cap;
use kahawai_openwire::body;
use kahawai_openwire::command::{Command, DataArrayResponse, DataStructure};
use kahawai_openwire::connection::{BrokerInfo, ConnectionInfo, FlushCommand};
use kahawai_openwire::frame::take_frame;
use kahawai_openwire::message::{Message, MessageDispatch};
use kahawai_openwire::negotiation::Negotiated;
use kahawai_openwire::response::ExceptionResponse;
use kahawai_openwire::throwable::{StackTraceElement, Throwable};
use kahawai_openwire::wire_format::{Decoder, WireFormat};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Bytes allocated for each byte received, at most.
const FACTOR: usize = 128;

/// Bytes allocated whatever was received, at most.
const CONSTANT: usize = 1024;

fn wire_format(tight: bool) -> WireFormat {
    WireFormat::new(&Negotiated {
        version: 12,
        tight_encoding_enabled: tight,
        stack_trace_enabled: true,
        frame_limit: usize::MAX,
        ..Negotiated::initial()
    })
}

fn allocated_by<T>(action: impl FnOnce() -> T) -> usize {
    let before = ALLOCATOR.total_allocated();
    let result = action();
    let allocated = ALLOCATOR.total_allocated() - before;
    drop(result);
    allocated
}

fn check(what: &str, decoder: &mut Decoder, frame: Bytes) {
    let length = frame.len();
    let allocated = allocated_by(|| decoder.decode_structure(frame));
    assert!(allocated <= FACTOR * length + CONSTANT, "{what}: {allocated} bytes for a frame of {length}");
}

fn encoded(tight: bool, command: impl Into<Command>) -> Bytes {
    let mut out = BytesMut::new();
    wire_format(tight).encode(&command.into(), &mut out).unwrap();
    take_frame(&mut out, usize::MAX).unwrap().unwrap()
}

/// Commands that take little on the wire and much in memory.
fn densest_commands() -> Vec<(&'static str, Command)> {
    let many = |structure: Command| -> Command {
        let data: Arc<[DataStructure]> = vec![DataStructure::Command(structure); 5_000].into();
        DataArrayResponse { data: Some(data), ..DataArrayResponse::default() }.into()
    };
    let peers: Arc<[BrokerInfo]> = vec![BrokerInfo::default(); 5_000].into();
    let dispatch = MessageDispatch { message: Some(Arc::default()), ..MessageDispatch::default() };
    let throwable =
        Throwable { stack_trace: vec![StackTraceElement::default(); 5_000].into(), ..Throwable::default() };
    vec![
        ("flushes", many(FlushCommand::default().into())),
        ("connections", many(ConnectionInfo::default().into())),
        ("messages", many(Message::default().into())),
        ("dispatches", many(dispatch.into())),
        ("peers", BrokerInfo { peer_broker_infos: Some(peers), ..BrokerInfo::default() }.into()),
        (
            "stack trace",
            ExceptionResponse { exception: Some(Box::new(throwable)), ..ExceptionResponse::default() }.into(),
        ),
    ]
}

fn golden_frames(tight: bool) -> Vec<Bytes> {
    let name = if tight { "v12-variant1.bin" } else { "v12-loose-whole.bin" };
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/golden/frames", name].iter().collect();
    let mut bytes = BytesMut::from(&std::fs::read(path).unwrap()[..]);
    std::iter::from_fn(|| take_frame(&mut bytes, usize::MAX).unwrap()).collect()
}

/// One test, so that no other allocates at the same time.
#[test]
fn memory_stays_in_proportion() {
    for tight in [false, true] {
        let mut decoder = wire_format(tight).split().0;
        for (what, command) in densest_commands() {
            let frame = encoded(tight, command);
            // Cut short, the counts promise more than there is.
            check(what, &mut decoder, frame.slice(..frame.len() / 2));
            check(what, &mut decoder, frame);
        }
        // Every byte of every golden frame, made as large as can be.
        for frame in golden_frames(tight) {
            for at in 0..frame.len() {
                for byte in [0x7f, 0xff] {
                    let mut damaged = frame.to_vec();
                    damaged[at] = byte;
                    check("damaged", &mut decoder, damaged.into());
                }
            }
        }
    }
    // A map of many nulls, and maps in maps.
    let mut nulls = 50_000_i32.to_be_bytes().to_vec();
    nulls.extend([0, 0, 0].repeat(50_000));
    let nested = [&2_000_000_000_i32.to_be_bytes()[..], &[0, 0, 11].repeat(10_000)].concat();
    for properties in [nulls, nested] {
        let length = properties.len();
        let message = Message { marshalled_properties: Some(properties.into()), ..Message::default() };
        let allocated = allocated_by(|| body::properties(&message));
        assert!(allocated <= FACTOR * length + CONSTANT, "properties: {allocated} bytes for {length}");
    }
}
