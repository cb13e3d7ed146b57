//! Reads elements by their tables.

use std::collections::BTreeSet;

use super::document::Element;
use super::reader::{INSTANCE, Reader, XML, shown, tag};
use super::table::{Act, Child, Fate, Said, Table, Target};
use crate::nearest::nearest;
use crate::remark::Severity;
use crate::report::Place;
use crate::value;

impl<'a> Reader<'a> {
    /// Reads an element by its table.
    pub(crate) fn apply<T: Target>(
        &mut self,
        table: &'static Table<T>,
        element: Element<'a>,
        target: &mut T,
    ) {
        let mut seen = BTreeSet::new();
        for (name, text, place) in element.attributes() {
            seen.insert(name);
            self.attribute(table, element, name, text, place, target);
        }
        self.foreign_attributes(element);
        self.no_text(element);
        for child in element.children() {
            if child.is_beans() && child.name() == "property" {
                self.property(table, child, &mut seen, target);
                continue;
            }
            let is_springs = matches!(child.name(), "bean" | "description" | "meta");
            if child.is_beans() && !is_springs || child.namespace().is_empty() {
                // ActiveMQ takes it for a property of its own: it may be the store, or what guards the broker.
                let advice = format!(
                    "it needs ActiveMQ's namespace: write it with the prefix of <{}>, which it stands in",
                    element.name()
                );
                self.say_of(child, Severity::Refused, advice);
                continue;
            }
            if !child.is_core() {
                self.say_of(
                    child,
                    Severity::Warning,
                    format!("this is not run: it is none of ActiveMQ's elements, in <{}>", element.name()),
                );
                continue;
            }
            let name = child.name();
            if !seen.insert(name) {
                self.say_of(
                    child,
                    Severity::Refused,
                    format!("<{}> has it already: write it once", element.name()),
                );
                continue;
            }
            match table.child(name) {
                Some(found) => self.child(&found.act, child, target),
                None if table.attribute(name).is_some() => {
                    self.child_as_attribute(table, element, child, target)
                }
                None => self.unknown(table, child.place(), tag(name), name),
            }
        }
    }

    /// Spring's own way to say an attribute: `<property name="…" value="…"/>`.
    fn property<T: Target>(
        &mut self,
        table: &'static Table<T>,
        element: Element<'a>,
        seen: &mut BTreeSet<&'a str>,
        target: &mut T,
    ) {
        let Some(name) = element.attribute("name") else {
            return self.say_of(element, Severity::Refused, "it needs a name");
        };
        let what = format!("property {name} of <{}>", table.element);
        if !seen.insert(name) {
            return self.say(element.place(), what, Severity::Refused, "it is there already: write it once");
        }
        match (element.attribute("value"), table.attribute(name), table.child(name)) {
            (Some(text), Some(_), _) => self.attribute(table, element, name, text, element.place(), target),
            // What is told of an element whatever is in it does not depend on how it is written.
            (_, _, Some(child)) if !matches!(child.act, Act::Read(_)) => {
                self.child(&child.act, element, target)
            }
            (_, None, None) => self.unknown(table, element.place(), what, name),
            _ => {
                let advice =
                    "beans in a property are not read: write it as an attribute or element of ActiveMQ's";
                self.say(element.place(), what, Severity::Refused, advice);
            }
        }
    }

    fn child<T: Target>(&mut self, act: &Act<T>, child: Element<'a>, target: &mut T) {
        match act {
            Act::Read(read) | Act::ReadHeld(read) => {
                target.at(&child.place());
                read(self, child, target);
            }
            Act::Told(severity, why) => {
                self.say_of(child, *severity, *why);
                self.within(child, *severity);
            }
            Act::Door(why) => {
                self.door(child.place(), child.name(), tag(child.name()), why);
                self.within(child, Severity::Warning);
            }
        }
    }

    /// `<broker><brokerName>a</brokerName></broker>`, also with Spring's `<value>` around it.
    fn child_as_attribute<T: Target>(
        &mut self,
        table: &'static Table<T>,
        element: Element<'a>,
        child: Element<'a>,
        target: &mut T,
    ) {
        let mut holder = child;
        if let Some(value) =
            child.children().next().filter(|inner| inner.is_beans() && inner.name() == "value")
        {
            holder = value;
        }
        // What is said of an attribute whatever its value does not depend on how it is written.
        let any = table
            .attribute(child.name())
            .is_some_and(|one| matches!(one.fate, Fate::Told(..) | Fate::Door(_)));
        if holder.children().next().is_some() && !any {
            let advice =
                format!("it needs a plain value here, as in <{} {}=\"…\">", element.name(), child.name());
            return self.say_of(child, Severity::Refused, advice);
        }
        self.attribute(table, element, child.name(), &holder.text(), child.place(), target);
    }

    fn attribute<T: Target>(
        &mut self,
        table: &'static Table<T>,
        element: Element<'a>,
        name: &str,
        text: &str,
        place: Place,
        target: &mut T,
    ) {
        let what = format!("{} of {}", shown(name), tag(element.name()));
        let Some(found) = table.attribute(name) else {
            return self.unknown(table, place, what, name);
        };
        let written = text.trim();
        let Some(text) = self.resolve(&place, &what, text) else { return };
        target.at(&place);
        let said = match &found.fate {
            Fate::Used(take) => take(target, &text),
            Fate::Setting(set) => set(target, found.name, &text).map_err(Said::from),
            Fate::Fixed(value, severity, why) => match same(value, &text) {
                Ok(true) => Ok(()),
                Ok(false) => Err(Said::new(*severity, *why)),
                Err(problem) => Err(problem.into()),
            },
            Fate::Told(severity, why) => Err(Said::new(*severity, *why)),
            Fate::Door(why) => return self.door(place, name, what, why),
            Fate::DoorUnless(value, why) => match same(value, &text) {
                Ok(true) => Ok(()),
                Ok(false) => return self.door(place, name, what, why),
                Err(problem) => Err(problem.into()),
            },
            Fate::Name => Ok(()),
        };
        if let Err(said) = said {
            let mut advice = said.advice.into_owned();
            // What is wrong with it stands elsewhere.
            if said.severity == Severity::Refused && text != written && !matches!(found.fate, Fate::Told(..))
            {
                advice += &format!("; {} stands for {:?}", shown(written), shown(&text));
            }
            self.say(place, what, said.severity, advice);
        }
    }

    /// Only what says where schemas are belongs to no bean.
    fn foreign_attributes(&mut self, element: Element<'a>) {
        for (space, name, _, place) in element.foreign_attributes() {
            if space != INSTANCE && space != XML {
                let what = format!("{} of {}", shown(name), tag(element.name()));
                self.say(
                    place,
                    what,
                    Severity::Warning,
                    "it is none of ActiveMQ's attributes, and is not read",
                );
            }
        }
    }

    fn unknown<T>(&mut self, table: &Table<T>, place: Place, what: String, name: &str) {
        let hint = nearest(name, table.names());
        let advice = match hint {
            Some(near) => format!("ActiveMQ knows no such thing in <{}>: is {near} meant?", table.element),
            None => format!("ActiveMQ knows no such thing in <{}>: remove it", table.element),
        };
        self.say(place, what, Severity::Refused, advice);
    }

    /// The one element of ActiveMQ's that a property holds, as `<policyMap>` in `<destinationPolicy>`.
    pub(crate) fn only(&mut self, property: Element<'a>) -> Option<Element<'a>> {
        self.no_text(property);
        let mut only = None;
        for child in property.children() {
            if only.is_some() {
                self.say_of(
                    child,
                    Severity::Refused,
                    format!("<{}> holds one element: remove the others", property.name()),
                );
            } else if child.is_core() {
                only = Some(child);
            } else {
                self.say_of(
                    child,
                    Severity::Refused,
                    "no bean of other classes can stand here: write ActiveMQ's own element",
                );
            }
        }
        if only.is_none() && property.children().next().is_none() {
            self.say_of(property, Severity::Warning, "there is nothing in it");
        }
        only
    }

    /// Reads the one element that a property holds, which is one of these.
    pub(crate) fn one_of<T: Target>(
        &mut self,
        children: &'static [Child<T>],
        property: Element<'a>,
        target: &mut T,
    ) {
        if let Some(element) = self.only(property) {
            self.any_of(children, property, element, target);
        }
    }

    /// Reads the elements of a list, each of which is one of these. What is none of ActiveMQ's goes to `others`.
    pub(crate) fn each_of<T: Target>(
        &mut self,
        children: &'static [Child<T>],
        list: Element<'a>,
        target: &mut T,
        others: fn(&mut Reader<'a>, Element<'a>),
    ) {
        self.no_text(list);
        for element in list.children() {
            if element.is_core() {
                self.any_of(children, list, element, target);
            } else {
                others(self, element);
            }
        }
    }

    fn any_of<T: Target>(
        &mut self,
        children: &'static [Child<T>],
        holder: Element<'a>,
        element: Element<'a>,
        target: &mut T,
    ) {
        if let Some(found) = children.iter().find(|one| one.name == element.name()) {
            return self.child(&found.act, element, target);
        }
        let names: Vec<_> = children.iter().map(|one| one.name).collect();
        let advice = match nearest(element.name(), names.iter().copied()) {
            Some(near) => format!("it cannot stand in <{}>: is <{near}> meant?", holder.name()),
            None => format!(
                "it cannot stand in <{}>: write one of {}",
                holder.name(),
                names.get(..8).map_or_else(|| names.join(", "), |some| some.join(", ") + ", …")
            ),
        };
        self.say_of(element, Severity::Refused, advice);
    }
}

/// Whether a value is this one: as a truth value or a number where this is one.
fn same(value: &str, text: &str) -> Result<bool, String> {
    if let Ok(value) = value::whole(value) {
        return Ok(value::whole(text)? == value);
    }
    if let Ok(value) = value::boolean(value) {
        return Ok(value::boolean(text)? == value);
    }
    Ok(value.eq_ignore_ascii_case(text))
}
