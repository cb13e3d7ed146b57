//! Messages as people and scripts read them.

use std::fmt::Write as _;

use kahawai_client::{Body, Delivery, PrimitiveMap, Value};
use serde_json::{Map, Value as Json, json};

use crate::table::printable;

/// Bytes of a body that are no text are shown so far, where a line is all there is.
const HEX_BYTES_SHOWN: usize = 32;

/// A message as JSON: headers by their JMS names, properties, body.
pub(super) fn json_of(delivery: &Delivery) -> Json {
    let wire = delivery.wire();
    let mut out = Map::new();
    let mut put = |name: &str, value: Json| {
        if !value.is_null() {
            out.insert(name.to_owned(), value);
        }
    };
    put("JMSMessageID", json!(delivery.message_id()));
    put("JMSDestination", json!(delivery.destination().map(ToString::to_string)));
    put("JMSTimestamp", json!(wire.timestamp));
    put("JMSDeliveryMode", json!(if wire.persistent { "PERSISTENT" } else { "NON_PERSISTENT" }));
    put("JMSPriority", json!(wire.priority));
    put("JMSRedelivered", json!(delivery.is_redelivered()));
    put("JMSXDeliveryCount", json!(delivery.redeliveries() + 1));
    put("JMSExpiration", if wire.expiration > 0 { json!(wire.expiration) } else { Json::Null });
    put("JMSCorrelationID", json!(delivery.correlation_id()));
    put("JMSType", json!(delivery.message_type()));
    put("JMSReplyTo", json!(delivery.reply_to().map(ToString::to_string)));
    put("JMSXGroupID", json!(delivery.group()));
    put("originalDestination", json!(wire.original_destination.as_ref().map(ToString::to_string)));
    match delivery.properties() {
        Ok(properties) if !properties.is_empty() => put("properties", json_of_map(&properties)),
        Ok(_) => {}
        Err(error) => put("propertiesError", json!(error.to_string())),
    }
    let (kind, body) = match delivery.body() {
        Ok(body) => json_of_body(&body),
        Err(error) => ("malformed", json!(error.to_string())),
    };
    put("bodyType", json!(kind));
    put("body", body);
    Json::Object(out)
}

fn json_of_body(body: &Body) -> (&'static str, Json) {
    match body {
        Body::Empty => ("empty", Json::Null),
        Body::Text(text) => ("text", json!(text.as_str())),
        Body::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => ("bytes", json!(text)),
            Err(_) => ("bytes-hex", json!(hex(bytes))),
        },
        Body::Map(map) => ("map", json_of_map(map)),
        Body::Stream(values) => ("stream", values.iter().map(json_of_value).collect()),
        Body::Object(bytes) => ("object-hex", json!(hex(bytes))),
        Body::Compressed(bytes) => ("compressed-hex", json!(hex(bytes))),
    }
}

fn json_of_map(map: &PrimitiveMap) -> Json {
    Json::Object(map.iter().map(|(name, value)| (name.to_string(), json_of_value(value))).collect())
}

/// A typed value as JSON has it.
pub(super) fn json_of_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => json!(value),
        Value::Byte(value) => json!(value),
        Value::Char(value) => json!(String::from_utf16_lossy(&[*value])),
        Value::Short(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Long(value) => json!(value),
        Value::Double(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Text(text) => json!(text.as_str()),
        Value::Bytes(bytes) => json!(hex(bytes)),
        Value::Map(map) => json_of_map(map),
        Value::List(values) => values.iter().map(json_of_value).collect(),
    }
}

/// The body as it is: text as text, bytes as bytes, anything else as JSON.
pub(super) fn raw_body(delivery: &Delivery) -> kahawai_client::Result<Vec<u8>> {
    Ok(match delivery.body()? {
        Body::Empty => Vec::new(),
        Body::Text(text) => text.as_str().as_bytes().to_vec(),
        Body::Bytes(bytes) | Body::Object(bytes) | Body::Compressed(bytes) => bytes.to_vec(),
        other => json_of_body(&other).1.to_string().into_bytes(),
    })
}

/// The body in one line of at most so many characters.
pub(super) fn line_of_body(delivery: &Delivery, most: usize) -> String {
    let text = match delivery.body() {
        Ok(Body::Empty) => "(empty)".to_owned(),
        Ok(Body::Text(text)) => text.as_str().to_owned(),
        Ok(Body::Bytes(bytes)) => match std::str::from_utf8(&bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => format!("({} bytes) {}", bytes.len(), hex(&bytes[..bytes.len().min(HEX_BYTES_SHOWN)])),
        },
        Ok(Body::Object(bytes)) => format!("(a Java object of {} bytes)", bytes.len()),
        Ok(Body::Compressed(bytes)) => format!("(compressed, {} bytes)", bytes.len()),
        Ok(other) => json_of_body(&other).1.to_string(),
        Err(error) => format!("({error})"),
    };
    shortened(&printable(&text), most)
}

/// At most so many characters, the last of them an ellipsis where it is cut.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A time in milliseconds since 1970, as a date in UTC.
pub(super) fn date(milliseconds: i64) -> String {
    if milliseconds <= 0 {
        return "-".to_owned();
    }
    let (days, of_day) = (milliseconds / 86_400_000, milliseconds % 86_400_000 / 1000);
    // Civil date from days, after Howard Hinnant's `civil_from_days` (public domain).
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a string does not fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        assert_eq!(date(0), "-");
        assert_eq!(date(1), "1970-01-01 00:00:00Z");
        assert_eq!(date(951_782_400_000), "2000-02-29 00:00:00Z");
        assert_eq!(date(1_763_938_799_000), "2025-11-23 22:59:59Z");
        assert_eq!(date(4_102_444_799_999), "2099-12-31 23:59:59Z");
    }

    #[test]
    fn long_text_is_cut_at_characters() {
        assert_eq!(shortened("kahawai", 7), "kahawai");
        assert_eq!(shortened("kaha wai", 5), "kaha…");
        assert_eq!(shortened("ååå", 2), "å…");
    }
}
