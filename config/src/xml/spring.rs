//! What stands around a broker: Spring's `<beans>`. No bean is ever made: what is known is mapped, the rest reported.

use super::document::Element;
use super::draft::Made;
use super::reader::{BEANS, CORE, Reader, tag};
use super::{broker, placeholders, statements};
use crate::data_source;
use crate::remark::Severity;

/// All files, the main one first: `<beans>` with a broker in it, or a `<broker>` itself.
pub(crate) fn contexts(reader: &mut Reader<'_>) -> Option<Made> {
    let mut made = None;
    let roots = reader.roots;
    for root in roots {
        one(reader, *root, &mut made);
    }
    if made.is_none()
        && let Some(root) = roots.first()
    {
        let advice =
            "there is no broker in it: write <broker xmlns=\"http://activemq.apache.org/schema/core\">";
        reader.say_of(*root, Severity::Refused, advice);
    }
    made
}

fn one<'a>(reader: &mut Reader<'a>, element: Element<'a>, made: &mut Option<Made>) {
    if element.is_core() {
        return core(reader, element, made);
    }
    if placeholders::is_one(element) {
        return;
    }
    if !element.is_beans() {
        return foreign(reader, element);
    }
    match element.name() {
        "beans" if element.attribute("profile").is_some() => {
            reader.say_of(element, Severity::Warning, "profiles are not read: what is in it is left out");
        }
        "beans" => {
            reader.no_text(element);
            for child in element.children() {
                one(reader, child, made);
            }
        }
        "bean" => bean(reader, element),
        // Imports were read before.
        "import" | "description" | "alias" => {}
        "broker" => no_namespace(reader, element, CORE),
        _ => reader.say_of(element, Severity::Refused, "Spring knows no such thing here: remove it"),
    }
}

fn core<'a>(reader: &mut Reader<'a>, element: Element<'a>, made: &mut Option<Made>) {
    match element.name() {
        "broker" if made.is_some() => {
            reader.say_of(element, Severity::Refused, "there is a broker already: one process runs one");
        }
        // It is read where a store refers to it.
        "statements" => {}
        "broker" => *made = Some(broker::broker(reader, element)),
        "commandAgent" => {
            let advice = "nobody answers on ActiveMQ.Agent yet: the commands are those of kahawai --help";
            reader.say_of(element, Severity::NotYet, advice);
        }
        _ => reader.say_of(element, Severity::Warning, "it is not made: nothing but the broker runs here"),
    }
}

fn foreign<'a>(reader: &mut Reader<'a>, element: Element<'a>) {
    match (element.name(), element.namespace()) {
        ("broker", "") => return no_namespace(reader, element, CORE),
        ("beans", "") => return no_namespace(reader, element, BEANS),
        _ => {}
    }
    if element.namespace().contains("camel") {
        let advice = "CAMEL ROUTES ARE NOT RUN: what they move, change or answer stays where it is; run them in a Camel of their \
                      own that connects here";
        return reader.say_of(element, Severity::Warning, advice);
    }
    reader.say_of(element, Severity::Warning, "it is not read: nothing but the broker runs here");
}

fn no_namespace<'a>(reader: &mut Reader<'a>, element: Element<'a>, namespace: &str) {
    reader.say_of(element, Severity::Refused, format!("it needs xmlns=\"{namespace}\", as for ActiveMQ"));
}

/// Beans that change nothing for a broker where they are not made, by how the names of their classes begin.
const HARMLESS: [(&str, &str); 7] = [
    ("org.apache.activemq.hooks.SpringContextHook", "there is no Spring to stop"),
    ("org.eclipse.jetty.", "there is no web server: kahawai stats and browse show what its console would"),
    (
        "org.apache.activemq.web.",
        "there is no web server: kahawai stats and browse show what its console would",
    ),
    ("io.fabric8.insight.log.", "there is no web server that would show the log"),
    ("org.jasypt.", "nothing is decrypted: say what is encrypted by -D NAME=VALUE or in the environment"),
    ("org.springframework.beans.factory.config.MethodInvokingFactoryBean", "no method of Java's is called"),
    ("org.springframework.jmx.", "there is no JMX"),
];

fn bean<'a>(reader: &mut Reader<'a>, element: Element<'a>) {
    let class = element.attribute("class").unwrap_or_default();
    // They are read where a store refers to them.
    if data_source::is_known(class) || statements::is_class(class) {
        return;
    }
    if let Some((_, why)) = HARMLESS.iter().find(|(begin, _)| class.starts_with(begin)) {
        return reader.say_of(element, Severity::Harmless, *why);
    }
    let name = element.attribute("id").or_else(|| element.attribute("name")).unwrap_or("without an id");
    let what = format!("{} {}", tag("bean"), super::reader::shown(name));
    reader.say(
        element.place(),
        what,
        Severity::Warning,
        "it is not made: this is a class of Java's that nothing here stands for",
    );
}
