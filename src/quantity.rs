//! Quantities on the command line: sizes with a suffix, lengths of time in seconds.

use std::time::Duration;

pub(crate) use kahawai_config::value::bytes;

/// Seconds, or with a suffix: `10`, `0.5`, `250ms`, `10s`, `5m`, `1h`.
///
/// # Errors
/// In words, where it is none, or beyond a year.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    const MOST: f64 = 366.0 * 24.0 * 3600.0;
    let text = text.trim();
    let at = text.find(|at: char| at.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => f64::NAN,
    };
    let seconds = number.trim().parse::<f64>().unwrap_or(f64::NAN) * unit;
    if (0.0..=MOST).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("needs a length of time: 10, 0.5, 250ms, 10s, 5m, 1h".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_suffixes() {
        assert_eq!(bytes("512"), Ok(512));
        assert_eq!(bytes("1kb"), Ok(1024));
        assert_eq!(bytes("2 M"), Ok(2 << 20));
        for wrong in ["", "kb", "-1", "1.5kb", "99999999999gb"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_have_suffixes() {
        assert_eq!(time("10"), Ok(Duration::from_secs(10)));
        assert_eq!(time("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(time("5m"), Ok(Duration::from_secs(300)));
        for wrong in ["", "s", "-1", "1d", "nan", "inf", "1e300"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
