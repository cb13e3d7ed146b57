//! Destination names: kinds, composites, wildcards.

use std::fmt;

use bytestring::ByteString;
use kahawai_store::batch::DestinationKind;

/// What kind of destination a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressKind {
    /// A queue.
    Queue,
    /// A topic.
    Topic,
    /// A queue that lives as long as the connection that made it.
    TemporaryQueue,
    /// A topic that lives as long as the connection that made it.
    TemporaryTopic,
}

impl AddressKind {
    /// Whether each message goes to one consumer.
    pub fn is_queue(self) -> bool {
        matches!(self, Self::Queue | Self::TemporaryQueue)
    }

    /// Whether it belongs to a connection.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::TemporaryQueue | Self::TemporaryTopic)
    }

    /// The prefix of a qualified name.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Queue => "queue://",
            Self::Topic => "topic://",
            Self::TemporaryQueue => "temp-queue://",
            Self::TemporaryTopic => "temp-topic://",
        }
    }

    /// The store's word for it.
    pub fn stored(self) -> DestinationKind {
        if self.is_queue() { DestinationKind::Queue } else { DestinationKind::Topic }
    }
}

/// A destination's kind and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Its kind.
    pub kind: AddressKind,
    /// Its physical name, without a prefix or options.
    pub name: ByteString,
}

/// What separates the parts of a composite name.
const COMPOSITE: char = ',';
/// What separates the elements of a name.
const SEPARATOR: char = '.';
/// Matches one element.
const ANY_CHILD: &str = "*";
/// Matches any number of elements at the end, also none.
const ANY_DESCENDENT: &str = ">";
/// What the broker's own announcements are sent under.
pub const ADVISORY_PREFIX: &str = "ActiveMQ.Advisory.";

impl Address {
    /// An address.
    pub fn new(kind: AddressKind, name: impl Into<ByteString>) -> Self {
        Self { kind, name: name.into() }
    }

    /// A queue.
    pub fn queue(name: impl Into<ByteString>) -> Self {
        Self::new(AddressKind::Queue, name)
    }

    /// A topic.
    pub fn topic(name: impl Into<ByteString>) -> Self {
        Self::new(AddressKind::Topic, name)
    }

    /// Reads a qualified name; one without a prefix is of the kind given.
    pub fn parse(text: &str, default: AddressKind) -> Self {
        use AddressKind::{Queue, TemporaryQueue, TemporaryTopic, Topic};
        for kind in [Queue, Topic, TemporaryQueue, TemporaryTopic] {
            if let Some(name) = text.strip_prefix(kind.prefix()) {
                return Self::new(kind, name);
            }
        }
        Self::new(default, text)
    }

    /// Whether the name stands for several, separated by commas.
    pub fn is_composite(&self) -> bool {
        self.name.contains(COMPOSITE)
    }

    /// Whether the name is a pattern.
    pub fn is_pattern(&self) -> bool {
        // Nearly no name holds these bytes, so look for them before taking the name apart.
        self.name.bytes().any(|byte| byte == b'*' || byte == b'>')
            && self.name.split(SEPARATOR).any(|element| element == ANY_CHILD || element == ANY_DESCENDENT)
    }

    /// Whether the broker announces things here.
    pub fn is_advisory(&self) -> bool {
        self.kind == AddressKind::Topic && self.name.starts_with(ADVISORY_PREFIX)
    }

    /// The parts of a composite, each once, in order; a plain name is its own only part. A part without a prefix has the
    /// kind of the whole.
    pub fn parts(&self) -> Vec<Self> {
        if !self.is_composite() {
            return vec![self.clone()];
        }
        let mut parts = Vec::new();
        for text in self.name.split(COMPOSITE) {
            let text = text.trim();
            let part = Self::parse(text, self.kind);
            if !part.name.is_empty() && !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts
    }

    /// Whether this pattern stands for that name. Kinds must be the same.
    pub fn matches(&self, other: &Self) -> bool {
        self.kind == other.kind && name_matches(&self.name, &other.name)
    }
}

/// Whether a pattern stands for a name: `*` for one element, `>` for all that follow, also none.
pub fn name_matches(pattern: &str, name: &str) -> bool {
    let mut elements = name.split(SEPARATOR);
    for wanted in pattern.split(SEPARATOR) {
        if wanted == ANY_DESCENDENT {
            return true;
        }
        match elements.next() {
            Some(element) if wanted == ANY_CHILD || wanted == element => {}
            _ => return false,
        }
    }
    elements.next().is_none()
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.kind.prefix(), self.name)
    }
}

pub(crate) fn destination_topic(address: &Address) -> &'static str {
    use self::AddressKind::{Queue, TemporaryQueue, TemporaryTopic, Topic};
    match address.kind {
        Queue => "ActiveMQ.Advisory.Queue",
        Topic => "ActiveMQ.Advisory.Topic",
        TemporaryQueue => "ActiveMQ.Advisory.TempQueue",
        TemporaryTopic => "ActiveMQ.Advisory.TempTopic",
    }
}

/// The shared dead-letter queue (`sharedDeadLetterStrategy`).
pub const DEAD_LETTER_QUEUE: &str = "ActiveMQ.DLQ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_elements() {
        for (pattern, name, expected) in [
            ("a.*.c", "a.b.c", true),
            ("a.*.c", "a.b.d", false),
            ("a.*", "a.b.c", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", true),
            ("a.>", "ab", false),
            (">", "a.b", true),
            ("a*", "ab", false),
            ("*.b", "a.b", true),
            ("a.b", "a.b", true),
        ] {
            assert_eq!(name_matches(pattern, name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn composites_split_and_keep_their_kinds() {
        let parts = Address::queue("a, b,topic://c,a,").parts();
        assert_eq!(parts, vec![Address::queue("a"), Address::queue("b"), Address::topic("c")]);
        assert!(Address::queue("a.*.b").is_pattern());
        assert!(!Address::queue("a*b>c").is_pattern());
    }
}
