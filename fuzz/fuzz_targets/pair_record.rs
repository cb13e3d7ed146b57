//! Any bytes are a pair's record that is written as it was read, or none; a checksum that fits is put behind them as well.

#![no_main]

use kahawai_replication::record::Record;
use libfuzzer_sys::fuzz_target;

fn look(bytes: &[u8]) {
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(record.encode(), bytes);
        assert!(record.in_sync.contains(&record.master));
    }
}

fuzz_target!(|input: &[u8]| {
    look(input);
    // What only a program of ours would write is reached too.
    let mut sealed = b"KAHAPAI\n\x01\x00".to_vec();
    sealed.extend_from_slice(input);
    let crc = crc32fast::hash(&sealed);
    sealed.extend_from_slice(&crc.to_le_bytes());
    look(&sealed);
});
