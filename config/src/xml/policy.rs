//! `<destinationPolicy>`: which policy is whose.

use std::collections::{BTreeMap, HashSet};

use kahawai_broker::core::address::Address;
use kahawai_broker::core::policy::Policies;

use super::document::Element;
use super::draft::Draft;
use super::entry::POLICY_ENTRY;
use super::policy_draft::Entry;
use super::reader::{Reader, tag};
use super::table::{Table, Target, id, read, refused};
use crate::origin::of_policy;
use crate::remark::Severity;
use crate::report::Place;

/// `<policyMap>` as far as it has been read.
#[derive(Default)]
pub(crate) struct Map {
    default: Option<Entry>,
    entries: Vec<(Address, Entry)>,
    /// Each part of them.
    there: HashSet<Address>,
}

/// Each entry notes it for itself.
impl Target for Map {
    fn at(&mut self, _: &Place) {}
}

pub(crate) static POLICY_MAP: Table<Map> = Table {
    element: "policyMap",
    attributes: &[&[id(), refused("defaultEntry", "write it as an element: <defaultEntry><policyEntry …/>")]],
    children: &[&[
        read("defaultEntry", |reader, element, map| {
            if let Some(entry) = reader.only(element) {
                map.default = self::entry(reader, entry);
            }
        }),
        read("policyEntries", entries),
        read("entries", entries),
    ]],
};

/// `<destinationPolicy>`.
pub(crate) fn destination_policy<'a>(reader: &mut Reader<'a>, element: Element<'a>, draft: &mut Draft) {
    let Some(found) = reader.only(element) else { return };
    if found.name() != POLICY_MAP.element {
        return reader.say_of(found, Severity::Refused, "only a <policyMap> can stand here");
    }
    let mut map = Map::default();
    reader.apply(&POLICY_MAP, found, &mut map);
    let default = map.default.unwrap_or_default();
    let mut policies = Policies::new(default.policy);
    let said = &mut draft.said;
    let mut note = |part: Option<&Address>, places: &BTreeMap<&'static str, Place>| {
        said.extend(places.iter().map(|(name, place)| (of_policy(part, name), place.clone())));
    };
    note(None, &default.said);
    let mut seen = HashSet::new();
    for (address, entry) in map.entries {
        for part in address.parts().into_iter().filter(|part| seen.insert(part.clone())) {
            note(Some(&part), &entry.said);
        }
        // What is there twice was told where it stands.
        let _ = policies.add(&address, entry.policy);
    }
    draft.configuration.broker.policies = policies;
}

fn entries<'a>(reader: &mut Reader<'a>, element: Element<'a>, map: &mut Map) {
    reader.no_text(element);
    for child in element.children() {
        let Some(made) = entry(reader, child) else { continue };
        let Some(address) = made.address.clone() else {
            let advice = "it must say for which destinations: write queue=\"…\" or topic=\"…\", which may be a pattern";
            reader.say_of(child, Severity::Refused, advice);
            continue;
        };
        let mut twice = false;
        for part in address.parts() {
            twice |= !map.there.insert(part);
        }
        if twice {
            let advice = "there is an entry for the same destinations before it, which is the one that counts: remove one of them";
            reader.say_of(child, Severity::Warning, advice);
        }
        map.entries.push((address, made));
    }
}

fn entry<'a>(reader: &mut Reader<'a>, element: Element<'a>) -> Option<Entry> {
    if !element.is_core() || element.name() != POLICY_ENTRY.element {
        reader.say_of(
            element,
            Severity::Refused,
            format!("only {} can stand here", tag(POLICY_ENTRY.element)),
        );
        return None;
    }
    let mut entry = Entry::default();
    // One that sets nothing stands somewhere too.
    entry.said.insert("", element.place());
    reader.apply(&POLICY_ENTRY, element, &mut entry);
    Some(entry)
}
