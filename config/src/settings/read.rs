//! How texts are read into what settings hold, and shown again.

use std::time::Duration;

use kahawai_store::batch::Durability;

use crate::value;

/// Sizes are ActiveMQ's: `64 mb`, `1gb`, `512`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    value::bytes(text).and_then(|size| {
        usize::try_from(size).map_err(|_| "is larger than this machine can count".to_owned())
    })
}

/// The largest unit of which it is a whole number.
pub(super) fn show_size(size: u64) -> String {
    match size {
        0 => "0".to_owned(),
        size if size.is_multiple_of(1 << 30) => format!("{}gb", size >> 30),
        size if size.is_multiple_of(1 << 20) => format!("{}mb", size >> 20),
        size if size.is_multiple_of(1 << 10) => format!("{}kb", size >> 10),
        size => size.to_string(),
    }
}

/// `true` or `false`, in any case.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("needs true or false".to_owned()),
    }
}

/// A whole number from so many on.
pub(super) fn whole<N: TryFrom<u64>>(text: &str, least: u64) -> Result<N, String> {
    let wrong = || format!("needs a whole number, {least} at least");
    let number: u64 = text.trim().parse().map_err(|_| wrong())?;
    if number < least {
        Err(wrong())
    } else {
        N::try_from(number).map_err(|_| format!("{number} is too large"))
    }
}

/// A whole number that may be below zero.
pub(super) fn signed<N: TryFrom<i64>>(text: &str) -> Result<N, String> {
    let number: i64 = text.trim().parse().map_err(|_| "needs a whole number".to_owned())?;
    N::try_from(number).map_err(|_| format!("{number} is too large"))
}

/// Milliseconds, or with a unit: `500`, `500ms`, `30s`, `5m`, `1h`.
pub(super) fn milliseconds(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let at = text.find(|at: char| at.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit = match unit {
        "" | "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let number: Option<i64> = number.trim().parse().ok().filter(|number| *number >= 0 && unit > 0);
    let milliseconds = number.and_then(|number| number.checked_mul(unit));
    milliseconds.ok_or_else(|| "needs milliseconds, or a number with a unit: 500, 30s, 5m, 1h".to_owned())
}

/// The same as a length of time, between these.
pub(super) fn time(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let time = Duration::from_millis(milliseconds(text)?.unsigned_abs());
    if (least..=most).contains(&time) {
        return Ok(time);
    }
    let (least, most) = (least.as_millis(), most.as_millis());
    Err(format!("needs from {least} to {most} milliseconds"))
}

/// What is longer is a slip.
pub(super) const A_DAY: Duration = Duration::from_secs(86_400);

pub(super) fn show_time(time: Duration) -> String {
    time.as_millis().to_string()
}

/// `always`, `periodic` or `never`.
pub(super) fn durability(text: &str) -> Result<Durability, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "always" => Ok(Durability::Always),
        "periodic" => Ok(Durability::Periodic),
        "never" => Ok(Durability::Never),
        _ => Err("needs always, periodic or never".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_units_and_are_shown_as_they_are_read() {
        for (text, expected) in [("64 mb", 64 << 20), ("1GB", 1 << 30), ("1000", 1000), ("3k", 3 << 10)] {
            assert_eq!(size(text), Ok(expected));
            assert_eq!(size(&show_size(expected as u64)), Ok(expected));
        }
        for (text, expected) in
            [("500", Ok(500)), ("30s", Ok(30_000)), ("5 m", Ok(300_000)), ("1h", Ok(3_600_000)), ("0", Ok(0))]
        {
            assert_eq!(milliseconds(text), expected);
        }
        for wrong in ["", "-1", "1d", "s", "1.5s", "9223372036854775807h"] {
            assert!(milliseconds(wrong).is_err(), "{wrong}");
        }
        assert_eq!(truth(" TRUE "), Ok(true));
        assert!(truth("yes").is_err());
        assert!(whole::<u32>("0", 1).is_err() && whole::<u8>("256", 0).is_err());
    }
}
