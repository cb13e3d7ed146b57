//! A destination as an element, and those that are there from the start on.

use kahawai_broker::core::address::{Address, AddressKind};

use super::document::Element;
use super::draft::Draft;
use super::reader::{Reader, shown, tag};
use crate::destinations;
use crate::remark::Severity;

/// A destination as an element: `<queue physicalName="A.>"/>`. It is the one element of a property.
pub(crate) fn destination<'a>(
    reader: &mut Reader<'a>,
    property: Element<'a>,
) -> Option<(Element<'a>, Address)> {
    let element = reader.only(property)?;
    let (kind, name) = named(reader, element)?;
    Some((element, Address::new(kind, name)))
}

/// What kind it is, and its name.
pub(super) fn named<'a>(reader: &mut Reader<'a>, element: Element<'a>) -> Option<(AddressKind, String)> {
    let kind = match element.name() {
        "queue" => AddressKind::Queue,
        "topic" => AddressKind::Topic,
        "tempQueue" => AddressKind::TemporaryQueue,
        "tempTopic" => AddressKind::TemporaryTopic,
        _ => {
            reader.say_of(element, Severity::Refused, "only a <queue> or <topic> can stand here");
            return None;
        }
    };
    let name = element.attribute("physicalName").or_else(|| element.attribute("name")).unwrap_or_default();
    let name = reader.resolve(&element.place(), &tag(element.name()), name)?;
    if name.is_empty() {
        reader.say_of(element, Severity::Refused, "it needs physicalName=\"…\"");
        return None;
    }
    Some((kind, name))
}

/// `<destinations>`: those that are there from the start on.
pub(crate) fn at_start<'a>(reader: &mut Reader<'a>, list: Element<'a>, draft: &mut Draft) {
    draft.note("destinations");
    reader.no_text(list);
    for element in list.children() {
        if !element.is_core() {
            let advice =
                "no bean can stand here: write <queue physicalName=\"…\"/> or <topic physicalName=\"…\"/>";
            reader.say_of(element, Severity::Refused, advice);
            continue;
        }
        let Some((kind, name)) = named(reader, element) else { continue };
        reader.no_text(element);
        for child in element.children() {
            reader.say_of(child, Severity::Refused, "nothing can stand in a destination: remove it");
        }
        for (other, _, place) in element.attributes() {
            if !matches!(other, "physicalName" | "name" | "id") {
                let what = format!("{} of {}", shown(other), tag(element.name()));
                reader.say(
                    place,
                    what,
                    Severity::Warning,
                    "of a destination at the start its name alone is read",
                );
            }
        }
        let all = &mut draft.configuration.broker.destinations;
        let added = destinations::named(kind, &name).and_then(|address| destinations::add(all, address));
        if let Err(problem) = added {
            reader.say_of(element, Severity::Refused, problem);
        }
    }
    destinations::once(&mut draft.configuration.broker.destinations);
}
