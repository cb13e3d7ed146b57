//! The reference of all settings is what they are: with `KAHAWAI_WRITE_REPORTS=1` it is written anew, to be looked at in the difference.

use std::path::Path;

use kahawai_config::reference::markdown;

#[test]
fn the_reference_is_what_the_settings_are() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../CONFIGURATION.md");
    if std::env::var_os("KAHAWAI_WRITE_REPORTS").is_some() {
        std::fs::write(&file, markdown()).expect("it is written");
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        there == markdown(),
        "CONFIGURATION.md is not what the settings are: KAHAWAI_WRITE_REPORTS=1 writes it anew"
    );
}
