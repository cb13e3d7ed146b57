//! Destinations that are there from the start on: their names, as a file or the environment writes them.

use kahawai_broker::core::address::{Address, AddressKind};
use kahawai_broker::core::limits::Limits;

/// What stands between several of them. A name that has it would be a composite, which is refused.
pub(crate) const BETWEEN: char = ',';

/// Reads one: `queue://NAME` or `topic://NAME`.
///
/// # Errors
/// In words; the name is in them where that is short.
pub fn read(text: &str) -> Result<Address, String> {
    let text = text.trim();
    let kinds = [AddressKind::Queue, AddressKind::Topic];
    let found = kinds.into_iter().find_map(|kind| Some((kind, text.strip_prefix(kind.prefix())?)));
    let Some((kind, name)) = found else {
        return Err(format!("{}needs queue:// or topic:// before a name", shown(text)));
    };
    named(kind, name)
}

/// One of this kind and name.
///
/// # Errors
/// The same.
pub fn named(kind: AddressKind, name: &str) -> Result<Address, String> {
    let name = name.trim();
    let address = Address::new(kind, name);
    let wrong = |what: &str| Err(format!("{}{what}", shown(name)));
    if kind.is_temporary() {
        return wrong("is temporary: its connection makes it, and nobody else can");
    }
    if name.is_empty() {
        return wrong("needs a name");
    }
    let most = Limits::default().name_bytes_max;
    if name.len() > most {
        return wrong(&format!("needs a shorter name: {most} bytes at most"));
    }
    if name.chars().any(char::is_control) {
        return wrong("needs a name without control characters");
    }
    if address.is_composite() {
        return wrong("stands for several, and only one can be made: name each by itself");
    }
    if address.is_pattern() {
        return wrong("is a pattern, and stands for no destination of its own: name each by itself");
    }
    if name.contains('?') {
        return wrong("has options (?…), which are for consumers: write the name alone");
    }
    if address.is_advisory() {
        return wrong("is the broker's own, and is there when it is needed: remove it");
    }
    Ok(address)
}

/// Reads several with commas between, each of which is kept once. None is none.
///
/// # Errors
/// The first that is wrong, in words; and where there are more than a broker has.
pub(crate) fn list(text: &str) -> Result<Vec<Address>, String> {
    let mut all = Vec::new();
    if text.trim().is_empty() {
        return Ok(all);
    }
    for one in text.split(BETWEEN) {
        add(&mut all, read(one)?)?;
    }
    once(&mut all);
    Ok(all)
}

/// Adds one to those that are there.
pub(crate) fn add(all: &mut Vec<Address>, address: Address) -> Result<(), String> {
    let most = Limits::default().destinations_max;
    if all.len() >= most {
        return Err(format!("needs fewer of them: {most} at most"));
    }
    all.push(address);
    Ok(())
}

/// Keeps each once, where it was first.
pub(crate) fn once(all: &mut Vec<Address>) {
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|address| seen.insert(address.clone()));
}

/// As [`list`] reads them.
pub(crate) fn show(all: &[Address]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A name as it may stand before what is wrong with it.
fn shown(name: &str) -> String {
    const MOST: usize = 80;
    match name {
        "" => String::new(),
        name if name.len() > MOST || name.chars().any(char::is_control) => String::new(),
        name => format!("'{name}' "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_they_are_shown() {
        let all = [Address::queue("A"), Address::topic("B C"), Address::queue("B C"), Address::queue("a*b")];
        assert_eq!(list(" queue://A,topic:// B C , queue://B C,queue://A, queue://a*b"), Ok(all.to_vec()));
        assert_eq!(list(&show(&all)), Ok(all.to_vec()));
        assert_eq!((list(" "), show(&[])), (Ok(vec![]), String::new()));
    }

    #[test]
    fn what_is_no_single_destination_is_refused_by_its_name() {
        for (text, expected) in [
            ("A", "'A' needs queue://"),
            ("", "needs queue://"),
            ("temp-queue://A", "'temp-queue://A' needs queue://"),
            ("queue://", "needs a name"),
            ("queue://A.>", "'A.>' is a pattern"),
            ("topic://*.A", "'*.A' is a pattern"),
            ("queue://A,queue://B", "'A,queue://B' stands for several"),
            ("queue://A?consumer.exclusive=true", "'A?consumer.exclusive=true' has options"),
            ("topic://ActiveMQ.Advisory.Queue", "'ActiveMQ.Advisory.Queue' is the broker's own"),
            ("queue://A\nB", "needs a name without control"),
        ] {
            let problem = read(text).expect_err(text);
            assert!(problem.starts_with(expected), "{text}: {problem}");
        }
        let long = read(&format!("queue://{}", "a".repeat(4097))).expect_err("too long");
        assert!(long.starts_with("needs a shorter name: 4096"), "{long}");
        assert!(read(&format!("queue://{}", "a".repeat(4096))).is_ok());
        assert!(named(AddressKind::TemporaryQueue, "A").is_err());
        let many = vec!["queue://A"; 100_001].join(",");
        assert_eq!(list(&many).expect_err("too many"), "needs fewer of them: 100000 at most");
    }
}
