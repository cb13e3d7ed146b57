//! Damaged, truncated and random input: a typed error, no panic.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::{negotiated, wire_format};
use crate::command::{self, Command, DataResponse, DataStructure};
use crate::connection::{KeepAliveInfo, RemoveInfo, WireFormatInfo};
use crate::consumer::BrokerSubscriptionInfo;
use crate::destination::Destination;
use crate::error::{DecodeError, EncodeError};
use crate::frame::take_frame;
use crate::generate::Generator;
use crate::ids::ConsumerId;
use crate::message::{Message, MessageKind};
use crate::wire_format::WireFormat;

fn frame_of(command: impl Into<Command>) -> Vec<u8> {
    let mut out = BytesMut::new();
    wire_format(12, false, None, false).encode(&command.into(), &mut out).unwrap();
    out[4..].to_vec()
}

fn decode_loose(frame: &[u8]) -> Result<Command, DecodeError> {
    wire_format(12, false, None, false).decode(Bytes::copy_from_slice(frame))
}

#[test]
fn errors_name_what_was_found_and_expected() {
    let keep_alive = frame_of(KeepAliveInfo::default());
    assert_eq!(keep_alive, [10, 0, 0, 0, 0, 0]);
    assert_eq!(
        decode_loose(&keep_alive[..3]),
        Err(DecodeError::Truncated { needed: 4, available: 2, at: 1 })
    );
    assert_eq!(decode_loose(&[&keep_alive[..], &[1]].concat()), Err(DecodeError::TrailingBytes { found: 1 }));
    assert_eq!(decode_loose(&[99]), Err(DecodeError::UnknownType { type_id: 99, version: 12 }));
    assert_eq!(decode_loose(&[0]), Err(DecodeError::UnexpectedNull { expected: "data structure" }));
    assert_eq!(decode_loose(&[120, 1, 0, 1, b'x']), Err(DecodeError::NotACommand { type_id: 120 }));
    let mut info = frame_of(WireFormatInfo { version: 12, marshalled_properties: None });
    info[1] = b'a';
    assert_eq!(decode_loose(&info), Err(DecodeError::BadMagic { found: *b"activeMQ" }));
    // A RemoveInfo of a queue; a RemoveInfo of something that does not exist.
    assert!(matches!(
        decode_loose(&[12, 0, 0, 0, 0, 0, 1, 100, 1, 0, 1, b'q']),
        Err(DecodeError::UnexpectedType { found: 100, .. })
    ));
    assert_eq!(
        decode_loose(&[12, 0, 0, 0, 0, 0, 1, 99, 0]),
        Err(DecodeError::UnknownType { type_id: 99, version: 12 })
    );
    assert_eq!(
        decode_loose(&[12, 0, 0, 0, 0, 0, 1, 120, 0]),
        Err(DecodeError::UnexpectedNull { expected: "ConnectionId.value" })
    );
    assert_eq!(
        decode_loose(&[12, 0, 0, 0, 0, 0, 1, 120, 1, 0, 1, 0x80]),
        Err(DecodeError::BadText { at: 0, byte: 0x80, length: 1 })
    );
}

#[test]
fn a_length_that_is_not_there_takes_no_memory() {
    let token = |length: i32| [&[60, 0, 0, 0, 1, 1][..], &length.to_be_bytes()].concat();
    assert_eq!(
        decode_loose(&token(i32::MAX)),
        Err(DecodeError::Truncated { needed: i32::MAX as usize, available: 0, at: 10 })
    );
    assert_eq!(decode_loose(&token(-5)), Err(DecodeError::NegativeLength { found: -5, at: 6 }));
    // A list that promises 32767 responses.
    assert!(matches!(
        decode_loose(&[33, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 0xff]),
        Err(DecodeError::Truncated { .. })
    ));
    assert_eq!(
        decode_loose(&[33, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x80, 0x00]),
        Err(DecodeError::NegativeLength { found: -32768, at: 11 })
    );
}

#[test]
fn nesting_has_an_end() {
    let mut data: DataStructure = Destination::queue("bottom").into();
    for _ in 0..17 {
        data = DataStructure::Command(DataResponse { data: Some(data), ..DataResponse::default() }.into());
    }
    for tight in [false, true] {
        let mut wire = wire_format(12, tight, None, false);
        let mut out = BytesMut::new();
        let DataStructure::Command(command) = &data else { panic!() };
        wire.encode(command, &mut out).unwrap();
        let frame = take_frame(&mut out, usize::MAX).unwrap().unwrap();
        assert_eq!(wire.decode(frame), Err(DecodeError::TooDeep { limit: 16 }));
    }
}

#[test]
fn tight_frames_need_their_booleans_to_the_last() {
    let decode = |frame: &'static [u8]| wire_format(12, true, None, false).decode(Bytes::from_static(frame));
    assert!(decode(&[10, 1, 0, 0, 0, 0, 1]).is_ok());
    assert_eq!(decode(&[10, 0, 0, 0, 0, 1]), Err(DecodeError::BooleansExhausted { bytes: 0 }));
    assert_eq!(
        decode(&[10, 3, 0, 0, 0, 0, 0, 0, 1]),
        Err(DecodeError::BooleansLeftOver { unread: 2, bytes: 3 })
    );
    assert!(matches!(decode(&[10]), Err(DecodeError::Truncated { .. })));
    // A RemoveInfo whose connection id is said to be ASCII and is not.
    let frame = &[12, 1, 0b1110, 0, 0, 0, 0, 120, 0, 1, 0xc3];
    assert_eq!(decode(frame), Err(DecodeError::BadText { at: 0, byte: 0xc3, length: 1 }));
    // A dispatch whose message is said to be pre-marshalled.
    let frame = &[21, 1, 0b11000, 0, 0, 0, 0, 23];
    assert_eq!(decode(frame), Err(DecodeError::PreMarshalled { type_id: 23 }));
}

#[test]
fn cache_indexes_are_checked() {
    let session = |is_new: u8, index: i16, rest: &[u8]| {
        [&[4, 0, 0, 0, 0, 0, is_new][..], &index.to_be_bytes(), rest].concat()
    };
    let id = [1, 121, 1, 0, 1, b'c', 0, 0, 0, 0, 0, 0, 0, 1];
    let mut wire = wire_format(12, false, Some(10), false);
    let mut decode = |frame: Vec<u8>| wire.decode(frame.into());
    assert_eq!(decode(session(0, 3, &[])), Err(DecodeError::CacheIndexUnset { index: 3 }));
    assert_eq!(decode(session(0, 10, &[])), Err(DecodeError::CacheIndexOutOfRange { found: 10, size: 10 }));
    assert_eq!(decode(session(0, -1, &[])), Err(DecodeError::CacheIndexOutOfRange { found: -1, size: 10 }));
    assert_eq!(decode(session(1, 10, &id)), Err(DecodeError::CacheIndexOutOfRange { found: 10, size: 10 }));
    assert!(decode(session(1, 9, &id)).is_ok());
    assert!(decode(session(0, 9, &[])).is_ok());
    assert!(decode(session(1, -1, &id)).is_ok(), "an object that found no room in the sender's cache");
    assert_eq!(decode(session(0, -1, &[])), Err(DecodeError::CacheIndexOutOfRange { found: -1, size: 10 }));
    // The index now holds a session; a ConnectionInfo asks for a connection under it.
    let mut frame = vec![3, 0, 0, 0, 0, 0, 0, 0, 9];
    frame.extend([0; 20]);
    assert_eq!(decode(frame), Err(DecodeError::CacheTypeMismatch { index: 9, expected: "ConnectionId" }));
}

#[test]
fn a_peer_cannot_fill_our_memory_through_the_cache() {
    let mut wire = wire_format(12, false, Some(1024), false);
    let result = (0..1024_i16).try_for_each(|index| {
        let mut frame = vec![4, 0, 0, 0, 0, 0, 1];
        frame.extend(index.to_be_bytes());
        frame.extend([1, 121, 1, 0xff, 0xff]);
        frame.extend([b'x'; 0xffff]);
        frame.extend([0; 8]);
        wire.decode(frame.into()).map(|_| ())
    });
    assert!(
        matches!(result, Err(DecodeError::CacheTooLarge { limit, .. }) if limit == 8 << 20),
        "{result:?}"
    );
}

#[test]
fn what_cannot_be_written_is_refused() {
    let mut out = BytesMut::new();
    let mut encode = |version, tight, command: Command| {
        wire_format(version, tight, None, false).encode(&command, &mut out)
    };
    assert_eq!(
        encode(11, true, BrokerSubscriptionInfo::default().into()),
        Err(EncodeError::NotInVersion { type_id: 92, since: 12, version: 11 })
    );
    let blob = Message { kind: MessageKind::Blob, ..Message::default() };
    assert_eq!(
        encode(2, false, blob.into()),
        Err(EncodeError::NotInVersion { type_id: 29, since: 3, version: 2 })
    );
    let long = |length: usize| {
        let object_id = crate::ids::RemovedId::Consumer(
            ConsumerId { connection_id: "x".repeat(length).into(), ..ConsumerId::default() }.into(),
        );
        Command::from(RemoveInfo { object_id: Some(object_id), ..RemoveInfo::default() })
    };
    assert_eq!(encode(12, true, long(32766)), Ok(()));
    assert_eq!(encode(12, true, long(32767)), Err(EncodeError::TextTooLong { found: 32767, limit: 32766 }));
    assert_eq!(encode(12, false, long(65535)), Ok(()));
    assert_eq!(encode(12, false, long(65536)), Err(EncodeError::TextTooLong { found: 65536, limit: 65535 }));
    let mut small = negotiated(12, true, None, false);
    small.frame_limit = 100;
    let error = WireFormat::new(&small).encode(&long(200), &mut BytesMut::new()).unwrap_err();
    assert!(matches!(error, EncodeError::TooLarge { limit: 100, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(
        mut frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5),
        type_ids in prop::collection::vec(prop::sample::select((1..=125u8).collect::<Vec<_>>()), 5),
        version in 1u8..=12,
        tight in any::<bool>(),
        cache_size in prop::option::of(1usize..200),
    ) {
        let mut wire = wire_format(version, tight, cache_size, true);
        for (frame, type_id) in frames.iter_mut().zip(type_ids) {
            if let Some(first) = frame.first_mut() {
                *first = type_id;
            }
            let _ = wire.decode(frame.clone().into());
        }
    }

    #[test]
    fn damaged_frames_never_panic_and_cut_ones_fail(
        seed in any::<u64>(),
        version in 1u8..=12,
        tight in any::<bool>(),
        cache_size in prop::option::of(1usize..200),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let structure = command::generate_structure(&mut Generator::new(seed, version, true));
        let (_, mut encoder) = wire_format(version, tight, cache_size, true).split();
        let mut out = BytesMut::new();
        encoder.encode_structure(&structure, &mut out).unwrap();
        let frame = out.split_off(4);
        let decode = |frame: &[u8]| {
            let (mut decoder, _) = wire_format(version, tight, cache_size, true).split();
            decoder.decode_structure(Bytes::copy_from_slice(frame))
        };
        prop_assert!(decode(&frame[..cut.index(frame.len())]).is_err());
        let mut damaged = frame.to_vec();
        for (index, byte) in damage {
            let index = index.index(damaged.len());
            damaged[index] = byte;
        }
        let _ = decode(&damaged);
    }
}
