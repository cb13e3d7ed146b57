//! What may stand in an element, as a table: each attribute and each element in it has a fate, so that nothing is passed over in silence, and a test
//! can compare the tables with what ActiveMQ knows.

use std::borrow::Cow;

use super::document::Element;
use super::reader::Reader;
use crate::remark::Severity;
use crate::report::Place;

/// What may stand in an element that changes a `T`. Attributes and elements that several tables share are a list of their own.
pub(crate) struct Table<T: 'static> {
    /// The element.
    pub(crate) element: &'static str,
    /// Its attributes. Each may as well stand as an element with the value in it.
    pub(crate) attributes: &'static [&'static [Attribute<T>]],
    /// Its elements.
    pub(crate) children: &'static [&'static [Child<T>]],
}

/// An attribute.
pub(crate) struct Attribute<T: 'static> {
    pub(crate) name: &'static str,
    pub(crate) fate: Fate<T>,
}

/// What tables change. It is told where each thing stands before that changes it.
pub(crate) trait Target {
    /// Here it stands.
    fn at(&mut self, place: &Place);
}

/// What is to be said of something that is not simply used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) severity: Severity,
    pub(crate) advice: Cow<'static, str>,
}

/// What is wrong with a value is refused.
impl From<String> for Said {
    fn from(advice: String) -> Self {
        Self { severity: Severity::Refused, advice: advice.into() }
    }
}

impl Said {
    pub(crate) fn new(severity: Severity, advice: impl Into<Cow<'static, str>>) -> Self {
        Self { severity, advice: advice.into() }
    }
}

/// Takes an attribute's value.
pub(crate) type Use<T> = fn(&mut T, &str) -> Result<(), Said>;

/// Sets a setting, by its name.
pub(crate) type Set<T> = fn(&mut T, &str, &str) -> Result<(), String>;

/// Reads an element.
pub(crate) type Read<T> = for<'a> fn(&mut Reader<'a>, Element<'a>, &mut T);

/// What becomes of an attribute.
pub(crate) enum Fate<T: 'static> {
    /// The broker does as it says.
    Used(Use<T>),
    /// The broker has a setting of this name.
    Setting(Set<T>),
    /// The broker does always as with this value: another one is reported.
    Fixed(&'static str, Severity, &'static str),
    /// Whatever the value, this is said.
    Told(Severity, &'static str),
    /// To go on without it would open a door or make a second master: refused, unless it was named to be left out.
    Door(&'static str),
    /// The same, but that this value has no effect.
    DoorUnless(&'static str, &'static str),
    /// A name for others to refer to: nothing to say.
    Name,
}

/// An element in another.
pub(crate) struct Child<T: 'static> {
    pub(crate) name: &'static str,
    pub(crate) act: Act<T>,
}

/// What becomes of an element in another.
pub(crate) enum Act<T: 'static> {
    /// It is read by this.
    Read(Read<T>),
    /// The same, and so is a property of Spring's of this name: what reads it takes beans and references.
    ReadHeld(Read<T>),
    /// Whatever is in it, this is said.
    Told(Severity, &'static str),
    /// As [`Fate::Door`].
    Door(&'static str),
}

pub(crate) const fn used<T>(name: &'static str, take: Use<T>) -> Attribute<T> {
    Attribute { name, fate: Fate::Used(take) }
}

pub(crate) const fn setting<T>(name: &'static str, set: Set<T>) -> Attribute<T> {
    Attribute { name, fate: Fate::Setting(set) }
}

/// See [`Fate::Fixed`]; the severity is a warning.
pub(crate) const fn fixed<T>(name: &'static str, value: &'static str, why: &'static str) -> Attribute<T> {
    Attribute { name, fate: Fate::Fixed(value, Severity::Warning, why) }
}

/// See [`Fate::Fixed`]; another value is for what is not built.
pub(crate) const fn unbuilt<T>(name: &'static str, value: &'static str, why: &'static str) -> Attribute<T> {
    Attribute { name, fate: Fate::Fixed(value, Severity::NotYet, why) }
}

pub(crate) const fn harmless<T>(name: &'static str, why: &'static str) -> Attribute<T> {
    Attribute { name, fate: Fate::Told(Severity::Harmless, why) }
}

pub(crate) const fn not_yet<T>(name: &'static str, why: &'static str) -> Attribute<T> {
    Attribute { name, fate: Fate::Told(Severity::NotYet, why) }
}

pub(crate) const fn warned<T>(name: &'static str, how: &'static str) -> Attribute<T> {
    Attribute { name, fate: Fate::Told(Severity::Warning, how) }
}

pub(crate) const fn refused<T>(name: &'static str, instead: &'static str) -> Attribute<T> {
    Attribute { name, fate: Fate::Told(Severity::Refused, instead) }
}

pub(crate) const fn door<T>(name: &'static str, why: &'static str) -> Attribute<T> {
    Attribute { name, fate: Fate::Door(why) }
}

pub(crate) const fn door_unless<T>(
    name: &'static str,
    value: &'static str,
    why: &'static str,
) -> Attribute<T> {
    Attribute { name, fate: Fate::DoorUnless(value, why) }
}

pub(crate) const fn id<T>() -> Attribute<T> {
    Attribute { name: "id", fate: Fate::Name }
}

pub(crate) const fn read<T>(name: &'static str, read: Read<T>) -> Child<T> {
    Child { name, act: Act::Read(read) }
}

/// See [`Act::ReadHeld`].
pub(crate) const fn read_held<T>(name: &'static str, read: Read<T>) -> Child<T> {
    Child { name, act: Act::ReadHeld(read) }
}

pub(crate) const fn told<T>(name: &'static str, severity: Severity, why: &'static str) -> Child<T> {
    Child { name, act: Act::Told(severity, why) }
}

pub(crate) const fn closed_door<T>(name: &'static str, why: &'static str) -> Child<T> {
    Child { name, act: Act::Door(why) }
}

impl<T> Table<T> {
    pub(crate) fn attribute(&self, name: &str) -> Option<&'static Attribute<T>> {
        self.attributes.iter().copied().flatten().find(|one| one.name == name)
    }

    pub(crate) fn child(&self, name: &str) -> Option<&'static Child<T>> {
        self.children.iter().copied().flatten().find(|one| one.name == name)
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        let attributes = self.attributes.iter().copied().flatten().map(|one| one.name);
        attributes.chain(self.children.iter().copied().flatten().map(|one| one.name))
    }
}
