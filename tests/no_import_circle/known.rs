//! Imports that go up, and are still to be mended. The list only shrinks.

/// The crate, the module that imports, the one it imports from.
pub(crate) const GOING_UP: &[(&str, &str, &str)] = &[
    ("adapters", "election::hold", "election"),
    ("journal", "disk::mapped", "disk::directory"),
    ("journal", "index::queue", "index"),
    ("journal", "index::topic", "index"),
    ("journal", "log::unsealed", "log::chain"),
    ("journal", "writer::active", "writer"),
    ("journal", "writer::begin", "writer"),
    ("kahawai", "bench::scenario", "bench::options"),
    ("kahawai", "manual", "cli"),
    ("kahawai", "serve::role", "serve"),
    ("kahawai", "store", "store::repair"),
    ("kahawai", "store::backup", "store"),
    ("kahawai", "store::dump", "store"),
    ("kahawai", "store::info", "store"),
    ("kahawai", "store::verify", "store"),
    ("kahawai", "store::why", "store"),
    ("store", "codec", "codec::header"),
    ("store", "codec", "codec::operation"),
    ("store", "codec::primitive", "codec"),
    ("store", "conformance::mutant", "conformance::mutant::timing"),
];
