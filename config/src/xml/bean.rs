//! What a bean says, without it being made.

use std::collections::BTreeMap;

use super::document::Element;
use super::reader::{INSTANCE, Reader, XML, shown, tag};
use crate::remark::Severity::{Refused, Warning};
use crate::report::Place;

/// Spring's short way to write a property: `p:NAME="…"`.
const SHORT: &str = "http://www.springframework.org/schema/p";
/// The same of what a constructor is given: `c:NAME="…"`.
const SHORT_ARGUMENT: &str = "http://www.springframework.org/schema/c";

const ARGUMENT: &str =
    "what a constructor is given is not read: write it as a property, <property name=\"…\" value=\"…\"/>";

/// A bean's properties as they stand there: their names, their texts where they have plain ones, and their places.
pub(crate) fn texts<'a>(bean: Element<'a>) -> impl Iterator<Item = (&'a str, Option<String>, Place)> {
    let long = bean.children().filter(|child| child.name() == "property").filter_map(|property| {
        let inner = || property.children().find(|child| child.name() == "value").map(|value| value.text());
        let text = property.attribute("value").map(str::to_owned).or_else(inner);
        Some((property.attribute("name")?, text, property.place()))
    });
    let short = bean.foreign_attributes().filter(|(space, ..)| *space == SHORT);
    long.chain(short.map(|(_, name, text, place)| match name.strip_suffix("-ref") {
        Some(name) => (name, None, place),
        None => (name, Some(text.to_owned()), place),
    }))
}

/// What a bean's properties say, with their placeholders replaced. Whatever else could say something of it is told of.
pub(crate) fn properties<'a>(reader: &mut Reader<'a>, bean: Element<'a>) -> BTreeMap<String, String> {
    beside_properties(reader, bean);
    let mut found = BTreeMap::new();
    for (name, text, place) in texts(bean) {
        let what = format!("property {} of <bean>", shown(name));
        let Some(text) = text else {
            reader.say(place, what, Warning, "it has no plain value, and is not read");
            continue;
        };
        if let Some(text) = reader.resolve(&place, &what, &text) {
            found.insert(name.to_owned(), text);
        }
    }
    found
}

/// Without what is said there the bean would be another one: no password, or no TLS.
fn beside_properties<'a>(reader: &mut Reader<'a>, bean: Element<'a>) {
    for (name, _, place) in bean.attributes().filter(|(name, ..)| *name == "parent") {
        let advice = "what a bean has from another is not read: write the other's properties here";
        reader.say(place, format!("{name} of <bean>"), Refused, advice);
    }
    for (space, name, _, place) in bean.foreign_attributes() {
        let (severity, advice) = match space {
            SHORT | INSTANCE | XML => continue,
            SHORT_ARGUMENT => (Refused, ARGUMENT),
            _ => (Warning, "it is none of Spring's attributes, and is not read"),
        };
        reader.say(place, format!("{} of <bean>", shown(name)), severity, advice);
    }
    for child in bean.children() {
        match child.name() {
            "property" if child.attribute("name").is_some() => {}
            "property" => {
                reader.say_of(child, Refused, "it needs a name: <property name=\"…\" value=\"…\"/>")
            }
            "description" | "meta" => {}
            "constructor-arg" => reader.say_of(child, Refused, ARGUMENT),
            name => reader.say(
                child.place(),
                format!("{} in <bean>", tag(name)),
                Warning,
                "it is no property, and is not read",
            ),
        }
    }
}
