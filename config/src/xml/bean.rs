//! What a bean says, without it being made.

use std::collections::BTreeMap;

use super::document::Element;
use super::reader::Reader;
use crate::remark::Severity::Warning;

/// A bean's properties as they stand there: their names, their texts where they have plain ones, and themselves.
pub(crate) fn texts<'a>(bean: Element<'a>) -> impl Iterator<Item = (&'a str, Option<String>, Element<'a>)> {
    bean.children().filter(|child| child.name() == "property").filter_map(|property| {
        let inner = || property.children().find(|child| child.name() == "value").map(|value| value.text());
        Some((
            property.attribute("name")?,
            property.attribute("value").map(str::to_owned).or_else(inner),
            property,
        ))
    })
}

/// What a bean's properties say, with their placeholders replaced.
pub(crate) fn properties<'a>(reader: &mut Reader<'a>, bean: Element<'a>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, text, property) in texts(bean) {
        let Some(text) = text else {
            let what = format!("property {name} of <bean>");
            reader.say(property.place(), what, Warning, "it has no plain value, and is not read");
            continue;
        };
        let what = format!("property {name} of <bean>");
        if let Some(text) = reader.resolve(&property.place(), &what, &text) {
            found.insert(name.to_owned(), text);
        }
    }
    found
}
