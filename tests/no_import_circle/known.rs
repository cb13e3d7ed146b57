//! Imports that go up, and are still to be mended. The list only shrinks.

/// The crate, the module that imports, the one it imports from.
pub(crate) const GOING_UP: &[(&str, &str, &str)] = &[
    ("journal", "disk::mapped", "disk::directory"),
    ("journal", "index::queue", "index"),
    ("journal", "index::topic", "index"),
    ("journal", "log::unsealed", "log::chain"),
    ("journal", "writer::active", "writer"),
    ("journal", "writer::begin", "writer"),
];
