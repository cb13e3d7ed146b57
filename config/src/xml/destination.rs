//! A destination as an element.

use kahawai_broker::core::address::{Address, AddressKind};

use super::document::Element;
use super::reader::{Reader, tag};
use crate::remark::Severity;

/// A destination as an element: `<queue physicalName="A.>"/>`. It is the one element of a property.
pub(crate) fn destination<'a>(
    reader: &mut Reader<'a>,
    property: Element<'a>,
) -> Option<(Element<'a>, Address)> {
    let element = reader.only(property)?;
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
    Some((element, Address::new(kind, name)))
}
