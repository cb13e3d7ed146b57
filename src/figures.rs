//! Figures as people read them.

/// A whole number with its thousands set apart.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs().round());
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value <= -0.5 {
        out.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun, which takes an s for more than one.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count as f64), if count == 1 { "" } else { "s" })
}

/// A number of a size unknown: three figures or more.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => grouped(value),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A time in microseconds, in the unit that fits.
pub(crate) fn microseconds(value: f64) -> String {
    match value {
        small if small < 1_000.0 => format!("{small:.0} µs"),
        middle if middle < 1_000_000.0 => format!("{} ms", number(middle / 1e3)),
        large => format!("{} s", number(large / 1e6)),
    }
}

/// Bytes, in the unit that fits.
pub(crate) fn bytes(value: f64) -> String {
    match value {
        small if small < 1024.0 => format!("{small:.0} B"),
        kilo if kilo < 1024.0 * 1024.0 => format!("{} KiB", number(kilo / 1024.0)),
        mega if mega < 1024.0 * 1024.0 * 1024.0 => format!("{} MiB", number(mega / 1024.0 / 1024.0)),
        large => format!("{} GiB", number(large / 1024.0 / 1024.0 / 1024.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(grouped(0.0), "0");
        assert_eq!(grouped(999.6), "1,000");
        assert_eq!(grouped(1_234_567.0), "1,234,567");
        assert_eq!(grouped(-1_234.0), "-1,234");
        assert_eq!(counted(0, "message"), "0 messages");
        assert_eq!(counted(1, "message"), "1 message");
        assert_eq!(counted(2000, "message"), "2,000 messages");
        assert_eq!(number(1.234), "1.23");
        assert_eq!(number(45.67), "45.7");
        assert_eq!(microseconds(12.3), "12 µs");
        assert_eq!(microseconds(1_234.0), "1.23 ms");
        assert_eq!(microseconds(61_000_000.0), "61.0 s");
        assert_eq!(bytes(1536.0), "1.50 KiB");
    }
}
