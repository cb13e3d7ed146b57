//! The one thing that a property holds, wherever it stands: in the property itself, or as a bean at the outermost level that it refers to.

use super::document::Element;
use super::reader::{Reader, shown, tag};
use crate::remark::Severity::Refused;

const ONE: &str = "it needs one bean, or the id of one: ref=\"ID\"";

impl<'a> Reader<'a> {
    /// What a property holds: `<dataSource><bean …/></dataSource>`, `<dataSource><ref bean="ID"/></dataSource>`, `<property name="dataSource" ref="ID"/>`
    /// or `<dataSource>#ID</dataSource>`. Nothing, and a finding, where that is no one thing that is there.
    pub(crate) fn held(&mut self, property: Element<'a>) -> Option<Element<'a>> {
        let mut children = property.children();
        let (first, second) = (children.next(), children.next());
        let reference = property.attribute("ref");
        let text = property.text();
        match (reference, first, second) {
            (Some(id), None, _) if text.is_empty() => self.referred(property, tag(property.name()), id),
            (None, None, _) if !text.is_empty() => self.referred(property, tag(property.name()), &text),
            (None, Some(only), None) if text.is_empty() => self.itself_or_referred(only),
            _ => {
                self.say_of(property, Refused, ONE);
                None
            }
        }
    }

    fn itself_or_referred(&mut self, element: Element<'a>) -> Option<Element<'a>> {
        if !element.is_beans() || element.name() == "bean" {
            return Some(element);
        }
        let id = element.attribute("bean").or_else(|| element.attribute("local"));
        match (element.name(), id) {
            ("ref", Some(id)) => self.referred(element, tag(element.name()), id),
            ("value", _) => self.referred(element, tag(element.name()), &element.text()),
            _ => {
                self.say_of(element, Refused, ONE);
                None
            }
        }
    }

    /// What stands at the outermost level of a file under this id, with or without `#` before it: first of the file that names it, then of those that
    /// are read with it. `what` is what names it, for a finding.
    pub(crate) fn referred(&mut self, element: Element<'a>, what: String, id: &str) -> Option<Element<'a>> {
        let id = self.resolve(&element.place(), &what, id)?;
        let id = id.strip_prefix('#').unwrap_or(&id);
        let is_named = |one: &Element<'a>| [one.attribute("id"), one.attribute("name")].contains(&Some(id));
        let own = std::iter::once(element.root());
        let found = own.chain(self.roots.iter().copied()).find_map(|root| root.children().find(is_named));
        if found.is_none() {
            let advice = format!(
                "there is no bean of that id in this file, nor in those it imports: write <bean id=\"{}\" class=\"…\">",
                shown(id)
            );
            self.say(element.place(), what, Refused, advice);
        }
        found
    }
}
