//! How a pair is called at a witness.

use std::fmt;

/// No name is longer, in bytes.
const BYTES_MAX: usize = 64;

/// A pair's name: letters, digits, `.`, `_` and `-` of ASCII, the first of them a letter or a digit. It is safe as a file's name, and is never a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairName(String);

impl PairName {
    /// Reads one.
    ///
    /// # Errors
    /// In words, where it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !begins || text.len() > BYTES_MAX || !text.bytes().all(is_safe) {
            return Err(format!(
                "a pair's name needs 1 to {BYTES_MAX} of A-Z, a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for PairName {
    /// That of a pair whose witness has no other.
    fn default() -> Self {
        Self("pair".to_owned())
    }
}

impl fmt::Display for PairName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_path() {
        for right in ["pair", "orders-a.b_C", "7", &"x".repeat(64), PairName::default().as_str()] {
            assert_eq!(PairName::parse(right).map(|name| name.to_string()), Ok(right.to_owned()));
        }
        for wrong in ["", ".", "..", ".a", "-a", "a/b", "a\\b", "a b", "ä", "a\0", "a\n", &"x".repeat(65)] {
            assert!(PairName::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
