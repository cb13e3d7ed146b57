//! What a rule is.

use crate::model::Configuration;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// What it is called.
    pub name: &'static str,
    /// What it finds.
    pub find: fn(&Configuration) -> Vec<Danger>,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Danger {
    /// The key of the setting that it is about, or what such keys begin with.
    pub key: String,
    /// What it is about, as a person names it. No secret is in it.
    pub what: String,
    /// What may happen, and what to write instead. One line.
    pub advice: String,
}

impl Danger {
    pub(super) fn new(key: impl Into<String>, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { key: key.into(), what: what.into(), advice: advice.into() }
    }
}

/// What a rule finds in the default configuration with this TOML said.
#[cfg(test)]
pub(super) fn found(rule: fn(&Configuration) -> Vec<Danger>, text: &str) -> Vec<String> {
    let none = |_: &crate::secret::Reference| Err("there is none".to_owned());
    let read = crate::toml_file::read(text, &none).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    rule(&read.configuration).into_iter().map(|found| format!("{}: {}", found.what, found.advice)).collect()
}

/// The rule finds one thing with these words in the first text, and nothing in the others.
#[cfg(test)]
pub(super) fn finds(rule: fn(&Configuration) -> Vec<Danger>, text: &str, words: &[&str], fine: &[&str]) {
    let found_there = found(rule, text);
    let [one] = found_there.as_slice() else { panic!("{text}: {found_there:?}") };
    assert!(words.iter().all(|word| one.contains(word)) && !one.contains('\n'), "{one}");
    for text in fine.iter().chain(&[""]) {
        assert_eq!(found(rule, text), [""; 0], "{text}");
    }
}
