//! Setting a store aside on a server: what is renamed, and to what.
//!
//! A store that is found to be no copy of its master's is kept, under other names in the same database, for whoever wants to look at it; an empty
//! one takes its place. The lock row stays where it is: its epoch goes on counting.

/// The tables of a store, in the order in which they are renamed. That of the version goes first: tables without it are what a
/// renaming has left that was broken off, as that table is the first to be made, too.
pub(crate) const TABLES: [&str; 9] = [
    "schema",
    "store",
    "destinations",
    "subscriptions",
    "messages",
    "bodies",
    "acknowledged",
    "prepared",
    "entries",
];

const BETWEEN: &str = "_set_aside_";

/// What a table is called that was set aside, behind the prefix.
pub(crate) fn name(table: &str, number: u64) -> String {
    format!("{table}{BETWEEN}{number}")
}

/// What a store is called that was set aside, for people.
pub(crate) fn told(prefix: &str, number: u64) -> String {
    format!("the tables {prefix}*{BETWEEN}{number}")
}

/// What something was that was set aside (a table, or what belongs to one), behind the prefix, and under which number.
pub(crate) fn parse<'a>(name: &'a str, prefix: &str) -> Option<(&'a str, u64)> {
    let (what, number) = name.strip_prefix(prefix)?.split_once(BETWEEN)?;
    Some((what, number.parse().ok()?))
}

/// The first number under which nothing is aside.
pub(crate) fn first_free(taken: &[(&str, u64)]) -> u64 {
    let is_free = |number: &u64| taken.iter().all(|(_, other)| other != number);
    (1..u64::MAX).find(is_free).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables_are_understood() {
        assert_eq!(parse(&format!("mq_{}", name("store", 12)), "mq_"), Some(("store", 12)));
        for other in ["mq_store", "store_set_aside_1", "mq_store_set_aside_", "mq_store_set_aside_x", "mq_"] {
            assert_eq!(parse(other, "mq_"), None, "{other}");
        }
    }

    #[test]
    fn gaps_are_used_first() {
        assert_eq!(first_free(&[]), 1);
        assert_eq!(first_free(&[("store", 1), ("schema", 3)]), 2);
    }
}
