//! What a single value may be, whoever says it: the command line, XML or TOML.

use std::time::Duration;

/// Bytes, or with a suffix: `512`, `64kb`, `32mb`, `1gb`.
///
/// # Errors
/// In words, where it is none.
pub fn bytes(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let (digits, unit) = match lower.trim_end_matches('b') {
        rest if rest.ends_with('k') => (&rest[..rest.len() - 1], 1 << 10),
        rest if rest.ends_with('m') => (&rest[..rest.len() - 1], 1 << 20),
        rest if rest.ends_with('g') => (&rest[..rest.len() - 1], 1 << 30),
        rest => (rest, 1),
    };
    let size = digits.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    size.ok_or_else(|| "needs a number of bytes, or with a suffix: 512, 64kb, 32mb, 1gb".to_owned())
}

/// An address to listen on, `HOST:PORT`.
///
/// # Errors
/// In words, where it is none.
pub fn bind_address(text: &str) -> Result<String, String> {
    kahawai_broker::listen::check(text).map(|()| text.to_owned())
}

/// A broker's name: what clients are told, the claim on a store holds, and one line of the log has room for.
///
/// # Errors
/// In words, where it is none.
pub fn broker_name(text: &str) -> Result<String, String> {
    const BYTES_MAX: usize = 255;
    if text.is_empty() || text.len() > BYTES_MAX || text.contains(char::is_control) {
        return Err(format!("needs a name of at most {BYTES_MAX} bytes, without line breaks"));
    }
    Ok(text.to_owned())
}

/// Milliseconds, from so many to a day: what is longer is a slip, and a database's clock cannot count with all of it. Gives what
/// reads them, or says in words what is wrong.
pub fn milliseconds(least: u64) -> impl Fn(&str) -> Result<Duration, String> + Clone {
    const MOST: u64 = 86_400_000;
    move |text| match text.parse::<u64>() {
        Ok(number) if (least..=MOST).contains(&number) => Ok(Duration::from_millis(number)),
        _ => Err(format!("needs a whole number of milliseconds, from {least} to {MOST}")),
    }
}

/// The length of a journal's segments, in whole pages.
///
/// # Errors
/// In words, where it is none.
pub fn segment_length(text: &str) -> Result<u64, String> {
    const LEAST: u64 = 64 << 10;
    const MOST: u64 = 1 << 30;
    match bytes(text) {
        Ok(size) if (LEAST..=MOST).contains(&size) => Ok(size.next_multiple_of(4096)),
        _ => Err("needs a size from 64kb to 1gb".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_times_have_bounds() {
        assert_eq!(broker_name("broker a"), Ok("broker a".to_owned()));
        for wrong in ["", "a\nrole: master", &"x".repeat(256)] {
            assert!(broker_name(wrong).is_err(), "{wrong:?}");
        }
        let lease = milliseconds(100);
        assert_eq!(lease("100"), Ok(Duration::from_millis(100)));
        for wrong in ["", "99", "86400001", "18446744073709551615", "2s"] {
            assert!(lease(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_suffixes_and_bounds() {
        assert_eq!(segment_length("32mb"), Ok(32 << 20));
        assert_eq!(segment_length("64kb"), Ok(64 << 10));
        assert_eq!(segment_length("1 GB"), Ok(1 << 30));
        assert_eq!(segment_length("1048576"), Ok(1 << 20));
        for wrong in ["", "mb", "1kb", "2gb", "-1", "18446744073709551615gb"] {
            assert!(segment_length(wrong).is_err(), "{wrong}");
        }
    }
}
