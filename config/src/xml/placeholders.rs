//! Beans that say what placeholders stand for: Spring's `PropertyPlaceholderConfigurer` and its kin.

use std::path::Path;

use super::document::{Document, Element};
use super::imports::file_of;
use super::sources::Sources;
use crate::placeholder::Definitions;
use crate::properties;
use crate::remark::Severity;
use crate::report::Finding;
use crate::value;

/// Spring's namespace for `<context:property-placeholder>`.
const CONTEXT: &str = "http://www.springframework.org/schema/context";

/// Whether an element is one of them.
pub(crate) fn is_one(element: Element<'_>) -> bool {
    if element.namespace() == CONTEXT {
        return element.name() == "property-placeholder";
    }
    let class = element.attribute("class").unwrap_or_default();
    let class = class.rsplit('.').next().unwrap_or(class);
    let known = ["PropertyPlaceholderConfigurer", "PropertySourcesPlaceholderConfigurer", ENCRYPTED];
    element.is_beans() && element.name() == "bean" && known.contains(&class)
}

const ENCRYPTED: &str = "EncryptablePropertyPlaceholderConfigurer";

/// Adds what the files say that they name. A later file goes before an earlier one.
pub(crate) fn extend(
    definitions: &mut Definitions,
    documents: &[Document<'_>],
    sources: &Sources<'_>,
    findings: &mut Vec<Finding>,
) {
    for document in documents {
        let root = document.root();
        for element in root.children().filter(|child| is_one(*child)) {
            let one = One::of(element, findings);
            for (place, name) in &one.locations {
                if let Err(advice) =
                    one.read(name, Path::new(place.file()), definitions, sources, *place, findings)
                {
                    findings.push(finding(*place, Severity::Refused, &advice));
                }
            }
        }
    }
}

fn finding(element: Element<'_>, severity: Severity, advice: &str) -> Finding {
    let what = format!("<{}>", element.name());
    Finding { place: element.place(), severity, what, advice: advice.to_owned() }
}

/// What one says.
struct One<'a> {
    locations: Vec<(Element<'a>, String)>,
    may_be_missing: bool,
    is_encrypted: bool,
}

impl<'a> One<'a> {
    fn of(element: Element<'a>, findings: &mut Vec<Finding>) -> Self {
        let class = element.attribute("class").unwrap_or_default();
        let mut made =
            Self { locations: Vec::new(), may_be_missing: false, is_encrypted: class.ends_with(ENCRYPTED) };
        if element.namespace() == CONTEXT {
            let locations = element.attribute("location").unwrap_or_default().split(',');
            made.locations = locations
                .filter(|name| !name.trim().is_empty())
                .map(|name| (element, name.trim().to_owned()))
                .collect();
            made.may_be_missing = element
                .attribute("ignore-resource-not-found")
                .is_some_and(|text| value::boolean(text) == Ok(true));
            return made;
        }
        for property in element.children().filter(|child| child.is_beans()) {
            match property.attribute("name").unwrap_or_default() {
                "location" | "locations" => made.locations(property),
                "ignoreResourceNotFound" => {
                    let text = property.attribute("value").unwrap_or_default();
                    made.may_be_missing = value::boolean(text) == Ok(true);
                }
                "order" | "ignoreUnresolvablePlaceholders" | "searchSystemEnvironment" | "fileEncoding" => {
                    let advice = "placeholders are resolved by files, -D and the environment, in this order; one that stands for nothing is refused";
                    findings.push(finding(property, Severity::Harmless, advice));
                }
                // The key of what is encrypted.
                _ if property.name() == "constructor-arg" && made.is_encrypted => {}
                _ => {
                    let advice = "this is not done: placeholders are resolved by files, -D and the environment, in this order";
                    findings.push(finding(property, Severity::Warning, advice));
                }
            }
        }
        made
    }

    /// In an attribute, or each in a `<value>`, also in a `<list>`.
    fn locations(&mut self, property: Element<'a>) {
        let text = property.attribute("value").map_or_else(|| property.text(), str::to_owned);
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        self.locations.extend(names.map(|name| (property, name.to_owned())));
        for inner in property.children().filter(|inner| inner.is_beans()) {
            self.locations(inner);
        }
    }

    fn read(
        &self,
        name: &str,
        from: &Path,
        definitions: &mut Definitions,
        sources: &Sources<'_>,
        element: Element<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), String> {
        let path = file_of(&definitions.resolve(name)?, from, definitions)?;
        let bytes = match sources.files.read(&path) {
            Ok(bytes) if bytes.len() > super::document::LENGTH_MAX => {
                return Err(format!("{}: the file is too long", path.display()));
            }
            Ok(bytes) => bytes,
            Err(_) if self.may_be_missing => return Ok(()),
            Err(problem) => return Err(format!("{}: {problem}", path.display())),
        };
        let mut read = properties::parse(&bytes);
        let before = read.len();
        if self.is_encrypted {
            read.retain(|_, value| !value.trim_start().starts_with("ENC("));
        }
        if read.len() < before {
            let advice = format!(
                "{} of its values are encrypted, and not read: say them by -D NAME=VALUE or in the environment where they are used",
                before - read.len()
            );
            findings.push(finding(element, Severity::Warning, &advice));
        }
        definitions.files.extend(read.keys().map(|name| (name.clone(), path.clone())));
        definitions.properties.extend(read);
        Ok(())
    }
}
