//! `multicast:`: brokers that are found. What begins with `discovered.` is an option of the address of each of them.

use kahawai_broker::bridge::Remote;
use kahawai_broker::bridge::finding::{Finding, ReadAddress};

use super::address;
use super::text::{options, split_query, with_options};
use crate::multicast_uri;

/// What begins with this is for each that is found.
const EACH: &str = "discovered.";

/// Reads one.
pub(super) fn read(text: &str) -> Result<Finding, String> {
    let (group, query) = split_query(text);
    let (each, others): (Vec<_>, Vec<_>) = options(query).partition(|(name, _)| name.starts_with(EACH));
    let others: Vec<String> = others.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let multicast = multicast_uri::read(&with_options(group.to_owned(), &others))?;
    let own = |(name, value): (&str, &str)| (name[EACH.len()..].to_owned(), value.to_owned());
    let discovered: Vec<(String, String)> = each.into_iter().map(own).collect();
    // Whether there are such options is known before anybody is found.
    told("tcp://found:1", &discovered)?;
    Ok(Finding { multicast, discovered, address: ReadAddress(told) })
}

/// An address that somebody told.
fn told(text: &str, discovered: &[(String, String)]) -> Result<Remote, String> {
    let more: Vec<(&str, &str)> = discovered.iter().map(|(name, value)| (&**name, &**value)).collect();
    address::read(text, &more)
}

/// The text that [`read`] makes the same of.
pub(super) fn show(finding: &Finding) -> String {
    let text = multicast_uri::show(&finding.multicast);
    let each: Vec<String> =
        finding.discovered.iter().map(|(name, value)| format!("{EACH}{name}={value}")).collect();
    match (each.is_empty(), text.contains('?')) {
        (true, _) => text,
        (false, true) => format!("{text}&{}", each.join("&")),
        (false, false) => with_options(text, &each),
    }
}
