//! What kind of value a setting takes: for whoever writes it down or tells of it. Setting it is what counts; a test compares the two.

use super::read::show_size;

/// No bound but that of a number.
pub const ANY: i64 = i64::MAX;
/// A day, in milliseconds: what is longer is a slip.
pub(super) const DAY: i64 = 86_400_000;
/// How durable something is.
pub(super) const LEVELS: &[&str] = &["always", "periodic", "never"];

/// What kind of value a setting takes, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// Texts.
    List,
    /// One of these words.
    Word(&'static [&'static str]),
    /// True or false.
    Truth,
    /// A whole number.
    Whole {
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
    /// A number.
    Decimal,
    /// Bytes, also with a unit: `64 mb`.
    Size {
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
    /// Milliseconds, also with a unit: `30s`.
    Time {
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
}

impl Kind {
    /// What it is counted in, or what it is.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::List => "list of texts",
            Self::Word(_) => "word",
            Self::Truth => "true or false",
            Self::Whole { .. } | Self::Decimal => "number",
            Self::Size { .. } => "bytes, or with kb, mb, gb",
            Self::Time { .. } => "milliseconds, or with ms, s, m, h",
        }
    }

    /// Which values it takes, in words; empty where any of its kind will do.
    pub fn range(self) -> String {
        let between = |least: String, most: Option<String>| match most {
            Some(most) => format!("{least} to {most}"),
            None => format!("{least} at least"),
        };
        let below = |most: i64| (most != ANY).then_some(most);
        match self {
            Self::Text | Self::List | Self::Truth | Self::Decimal => String::new(),
            Self::Word(words) => words.join(", "),
            Self::Whole { least, most } => {
                between(least.to_string(), below(most).map(|most| most.to_string()))
            }
            Self::Size { least, most } => {
                let shown = |size: i64| show_size(size.unsigned_abs());
                between(shown(least), below(most).map(shown))
            }
            Self::Time { least, most } => between(show_span(least), below(most).map(show_span)),
        }
    }
}

/// Milliseconds for people: in the largest unit of which they are a whole number.
fn show_span(time: i64) -> String {
    match time {
        0 => "0".to_owned(),
        time if time % 3_600_000 == 0 => format!("{}h", time / 3_600_000),
        time if time % 1000 == 0 => format!("{}s", time / 1000),
        time => format!("{time}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_told_in_words() {
        assert_eq!(Kind::Time { least: 100, most: DAY }.range(), "100ms to 24h");
        assert_eq!(Kind::Size { least: 64 << 10, most: 1 << 30 }.range(), "64kb to 1gb");
        assert_eq!(Kind::Whole { least: 1, most: ANY }.range(), "1 at least");
        assert_eq!(Kind::Word(LEVELS).range(), "always, periodic, never");
    }
}
