//! Byte for byte what ActiveMQ's own Java client writes: every structure, version 1 to 12, loose and tight, with and
//! without cache. `golden/README.md` tells how the files were made.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod golden_samples;

use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use golden_samples::samples;
use kahawai_openwire::command::DataStructure;
use kahawai_openwire::error::EncodeError;
use kahawai_openwire::frame::take_frame;
use kahawai_openwire::negotiation::Negotiated;
use kahawai_openwire::wire_format::{Decoder, Encoder, WireFormat};

fn frames(name: &str) -> Vec<Bytes> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/golden/frames", name].iter().collect();
    let mut bytes = BytesMut::from(&std::fs::read(&path).unwrap()[..]);
    let mut frames = Vec::new();
    while let Some(frame) = take_frame(&mut bytes, usize::MAX).unwrap() {
        frames.push(frame);
    }
    assert!(bytes.is_empty() && !frames.is_empty(), "{}", path.display());
    frames
}

fn wire_format(version: u8, tight: bool, cache_size: Option<usize>, stack_trace: bool) -> (Decoder, Encoder) {
    WireFormat::new(&Negotiated {
        version,
        tight_encoding_enabled: tight,
        cache_size,
        stack_trace_enabled: stack_trace,
        frame_limit: usize::MAX,
        ..Negotiated::initial()
    })
    .split()
}

/// Our encoding of what the encoder's version has, without length prefixes.
fn encode(encoder: &mut Encoder, structures: &[DataStructure]) -> Vec<(DataStructure, Bytes)> {
    let mut encoded = Vec::new();
    for structure in structures {
        let mut out = BytesMut::new();
        match encoder.encode_structure(structure, &mut out) {
            Ok(()) => {
                encoded.push((structure.clone(), take_frame(&mut out, usize::MAX).unwrap().unwrap()));
            }
            Err(EncodeError::NotInVersion { .. }) => {}
            Err(error) => panic!("{error}: {structure:?}"),
        }
    }
    encoded
}

/// Decodes each frame and encodes it again: the same bytes, through caches of its own.
fn check_decoding_and_encoding_again(name: &str, (mut decoder, mut encoder): (Decoder, Encoder)) {
    for (at, frame) in frames(name).into_iter().enumerate() {
        let structure =
            decoder.decode_structure(frame.clone()).unwrap_or_else(|error| panic!("{name} {at}: {error}"));
        let mut out = BytesMut::new();
        encoder.encode_structure(&structure, &mut out).unwrap();
        assert_eq!(out[4..], frame, "{name} {at}: {structure:?}");
    }
}

#[test]
fn every_version_is_written_and_read_as_java_does() {
    for version in 1..=12 {
        for (tight, encoding) in [(false, "loose"), (true, "tight")] {
            for (cache_size, extent) in [(None, "whole"), (Some(1024), "cached")] {
                let name = format!("v{version}-{encoding}-{extent}.bin");
                let wire = || wire_format(version, tight, cache_size, cache_size.is_some());
                let golden = frames(&name);
                let ours = encode(&mut wire().1, &samples(0));
                assert_eq!(ours.len(), golden.len(), "{name}");
                for (at, ((structure, ours), golden)) in ours.iter().zip(golden).enumerate() {
                    assert_eq!(*ours, golden, "{name} {at}: {structure:?}");
                }
                check_decoding_and_encoding_again(&name, wire());
            }
        }
    }
}

/// Each boolean is told from its neighbours by at least one of the variants.
#[test]
fn fields_have_the_values_that_java_gave_them() {
    for variant in 0..4 {
        let name = match variant {
            0 => "v12-tight-cached.bin".to_string(),
            variant => format!("v12-variant{variant}.bin"),
        };
        let cache_size = (variant == 0).then_some(1024);
        let (mut decoder, _) = wire_format(12, true, cache_size, true);
        let golden = frames(&name);
        let samples = samples(variant);
        assert_eq!(golden.len(), samples.len());
        for (frame, sample) in golden.into_iter().zip(samples) {
            assert_eq!(decoder.decode_structure(frame).unwrap(), sample, "{name}");
        }
    }
}

#[test]
fn long_boolean_streams_are_written_as_java_does() {
    check_decoding_and_encoding_again("v12-long.bin", wire_format(12, true, None, false));
}

#[test]
fn the_cache_evicts_as_java_does() {
    check_decoding_and_encoding_again("v12-evicting-tight.bin", wire_format(12, true, Some(130), false));
    check_decoding_and_encoding_again("v12-evicting-loose.bin", wire_format(12, false, Some(130), false));
}
