//! Bytes from the disk that nobody of ours wrote: nothing may panic, and little memory be taken. The fuzz targets `journal_segment` and
//! `journal_small_files` go through the same door.
//!
//! `KAHAWAI_TEST_SCALE` multiplies the number of cases (default 1).

use kahawai_journal::fuzzing;
use proptest::prelude::*;

fn cases() -> ProptestConfig {
    let scale = std::env::var("KAHAWAI_TEST_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1_u32);
    ProptestConfig { cases: 300 * scale, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_bytes_as_segments_are_replayed_or_refused(input in proptest::collection::vec(any::<u8>(), 0..2000)) {
        fuzzing::segments(&input);
    }

    /// Numbers that are small or extreme, as real ones are where something is wrong.
    #[test]
    fn bytes_of_extremes_as_segments_are_replayed_or_refused(
        input in proptest::collection::vec(prop_oneof![0_u8..12, Just(0xff), Just(0x80)], 0..2000)
    ) {
        fuzzing::segments(&input);
    }

    #[test]
    fn any_bytes_as_small_files_are_understood_or_refused(input in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzzing::small_files(&input);
    }
}
