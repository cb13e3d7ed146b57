//! Any bytes are frames that are written as they were read, or end the line; nothing is kept of a length that nobody keeps to. A checksum that fits is put
//! before them as well.

#![no_main]

use kahawai_replication::frame::{FrameReader, OPENING_MAX};
use libfuzzer_sys::fuzz_target;

fn look(bytes: &[u8]) {
    let mut reader = FrameReader::default();
    reader.push(bytes);
    let mut written = Vec::new();
    let mut read = 0;
    while let Ok(Some(frame)) = reader.take() {
        frame.encode(&mut written);
        assert!(written.len() - read <= OPENING_MAX + 8);
        read = written.len();
    }
    assert_eq!(written, bytes[..written.len()]);
}

fuzz_target!(|input: &[u8]| {
    look(input);
    // What only a program of ours would write is reached too.
    let mut sealed = (input.len() as u32).to_le_bytes().to_vec();
    sealed.extend_from_slice(&crc32fast::hash(input).to_le_bytes());
    sealed.extend_from_slice(input);
    look(&sealed);
});
