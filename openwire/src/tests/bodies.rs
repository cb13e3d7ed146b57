//! Primitive values and the bodies made of them.

use bytes::Bytes;

use crate::body::{self, Body};
use crate::error::DecodeError;
use crate::message::{Message, MessageKind};
use crate::primitive::{Limits, PrimitiveMap, Value, decode_map, decode_values, encode_map, encode_values};

fn every_type() -> Vec<Value> {
    let map: PrimitiveMap = [("inner", Value::List(vec![Value::Null, 1.into()]))].into_iter().collect();
    vec![
        Value::Null,
        true.into(),
        (-1_i8).into(),
        Value::Char(0xd83d),
        (-2_i16).into(),
        (-3).into(),
        (-4_i64).into(),
        0.5_f64.into(),
        (-0.5_f32).into(),
        "short é\0😀".into(),
        "é".repeat(8191).into(),
        Bytes::from_static(&[1, 2]).into(),
        map.into(),
        Value::List(vec![Value::List(vec![])]),
    ]
}

#[test]
fn every_type_comes_back() {
    let values = every_type();
    assert_eq!(decode_values(&encode_values(&values), &Limits::MESSAGE).unwrap(), values);
    let map: PrimitiveMap =
        values.into_iter().enumerate().map(|(number, value)| (number.to_string(), value)).collect();
    assert_eq!(decode_map(&encode_map(Some(&map)), &Limits::MESSAGE).unwrap(), map);
    assert!(decode_map(&encode_map(None), &Limits::MESSAGE).unwrap().is_empty());
}

#[test]
fn long_strings_have_a_long_length() {
    assert_eq!(encode_values(&["x".repeat(8190).as_str().into()])[..3], [9, 0x1f, 0xfe]);
    assert_eq!(encode_values(&["x".repeat(8191).as_str().into()])[..5], [13, 0, 0, 0x1f, 0xff]);
}

#[test]
fn a_map_keeps_one_value_for_each_name() {
    let mut map = PrimitiveMap::new();
    map.put("name", 1);
    map.put("name", 2);
    assert_eq!((map.len(), map.get("name")), (1, Some(&2.into())));
    assert_eq!(map.get("other"), None);
}

#[test]
fn damaged_values_are_refused() {
    let map = |bytes: &'static [u8]| decode_map(&Bytes::from_static(bytes), &Limits::MESSAGE);
    assert_eq!(map(&[0, 0, 0, 1, 0, 1, b'x', 14]), Err(DecodeError::UnknownPrimitive { type_id: 14 }));
    assert!(matches!(map(&[0x7f, 0xff, 0xff, 0xff, 0]), Err(DecodeError::Truncated { .. })));
    assert_eq!(map(&[0, 0, 0, 0, 9]), Err(DecodeError::TrailingBytes { found: 1 }));
    let list = |bytes: &'static [u8]| decode_values(&Bytes::from_static(bytes), &Limits::MESSAGE);
    assert_eq!(list(&[10, 0xff, 0xff, 0xff, 0xff]), Err(DecodeError::NegativeLength { found: -1, at: 1 }));
    let deep = Bytes::from([12, 0, 0, 0, 1].repeat(100_000));
    assert_eq!(decode_values(&deep, &Limits::MESSAGE), Err(DecodeError::TooDeep { limit: 32 }));
}

#[test]
fn bodies_are_read_by_kind() {
    let message = |kind, content: &'static [u8]| Message {
        kind,
        content: Some(Bytes::from_static(content)),
        ..Message::default()
    };
    assert_eq!(Body::of(&message(MessageKind::Text, &[0, 0, 0, 1, b'x'])), Ok(Body::Text("x".into())));
    assert_eq!(Body::of(&message(MessageKind::Text, &[0xff; 4])), Ok(Body::Empty));
    assert_eq!(Body::of(&message(MessageKind::Text, &[])), Ok(Body::Empty));
    assert!(Body::of(&message(MessageKind::Text, &[0, 0, 0, 2, b'x'])).is_err());
    let compressed = Message { compressed: true, ..message(MessageKind::Text, &[1]) };
    assert_eq!(Body::of(&compressed), Ok(Body::Compressed(Bytes::from_static(&[1]))));
    assert_eq!(body::properties(&Message::default()), Ok(PrimitiveMap::new()));
    for body in [Body::Stream(every_type()), Body::Text("é\0😀".into())] {
        let kind = if matches!(body, Body::Text(_)) { MessageKind::Text } else { MessageKind::Stream };
        let message = Message { kind, content: body.to_content(), ..Message::default() };
        assert_eq!(Body::of(&message), Ok(body));
    }
}
