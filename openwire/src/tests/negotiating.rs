//! What two peers agree on.

use std::time::Duration;

use bytes::Bytes;

use crate::connection::WireFormatInfo;
use crate::error::{DecodeError, NegotiationError};
use crate::negotiation::{Preferences, negotiate};
use crate::primitive::{PrimitiveMap, Value, encode_map};

fn with(change: impl FnOnce(&mut Preferences)) -> WireFormatInfo {
    let mut preferences = Preferences::default();
    change(&mut preferences);
    preferences.to_info()
}

#[test]
fn preferences_survive_the_wire() {
    let preferences = Preferences { host: Some("broker.example.org".into()), ..Preferences::default() };
    assert_eq!(Preferences::from_info(&preferences.to_info()).unwrap(), preferences);
}

#[test]
fn the_lower_version_wins_and_strangers_are_refused() {
    let ours = Preferences::default();
    let version = |theirs: i32| negotiate(&ours, &with(|info| info.version = theirs)).map(|it| it.version);
    assert_eq!(version(3), Ok(3));
    assert_eq!(version(99), Ok(12));
    assert_eq!(version(0), Ok(12), "open, as ActiveMQ takes it");
    let ours = Preferences { version: 0, ..ours };
    let refused = negotiate(&ours, &with(|info| info.version = 13));
    assert_eq!(refused, Err(NegotiationError::Version { found: 13, min: 1, max: 12 }));
}

#[test]
fn options_hold_only_if_both_want_them() {
    let ours = Preferences::default();
    let agreed = negotiate(&ours, &with(|_| {})).unwrap();
    assert!(agreed.tight_encoding_enabled && agreed.stack_trace_enabled && agreed.tcp_no_delay_enabled);
    assert!(!agreed.size_prefix_disabled);
    let agreed = negotiate(
        &ours,
        &with(|theirs| {
            theirs.tight_encoding_enabled = false;
            theirs.cache_enabled = false;
            theirs.size_prefix_disabled = true;
        }),
    )
    .unwrap();
    assert!(!agreed.tight_encoding_enabled && !agreed.size_prefix_disabled);
    assert_eq!(agreed.cache_size, None);
    // A peer that says nothing wants nothing.
    let silent = WireFormatInfo { version: 12, marshalled_properties: None };
    let agreed = negotiate(&ours, &silent).unwrap();
    assert!(!agreed.tight_encoding_enabled && agreed.cache_size.is_none());
    assert_eq!(agreed.max_inactivity_duration, None);
}

#[test]
fn sizes_and_times_are_the_smaller_ones() {
    let ours = Preferences::default();
    let agreed = negotiate(
        &ours,
        &with(|theirs| {
            theirs.cache_size = 200;
            theirs.max_frame_size = i64::MAX;
            theirs.max_inactivity_duration = 5000;
            theirs.max_inactivity_duration_initial_delay = 20_000;
        }),
    )
    .unwrap();
    assert_eq!(agreed.cache_size, Some(200));
    assert_eq!(agreed.frame_limit, 104_857_600);
    assert_eq!(agreed.max_inactivity_duration, Some(Duration::from_secs(5)));
    assert_eq!(agreed.max_inactivity_duration_initial_delay, Duration::from_secs(10));
    let cache =
        |size: i32| negotiate(&ours, &with(|theirs| theirs.cache_size = size)).map(|it| it.cache_size);
    assert_eq!(cache(0), Ok(Some(16383)), "open");
    assert_eq!(cache(i32::MAX), Ok(Some(1024)));
    assert_eq!(cache(-1), Err(NegotiationError::CacheSize { found: -1 }));
    let frame = |size: i64| negotiate(&ours, &with(|it| it.max_frame_size = size)).unwrap().frame_limit;
    assert_eq!(frame(1000), 1000);
    assert_eq!(frame(0), 104_857_600, "open");
    let wide = Preferences { cache_size: i32::MAX, ..Preferences::default() };
    assert_eq!(negotiate(&wide, &wide.to_info()).unwrap().cache_size, Some(32767));
}

#[test]
fn properties_have_narrow_limits() {
    let info = |properties: PrimitiveMap| WireFormatInfo {
        version: 12,
        marshalled_properties: Some(encode_map(Some(&properties))),
    };
    let many: PrimitiveMap = (0..65).map(|number| (number.to_string(), true)).collect();
    let long: PrimitiveMap = [("Host", "x".repeat(513))].into_iter().collect();
    let nested: PrimitiveMap = [("Host", Value::List(vec![]))].into_iter().collect();
    for (properties, expected) in [
        (many, DecodeError::PrimitiveTooLarge { found: 65, limit: 64 }),
        (long, DecodeError::PrimitiveTooLarge { found: 513, limit: 512 }),
        (nested, DecodeError::TooDeep { limit: 0 }),
    ] {
        assert_eq!(Preferences::from_info(&info(properties)), Err(NegotiationError::Properties(expected)));
    }
    let garbage = WireFormatInfo { version: 12, marshalled_properties: Some(Bytes::from_static(&[1])) };
    assert!(matches!(
        negotiate(&Preferences::default(), &garbage),
        Err(NegotiationError::Properties(DecodeError::Truncated { .. }))
    ));
}
