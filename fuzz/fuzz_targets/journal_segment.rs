//! Feeds arbitrary bytes as the segments of a journal: raw, and as the bodies of records that verify. Nothing may panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| kahawai_journal::fuzzing::segments(input));
