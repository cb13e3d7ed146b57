//! Imports that go up, and are still to be mended. The list only shrinks.

/// The crate, the module that imports, the one it imports from.
pub(crate) const GOING_UP: &[(&str, &str, &str)] = &[];
