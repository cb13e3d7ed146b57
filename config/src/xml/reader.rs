//! What is known while a file is read, and what is written down of it.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Element;
use crate::placeholder::Definitions;
use crate::remark::Severity;
use crate::report::{Finding, Place, Report};

/// ActiveMQ's namespace.
pub(crate) const CORE: &str = "http://activemq.apache.org/schema/core";
/// That of ActiveMQ 4 and 5.0.
const CORE_OLD: &str = "http://activemq.org/config/1.0";
/// Spring's.
pub(crate) const BEANS: &str = "http://www.springframework.org/schema/beans";
pub(super) const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
pub(super) const XML: &str = "http://www.w3.org/XML/1998/namespace";

impl Element<'_> {
    /// Whether it is ActiveMQ's.
    pub(crate) fn is_core(self) -> bool {
        matches!(self.namespace(), CORE | CORE_OLD)
    }

    /// Whether it is Spring's.
    pub(crate) fn is_beans(self) -> bool {
        self.namespace() == BEANS
    }
}

/// Reads, and writes down.
pub(crate) struct Reader<'a> {
    pub(crate) report: Report,
    pub(crate) definitions: &'a Definitions,
    /// The outermost elements of all files, the main one first.
    pub(crate) roots: &'a [Element<'a>],
    /// What may be left out though that opens a door, and whether it was there.
    without: BTreeMap<&'a str, bool>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        definitions: &'a Definitions,
        roots: &'a [Element<'a>],
        without: &'a BTreeSet<String>,
    ) -> Self {
        let without = without.iter().map(|name| (name.as_str(), false)).collect();
        Self { report: Report::default(), definitions, roots, without }
    }

    /// What was to be left out and is in no file.
    pub(crate) fn not_there(&self) -> impl Iterator<Item = &'a str> {
        self.without.iter().filter(|(_, there)| !**there).map(|(name, _)| *name)
    }

    /// Writes a finding down.
    pub(crate) fn say(&mut self, place: Place, what: String, severity: Severity, advice: impl Into<String>) {
        self.report.add(Finding { place, severity, what, advice: advice.into() });
    }

    /// The same of an element.
    pub(crate) fn say_of(&mut self, element: Element<'a>, severity: Severity, advice: impl Into<String>) {
        self.say(element.place(), tag(element.name()), severity, advice);
    }

    /// Something that opens a door where it is left out.
    pub(crate) fn door(&mut self, place: Place, name: &str, what: String, why: &str) {
        if let Some(there) = self.without.get_mut(name) {
            *there = true;
            self.say(
                place,
                what,
                Severity::Warning,
                format!("left out, as you said (--without {name}): {why}"),
            );
        } else {
            self.say(place, what, Severity::Refused, format!("{why}; --without {name} goes on without it"));
        }
    }

    /// A text with its placeholders replaced; nothing, and a finding, where that cannot be.
    pub(crate) fn resolve(&mut self, place: &Place, what: &str, text: &str) -> Option<String> {
        match self.definitions.resolve(text) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(problem) => {
                self.say(place.clone(), what.to_owned(), Severity::Refused, problem);
                None
            }
        }
    }

    /// Text between elements has no meaning, so it is a slip.
    pub(crate) fn no_text(&mut self, element: Element<'a>) {
        if !element.text().is_empty() {
            self.say_of(
                element,
                Severity::Refused,
                "there is text between the elements in it, which means nothing: remove it",
            );
        }
    }
}

/// An element as a report names it.
pub(super) fn tag(name: &str) -> String {
    format!("<{}>", shown(name))
}

/// A name as a report may show it: short.
pub(super) fn shown(name: &str) -> String {
    const MOST: usize = 80;
    if name.chars().nth(MOST).is_none() {
        return name.to_owned();
    }
    name.chars().take(MOST).chain(['…']).collect()
}
