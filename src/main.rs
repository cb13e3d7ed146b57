//! The `kahawai` command.
fn main() {}
