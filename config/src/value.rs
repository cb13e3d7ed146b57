//! What a single value may be, whoever says it: the command line, XML or TOML.

use std::path::PathBuf;
use std::time::Duration;

/// Bytes, or with a suffix: `512`, `64kb`, `32mb`, `1gb`.
///
/// # Errors
/// In words, where it is none.
pub fn bytes(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let (digits, unit) = match lower.strip_suffix('b').unwrap_or(&lower) {
        rest if rest.ends_with('k') => (&rest[..rest.len() - 1], 1 << 10),
        rest if rest.ends_with('m') => (&rest[..rest.len() - 1], 1 << 20),
        rest if rest.ends_with('g') => (&rest[..rest.len() - 1], 1 << 30),
        rest => (rest, 1),
    };
    let size = digits.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    size.ok_or_else(|| "needs a number of bytes, or with a suffix: 512, 64kb, 32mb, 1gb".to_owned())
}

/// `true` or `false`, or a word that Spring takes for one of them.
///
/// # Errors
/// In words, where it is none.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("needs true or false".to_owned()),
    }
}

/// A whole number, below zero too, and as in ActiveMQ with a suffix as [`bytes`].
///
/// # Errors
/// In words, where it is none.
pub fn whole(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let number = match text.strip_prefix('-') {
        Some(digits) => bytes(digits).ok().and_then(|number| 0_i64.checked_sub_unsigned(number)),
        None => bytes(text).ok().and_then(|number| i64::try_from(number).ok()),
    };
    number.ok_or_else(|| "needs a whole number".to_owned())
}

/// A directory. `file:` in front is taken off; a name of another system (`E:/data`) would be a strange relative one here.
///
/// # Errors
/// In words, where it is none.
pub fn directory(text: &str) -> Result<PathBuf, String> {
    let text = text.strip_prefix("file:").map_or(text, |rest| rest.strip_prefix("//").unwrap_or(rest));
    let bytes = text.as_bytes();
    let has_drive = bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.get(1) == Some(&b':');
    if text.is_empty() {
        return Err("needs a directory".to_owned());
    }
    if (has_drive || text.contains('\\')) && !cfg!(windows) {
        return Err("is a path of Windows: write the one of this system".to_owned());
    }
    if text.contains("://") || text.contains('\0') {
        return Err("needs a directory, not an address".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// An address to listen on, `HOST:PORT`.
///
/// # Errors
/// In words, where it is none.
pub fn bind_address(text: &str) -> Result<String, String> {
    kahawai_broker::listen::check(text).map(|()| text.to_owned())
}

/// Where a master is, `tcp://HOST:PORT`; options behind it are passed over, as they are for clients' connections.
///
/// # Errors
/// In words, where it is none.
pub fn master_uri(text: &str) -> Result<String, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let place = rest.split(['?', '/']).next().unwrap_or_default();
    match scheme {
        "tcp" | "nio" => {}
        "ssl" | "nio+ssl" => {
            return Err(
                "there is no TLS yet: write tcp:, and keep the line between both brokers to yourselves"
                    .to_owned(),
            );
        }
        _ => {
            return Err(format!(
                "needs tcp://HOST:PORT, as in tcp://{}",
                if place.is_empty() { "master:61616" } else { place }
            ));
        }
    }
    if place.rsplit_once(':').is_none_or(|(_, port)| port == "0") {
        return Err(format!("'{place}' is no place of a master: write tcp://HOST:PORT"));
    }
    kahawai_broker::listen::check(place).map(|()| format!("tcp://{place}"))
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
        for wrong in ["", "mb", "1kb", "2gb", "-1", "1mbb", "18446744073709551615gb"] {
            assert!(segment_length(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn truth_numbers_and_directories_are_read_as_activemq_does() {
        assert_eq!((boolean(" TRUE"), boolean("off")), (Ok(true), Ok(false)));
        assert_eq!((boolean("1"), boolean("0")), (Ok(true), Ok(false)));
        assert!(boolean("maybe").is_err() && boolean("").is_err());
        assert_eq!((whole("-1"), whole("64 mb"), whole(" 7 ")), (Ok(-1), Ok(64 << 20), Ok(7)));
        for wrong in ["", "-", "--1", "1.5", "9223372036854775808", "x"] {
            assert!(whole(wrong).is_err(), "{wrong}");
        }
        assert_eq!(directory("file:/a/b"), Ok("/a/b".into()));
        assert_eq!(directory("file:///a"), Ok("/a".into()));
        for wrong in ["", "E:/data", "e:data", "\\\\host\\share", "http://a/b"] {
            assert!(directory(wrong).is_err(), "{wrong}");
        }
    }
}
