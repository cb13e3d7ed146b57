//! Feeds arbitrary bytes as a peer's stream. Nothing may panic, and what was decoded must come back as it was when
//! it is encoded and decoded again.
//!
//! Input: one byte of options, one for the version, then the stream.

#![no_main]

use bytes::BytesMut;
use kahawai_openwire::body::{self, Body};
use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::frame::take_frame;
use kahawai_openwire::negotiation::{Negotiated, Preferences, VERSION_MAX, negotiate};
use kahawai_openwire::wire_format::WireFormat;
use libfuzzer_sys::fuzz_target;

fn wire_format(options: u8, version: u8) -> WireFormat {
    WireFormat::new(&Negotiated {
        version: 1 + version % VERSION_MAX,
        tight_encoding_enabled: options & 1 != 0,
        cache_size: (options & 2 != 0).then_some(if options & 8 != 0 { 5 } else { 1024 }),
        stack_trace_enabled: options & 4 != 0,
        frame_limit: usize::MAX,
        ..Negotiated::initial()
    })
}

fn look_into(structure: &DataStructure) {
    match structure {
        DataStructure::Command(Command::Message(message)) => {
            if let Ok(body) = Body::of(message) {
                let _ = body.to_content();
            }
            if let Ok(properties) = body::properties(message) {
                let _ = body::encode_properties(&properties);
            }
        }
        DataStructure::Command(Command::WireFormatInfo(info)) => {
            let _ = negotiate(&Preferences::default(), info);
        }
        _ => {}
    }
}

fuzz_target!(|input: &[u8]| {
    let [options, version, stream @ ..] = input else { return };
    let (mut decoder, _) = wire_format(*options, *version).split();
    let (mut again, mut encoder) = wire_format(*options, *version).split();
    let mut stream = BytesMut::from(stream);
    while let Ok(Some(frame)) = take_frame(&mut stream, 1 << 20) {
        let Ok(structure) = decoder.decode_structure(frame) else { return };
        look_into(&structure);
        let mut out = BytesMut::new();
        if encoder.encode_structure(&structure, &mut out).is_ok() {
            let frame = take_frame(&mut out, usize::MAX).expect("our own length").expect("a whole frame");
            assert_eq!(again.decode_structure(frame).as_ref(), Ok(&structure));
        }
    }
});
