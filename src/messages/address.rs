//! Destinations on the command line.

use kahawai_client::{Destination, DestinationKind};

/// `ORDERS` and `queue://ORDERS` are a queue, `topic://PRICES` is a topic.
///
/// # Errors
/// In words, where it is neither.
pub(crate) fn destination(text: &str) -> Result<Destination, String> {
    let (kind, name) = match text.split_once("://") {
        Some(("queue", name)) => (DestinationKind::Queue, name),
        Some(("topic", name)) => (DestinationKind::Topic, name),
        Some(("temp-queue", name)) => (DestinationKind::TemporaryQueue, name),
        Some(("temp-topic", name)) => (DestinationKind::TemporaryTopic, name),
        Some((scheme, _)) => {
            return Err(format!(
                "{scheme}:// names no kind of destination: use queue://NAME or topic://NAME"
            ));
        }
        None => (DestinationKind::Queue, text),
    };
    if name.is_empty() {
        return Err("a destination needs a name: NAME, queue://NAME or topic://NAME".to_owned());
    }
    Ok(Destination::new(kind, name))
}

/// As [`destination`], for where messages are sent to: what goes to a pattern reaches the destinations that happen to match it, or none,
/// and either way nobody is told.
///
/// # Errors
/// As [`destination`], and for patterns.
pub(crate) fn target(text: &str) -> Result<Destination, String> {
    let found = destination(text)?;
    let is_pattern = |name: &str| name.split('.').any(|part| part == "*" || part == ">");
    let name_of = |part: &str| part.split_once("://").map_or(part, |(_, name)| name).trim().to_owned();
    match found.physical_name.split(',').map(name_of).find(|name| is_pattern(name)) {
        Some(pattern) => {
            Err(format!("{pattern} is a pattern, which nobody may match: name the destination to send to"))
        }
        None => Ok(found),
    }
}

/// As [`destination`], for what only queues can do.
///
/// # Errors
/// As [`destination`], and for topics.
pub(crate) fn queue(text: &str) -> Result<Destination, String> {
    let found = destination(text)?;
    if found.kind.is_queue() { Ok(found) } else { Err("needs a queue: a topic keeps no messages".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_scheme_are_queues() {
        assert_eq!(destination("ORDERS"), Ok(Destination::queue("ORDERS")));
        assert_eq!(destination("queue://A.B"), Ok(Destination::queue("A.B")));
        assert_eq!(destination("topic://PRICES"), Ok(Destination::topic("PRICES")));
        for wrong in ["", "topic://", "tcp://localhost"] {
            assert!(destination(wrong).is_err(), "{wrong}");
        }
        assert!(queue("topic://PRICES").is_err());
    }

    #[test]
    fn nothing_is_sent_to_a_pattern() {
        for right in ["A", "topic://A.B", "A,B", "A>B", "A.*B", "topic://A,queue://B"] {
            assert_eq!(target(right), destination(right), "{right}");
        }
        for wrong in ["A.>", ">", "*", "topic://A.*.B", "A,B.>", "topic://A,queue://B.*"] {
            assert!(target(wrong).expect_err(wrong).contains("is a pattern"), "{wrong}");
        }
    }
}
