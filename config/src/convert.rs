//! An `activemq.xml` as TOML that comes to the same configuration, with the line that each value comes from.

use std::collections::BTreeMap;

use kahawai_broker::bridge::NetworkConnector;
use kahawai_broker::core::policy::Policy;

use crate::origin::{Effective, Origin, PASSWORD};
use crate::secret::{Reference, Written};
use crate::settings::{find, policy::SETTINGS};
use crate::show::{self, Part, Row, Value};
use crate::toml_file::PASSWORDS;
use crate::xml;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The TOML.
    pub text: String,
    /// Whether a password stands in it in clear.
    pub is_secret: bool,
    /// Whether a password is still to be put somewhere, as it is in no file that could be named.
    pub lacks_password: bool,
}

/// Writes what was read of this file as TOML. `locate` says how a file that the XML named is named from where the TOML will be. A password is written
/// out only where the XML has it in clear; one that is elsewhere is referred to.
pub fn toml(file: &str, read: &xml::Read, locate: &dyn Fn(&str) -> String) -> Converted {
    let said = read.said.iter();
    let origins =
        said.map(|(key, place)| (key.clone(), Origin::File { file: place.file.clone(), line: place.line }));
    let effective = Effective {
        configuration: read.configuration.clone(),
        origins: origins.collect(),
        passed_over: None,
    };
    let mut rows = show::rows(&effective);
    let usual = Usual::new();
    let mut comments = BTreeMap::new();
    let mut made = Converted { text: String::new(), is_secret: false, lacks_password: false };
    if let Some(at) = rows.iter().position(|row| row.key == PASSWORD) {
        let row = rows.remove(at);
        let written = read.password.as_ref().unwrap_or(&Written::Elsewhere);
        let secret = read.configuration.store.password.as_ref().map_or("", |secret| &secret.0);
        made.is_secret = *written == Written::Clear;
        made.lacks_password = *written == Written::Elsewhere;
        let better = "better in a file of its own: passwordFile = \"FILE\"";
        let values: Vec<(&'static str, Option<String>, String)> = match written {
            Written::Clear => {
                vec![(
                    PASSWORDS[0],
                    Some(secret.to_owned()),
                    format!("in clear, as in {}; {better}", row.origin),
                )]
            }
            Written::Reference(Reference::File(file)) => {
                vec![(PASSWORDS[1], Some(locate(file)), row.origin.to_string())]
            }
            Written::Reference(Reference::Property { file, name }) => vec![
                (PASSWORDS[1], Some(locate(file)), row.origin.to_string()),
                (PASSWORDS[2], Some(name.clone()), row.origin.to_string()),
            ],
            Written::Reference(Reference::Variable(name)) => {
                vec![(PASSWORDS[3], Some(name.clone()), row.origin.to_string())]
            }
            Written::Elsewhere => {
                let how = format!(
                    "{}: what it stands for was given from outside; put it into a file: passwordFile = \"FILE\"",
                    row.origin
                );
                vec![(PASSWORDS[0], None, how)]
            }
        };
        for (number, (name, text, comment)) in values.into_iter().enumerate() {
            let key = format!("store.{name}");
            comments.insert(key.clone(), comment);
            rows.insert(at + number, Row { name, key, value: text.map(Value::Text), ..row.clone() });
        }
    }
    for row in rows.iter_mut().filter(|row| row.part == Part::Store && row.value.is_some()) {
        row.hides = false;
    }
    made.text = format!(
        "# Made of {} by kahawai config convert. What is not said is as by default.\n",
        show::comment(file)
    );
    if !read.report.findings().is_empty() {
        made.text += "#\n# What is not done, or is done in another way, of what it says:\n";
        for line in read.report.to_string().lines() {
            made.text += &format!("#   {}\n", show::comment(line));
        }
    }
    made.text.push('\n');
    // A policy that says nothing is still one.
    let choose = |row: &Row| {
        if let Some(comment) = comments.get(&row.key) {
            return Some(comment.clone());
        }
        let is_other = usual.is_other(row);
        debug_assert!(!is_other || row.origin != Origin::Default, "nobody said {}", row.key);
        let is_said = row.value.is_some() && (is_other || row.origin != Origin::Default);
        is_said.then(|| row.origin.to_string())
    };
    made.text += &show::write(&rows, &choose);
    made
}

/// What is the case where nobody says anything, with each strategy for dead letters that has settings of its own.
struct Usual(BTreeMap<(Kind, &'static str), Vec<Value>>);

/// What a row is about, whichever of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Broker,
    Network,
    Policy,
}

impl Usual {
    fn new() -> Self {
        let mut individual = Effective::default();
        let mut policy = Policy::default();
        let said =
            find(SETTINGS, "deadLetterStrategy").map(|setting| (setting.set)(&mut policy, "individual"));
        debug_assert_eq!(said, Some(Ok(())), "there is such a strategy");
        individual.configuration.broker.policies.set_default(policy);
        individual.configuration.broker.network_connectors = vec![NetworkConnector::default()];
        let mut usual: BTreeMap<_, Vec<Value>> = BTreeMap::new();
        for row in show::rows(&Effective::default()).into_iter().chain(show::rows(&individual)) {
            // Which strategy it is has to be said.
            if row.name != "deadLetterStrategy"
                || usual.get(&(Kind::Policy, row.name)).is_none_or(Vec::is_empty)
            {
                usual.entry((kind(&row), row.name)).or_default().extend(row.value);
            }
        }
        Self(usual)
    }

    fn is_other(&self, row: &Row) -> bool {
        let usual = self.0.get(&(kind(row), row.name));
        row.value.as_ref().is_some_and(|value| usual.is_none_or(|usual| !usual.contains(value)))
    }
}

fn kind(row: &Row) -> Kind {
    match row.part {
        Part::Broker | Part::Store => Kind::Broker,
        Part::Network(_) => Kind::Network,
        Part::Policy(_) | Part::DefaultPolicy => Kind::Policy,
    }
}
