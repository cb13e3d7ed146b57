//! Feeds arbitrary bytes as the small files of a store directory. Nothing may panic, nor a damaged seal be taken for one.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| kahawai_journal::fuzzing::small_files(input));
