//! Options of addresses: taking a query apart, and values of each type.

use std::time::Duration;

use crate::prefetch::PrefetchPolicy;
use crate::url::error::UrlError;

const MILLISECONDS: &str = "milliseconds, 0 or more";

/// The options of a query, in order, their values decoded.
///
/// # Errors
/// [`UrlError::BadValue`] where a value is wrongly encoded.
pub(super) fn options(query: &str) -> impl Iterator<Item = Result<(&str, String), UrlError>> {
    query.split('&').filter(|option| !option.is_empty()).map(|option| {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = percent_decoded(value).ok_or_else(|| UrlError::BadValue {
            name: name.to_owned(),
            // An error may be logged.
            found: if name == "jms.password" { "…" } else { value }.to_owned(),
            expected: "UTF-8, with % only before two hexadecimal digits",
        })?;
        Ok((name, value))
    })
}

fn percent_decoded(value: &str) -> Option<String> {
    if !value.contains('%') {
        return Some(value.to_owned());
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (high, low) = (digit()?, digit()?);
        out.push((high * 16 + low) as u8);
    }
    String::from_utf8(out).ok()
}

/// A value as `parse` has it.
pub(super) fn choice<T>(
    name: &str,
    value: &str,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, UrlError> {
    parse(value).ok_or_else(|| UrlError::BadValue {
        name: name.to_owned(),
        found: value.to_owned(),
        expected,
    })
}

pub(super) fn boolean(name: &str, value: &str) -> Result<bool, UrlError> {
    choice(name, value, "true or false", |value| value.parse().ok())
}

pub(super) fn number(
    name: &str,
    value: &str,
    min: i64,
    max: i64,
    expected: &'static str,
) -> Result<i64, UrlError> {
    choice(name, value, expected, |value| value.parse().ok().filter(|number| (min..=max).contains(number)))
}

pub(super) fn positive(name: &str, value: &str) -> Result<i64, UrlError> {
    number(name, value, 1, i64::MAX, "a number, 1 or more")
}

/// Milliseconds from 0.
pub(super) fn milliseconds(name: &str, value: &str) -> Result<i64, UrlError> {
    number(name, value, 0, i64::MAX, MILLISECONDS)
}

/// Milliseconds from 0, as a duration.
pub(super) fn duration(name: &str, value: &str) -> Result<Duration, UrlError> {
    milliseconds(name, value).map(|milliseconds| Duration::from_millis(milliseconds.unsigned_abs()))
}

/// A count; -1 is without end.
pub(super) fn count_or_endless(name: &str, value: &str) -> Result<Option<u32>, UrlError> {
    let count = number(name, value, -1, u32::MAX.into(), "a number, 0 or more, or -1 for without end")?;
    Ok(u32::try_from(count).ok())
}

pub(super) fn prefetch(name: &str, value: &str) -> Result<u32, UrlError> {
    let max = PrefetchPolicy::LIMIT.into();
    number(name, value, 0, max, "0 to 32767").map(|number| number as u32)
}
