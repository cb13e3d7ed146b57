//! What stands around a broker: Spring's `<beans>`.

use super::broker;
use super::document::Element;
use super::reader::Reader;
use crate::model::Configuration;
use crate::remark::Severity;

/// The file's outermost element: `<beans>` with a broker in it, or a `<broker>` itself.
pub(crate) fn context<'a>(reader: &mut Reader<'a>, root: Element<'a>) -> Option<Configuration> {
    let mut made = None;
    if root.is_beans() && root.name() == "beans" {
        reader.no_text(root);
        for child in root.children() {
            one(reader, child, &mut made);
        }
    } else {
        one(reader, root, &mut made);
    }
    if made.is_none() {
        let advice =
            "there is no broker in it: write <broker xmlns=\"http://activemq.apache.org/schema/core\">";
        reader.say_of(root, Severity::Refused, advice);
    }
    made
}

fn one<'a>(reader: &mut Reader<'a>, element: Element<'a>, made: &mut Option<Configuration>) {
    match (element.is_core(), element.name()) {
        (true, "broker") if made.is_some() => {
            reader.say_of(element, Severity::Refused, "there is a broker already: one process runs one");
        }
        (true, "broker") => *made = Some(broker::broker(reader, element)),
        (false, "broker") if element.namespace().is_empty() => {
            let advice = "it needs xmlns=\"http://activemq.apache.org/schema/core\", as ActiveMQ does";
            reader.say_of(element, Severity::Refused, advice);
        }
        _ => reader.say_of(element, Severity::Warning, "it is not read: nothing but the broker runs"),
    }
}
