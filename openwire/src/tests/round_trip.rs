//! What one side encodes, the other decodes: every type, version, encoding and cache, in long sequences.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::wire_format;
use crate::command;
use crate::connection::RemoveInfo;

use crate::frame::take_frame;
use crate::generate::Generator;

fn cache_sizes() -> impl Strategy<Value = Option<usize>> {
    // Around the hundred free slots, and the usual.
    prop::sample::select(vec![
        None,
        Some(1),
        Some(7),
        Some(100),
        Some(101),
        Some(130),
        Some(1024),
        Some(16383),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn structures_come_back_as_they_went(
        seed in any::<u64>(),
        version in 1u8..=12,
        tight in any::<bool>(),
        cache_size in cache_sizes(),
        stack_trace in any::<bool>(),
    ) {
        let (_, mut encoder) = wire_format(version, tight, cache_size, stack_trace).split();
        let (mut decoder, _) = wire_format(version, tight, cache_size, stack_trace).split();
        let mut generator = Generator::new(seed, version, stack_trace);
        let mut stream = BytesMut::new();
        let structures: Vec<_> = (0..30).map(|_| command::generate_structure(&mut generator)).collect();
        for structure in &structures {
            encoder.encode_structure(structure, &mut stream).unwrap();
        }
        for structure in structures {
            let frame = take_frame(&mut stream, usize::MAX).unwrap().unwrap();
            prop_assert_eq!(decoder.decode_structure(frame).unwrap(), structure);
        }
        prop_assert!(stream.is_empty());
    }

    #[test]
    fn chunks_are_the_frame_cut(
        seed in any::<u64>(),
        version in 1u8..=12,
        tight in any::<bool>(),
        cache_size in cache_sizes(),
    ) {
        let (_, mut whole) = wire_format(version, tight, cache_size, true).split();
        let (_, mut cut) = wire_format(version, tight, cache_size, true).split();
        let mut generator = Generator::new(seed, version, true);
        for _ in 0..10 {
            let command = command::generate_command(&mut generator);
            let mut frame = BytesMut::new();
            whole.encode(&command, &mut frame).unwrap();
            let chunks: Vec<Bytes> = cut.encode_chunks(&command, 10).unwrap();
            prop_assert_eq!(chunks.concat(), frame);
        }
    }
}

#[test]
fn what_a_version_does_not_have_gets_what_java_assumes() {
    let sent = RemoveInfo { last_delivered_sequence_id: 5, ..RemoveInfo::default() };
    for (version, expected) in [(4, RemoveInfo::LAST_DELIVERED_UNKNOWN), (5, 5)] {
        let mut wire = wire_format(version, true, None, false);
        let mut out = BytesMut::new();
        wire.encode(&sent.clone().into(), &mut out).unwrap();
        let frame = take_frame(&mut out, usize::MAX).unwrap().unwrap();
        let expected = RemoveInfo { last_delivered_sequence_id: expected, ..RemoveInfo::default() };
        assert_eq!(wire.decode(frame).unwrap(), expected.into());
    }
}
