//! TOML: ten lines, every one of them optional.
//!
//! ```toml
//! brokerName = "orders-a"
//! transportConnectors = ["tcp://0.0.0.0:61616?maximumConnections=5000"]
//!
//! [store]
//! address = "/var/lib/kahawai"
//!
//! [[policy]]
//! queue = "ORDERS.>"
//! memoryLimit = "64 mb"
//!
//! [[networkConnector]]
//! uri = "static:(tcp://other:61616)"
//! ```
//!
//! Names are those of [`settings`](crate::settings): the broker's at the top, the store's and its lock's under `[store]`, a policy's in a `[[policy]]`
//! each. A policy without a destination is for all that no other is for. An unknown name is an error, with the nearest that there is, and a value is
//! of its kind: what is a number is written as one. `[store]` says where a password is: `passwordFile`, with `passwordProperty` where that file is
//! one of Java's properties, or `passwordVariable`; one in clear is taken, and warned of.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};
use bytestring::ByteString;
use kahawai_broker::bridge::NetworkConnector;
use kahawai_broker::core::address::{Address, AddressKind};
use kahawai_broker::core::policy::{Policies, Policy};

use crate::connector;
use crate::destinations::BETWEEN;
use crate::model::Configuration;
use crate::nearest::nearest;
use crate::origin::{CONNECTORS, PASSWORD, of_network, of_policy, of_store};
use crate::remark::{Remark, Severity};
use crate::secret::{Reference, Secret};
use crate::settings::{Kind, Setting, broker, network, policy, store};

/// What a file is at most: far more than any broker needs.
pub const BYTES_MAX: usize = 4 << 20;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1 on.
    pub line: usize,
    /// From 1 on, in characters.
    pub column: usize,
    /// In words.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.line, self.column, self.text)
    }
}

/// What was read.
#[derive(Debug)]
pub struct Read {
    /// What it comes to.
    pub configuration: Configuration,
    /// On which line each setting was said that was: `store.leaseDuration`, `policy[queue://ORDERS.>].memoryLimit`.
    pub said: BTreeMap<String, usize>,
    /// What there is to say, and on which line.
    pub remarks: Vec<(usize, Remark)>,
}

/// Reads a password; the error says in words why it cannot.
pub type Secrets<'a> = dyn Fn(&Reference) -> Result<Secret, String> + 'a;

/// Reads a file. `secret` reads a password from where the file says that it is.
///
/// # Errors
/// All that is wrong, in the order of the file. No value of a password is in it.
pub fn read(text: &str, secret: &Secrets<'_>) -> Result<Read, Vec<Problem>> {
    let mut reader = Reader {
        text,
        secret,
        problems: Vec::new(),
        read: Read { configuration: Configuration::default(), said: BTreeMap::new(), remarks: Vec::new() },
    };
    if text.len() > BYTES_MAX {
        reader.problem(0..0, format!("the file is larger than {} MiB", BYTES_MAX >> 20));
        return Err(reader.problems);
    }
    match DeTable::parse(text) {
        Ok(table) => reader.document(table.get_ref()),
        Err(error) => reader.problem(error.span().unwrap_or(0..0), error.message().to_owned()),
    }
    if reader.problems.is_empty() {
        return Ok(reader.read);
    }
    reader.problems.sort_by_key(|problem| (problem.line, problem.column));
    Err(reader.problems)
}

struct Reader<'a> {
    text: &'a str,
    secret: &'a Secrets<'a>,
    problems: Vec<Problem>,
    read: Read,
}

/// Where a password is.
pub const PASSWORDS: [&str; 4] = ["password", "passwordFile", "passwordProperty", "passwordVariable"];

/// What connects to other brokers.
const NETWORK: &str = "networkConnector";

/// What names a policy's destination.
const DESTINATIONS: [&str; 4] = ["queue", "topic", "tempQueue", "tempTopic"];

type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn place(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    fn problem(&mut self, span: Range<usize>, text: String) {
        let (line, column) = self.place(span.start);
        self.problems.push(Problem { line, column, text });
    }

    fn document(&mut self, table: &DeTable<'_>) {
        const OTHERS: [&str; 4] = [CONNECTORS, "store", "policy", NETWORK];
        let mut config = std::mem::take(&mut self.read.configuration);
        self.settings(&[&str::to_owned], broker::SETTINGS, &mut config.broker, table, &OTHERS);
        if let Some(value) = table.get(CONNECTORS) {
            self.connectors(value, &mut config);
        }
        if let Some(value) = table.get("store") {
            match value.get_ref() {
                DeValue::Table(table) => self.store(table, &mut config),
                _ => self.problem(value.span(), "store needs a table: [store]".to_owned()),
            }
        }
        if let Some(value) = table.get("policy") {
            self.policies(value, &mut config);
        }
        if let Some(value) = table.get(NETWORK) {
            self.network_connectors(value, &mut config);
        }
        self.read.configuration = config;
    }

    fn network_connectors(&mut self, value: &Value<'_>, config: &mut Configuration) {
        let DeValue::Array(tables) = value.get_ref() else {
            self.problem(value.span(), "network connectors are a list: [[networkConnector]]".to_owned());
            return;
        };
        for (place, value) in tables.iter().enumerate() {
            let DeValue::Table(table) = value.get_ref() else {
                self.problem(
                    value.span(),
                    "a network connector needs a table: [[networkConnector]]".to_owned(),
                );
                continue;
            };
            let key = |name: &str| of_network(place, name);
            self.say(key(""), value);
            let mut connector = NetworkConnector::default();
            self.settings(&[&key], network::SETTINGS, &mut connector, table, &[]);
            if table.get("uri").is_none() {
                self.problem(value.span(), "it needs uri = \"static:(tcp://HOST:PORT)\"".to_owned());
            }
            config.broker.network_connectors.push(connector);
        }
    }

    /// Applies what a table says, in the order of the list; what is in neither list is a problem.
    fn settings<T>(
        &mut self,
        keys: &[&dyn Fn(&str) -> String],
        list: &'static [Setting<T>],
        target: &mut T,
        table: &DeTable<'_>,
        others: &[&str],
    ) {
        for setting in list {
            let Some(value) = table.get(setting.name) else { continue };
            if setting.kind == Kind::List && !self.is_each_right(setting, target, value) {
                continue;
            }
            let result = text_of(setting.kind, value.get_ref()).and_then(|text| (setting.set)(target, &text));
            match result {
                Ok(()) => keys.iter().for_each(|key| self.say(key(setting.name), value)),
                Err(problem) => self.problem(value.span(), format!("{} {problem}", setting.name)),
            }
        }
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            let known = || list.iter().map(|setting| setting.name).chain(others.iter().copied());
            if known().any(|known| known == name) {
                continue;
            }
            let meant = nearest(name, known()).map_or(String::new(), |meant| format!("; was {meant} meant?"));
            let shown: String = name.chars().take(80).collect();
            self.problem(key.span(), format!("there is no setting '{shown}' here{meant}"));
        }
    }

    /// Whether each of a list could stand alone: what is wrong with one is told where that stands.
    fn is_each_right<T>(&mut self, setting: &Setting<T>, target: &mut T, value: &Value<'_>) -> bool {
        let before = self.problems.len();
        if let DeValue::Array(each) = value.get_ref() {
            for one in each.iter() {
                let text = text_of(Kind::Text, one.get_ref());
                let alone = |text: String| match text.contains(BETWEEN) || text.trim().is_empty() {
                    true => Err("needs each by itself, without commas: [\"…\", \"…\"]".to_owned()),
                    false => (setting.set)(target, &text),
                };
                if let Err(problem) = text.and_then(alone) {
                    self.problem(one.span(), format!("{} {problem}", setting.name));
                }
            }
        }
        self.problems.len() == before
    }

    fn say(&mut self, key: String, value: &Value<'_>) {
        let line = self.place(value.span().start).0;
        self.read.said.insert(key, line);
    }

    fn connectors(&mut self, value: &Value<'_>, config: &mut Configuration) {
        const WRONG: &str = "transportConnectors needs a list of URIs: [\"tcp://0.0.0.0:61616\"]";
        let DeValue::Array(uris) = value.get_ref() else {
            self.problem(value.span(), WRONG.to_owned());
            return;
        };
        let mut connectors = Vec::new();
        for uri in uris.iter() {
            let DeValue::String(text) = uri.get_ref() else {
                self.problem(uri.span(), WRONG.to_owned());
                continue;
            };
            let found = connector::read(text);
            connectors.extend(found.connector);
            self.remarks(uri, found.remarks);
        }
        if connectors.is_empty() && self.problems.is_empty() {
            self.problem(
                value.span(),
                "no connector is left that OpenWire is spoken on: tcp://HOST:PORT".to_owned(),
            );
        }
        let remarks = connector::apply(&connectors, &mut config.broker);
        self.remarks(value, remarks);
        for said in connector::says(&connectors) {
            self.say(said.to_owned(), value);
        }
    }

    /// What is refused is a problem here: whoever wrote this file can write it otherwise.
    fn remarks(&mut self, at: &Value<'_>, remarks: Vec<Remark>) {
        let line = self.place(at.span().start).0;
        for remark in remarks {
            match remark.severity {
                Severity::Refused => self.problem(at.span(), format!("{}: {}", remark.what, remark.why)),
                _ => self.read.remarks.push((line, remark)),
            }
        }
    }

    fn store(&mut self, table: &DeTable<'_>, config: &mut Configuration) {
        self.settings(&[&of_store], store::SETTINGS, config, table, &PASSWORDS);
        let [itself, file, property, variable] = PASSWORDS.map(|name| table.get(name));
        let texts =
            [itself, file, property, variable].map(|value| value.map(|value| value.get_ref().as_str()));
        let (value, reference) = match (itself.or(file).or(variable).or(property), texts) {
            (None, _) => return,
            (Some(value), [Some(Some(text)), None, None, None]) if !text.is_empty() => {
                config.store.password = Some(Secret(text.to_owned()));
                self.say(PASSWORD.to_owned(), value);
                let why = "whoever reads this file has it: put it into a file of its own, and write passwordFile = \"FILE\"";
                return self.remarks(value, vec![Remark::new(Severity::Warning, PASSWORDS[0], why)]);
            }
            (Some(value), [None, Some(Some(file)), None, None]) => (value, Reference::File(file.to_owned())),
            (Some(value), [None, Some(Some(file)), Some(Some(name)), None]) => {
                (value, Reference::Property { file: file.to_owned(), name: name.to_owned() })
            }
            (Some(value), [None, None, None, Some(Some(name))]) => {
                (value, Reference::Variable(name.to_owned()))
            }
            (Some(value), _) => {
                let wrong = "a password is in a file (passwordFile = \"FILE\"), in one of Java's properties (and \
                             passwordProperty = \"NAME\"), or in the environment (passwordVariable = \"NAME\")";
                return self.problem(value.span(), wrong.to_owned());
            }
        };
        match (self.secret)(&reference) {
            Ok(secret) => {
                config.store.password = Some(secret);
                self.say(PASSWORD.to_owned(), value);
            }
            Err(problem) => {
                let name = if file.is_some() { PASSWORDS[1] } else { PASSWORDS[3] };
                self.problem(value.span(), format!("{name} {problem}"));
            }
        }
    }

    fn policies(&mut self, value: &Value<'_>, config: &mut Configuration) {
        let DeValue::Array(tables) = value.get_ref() else {
            self.problem(value.span(), "policies are a list: [[policy]]".to_owned());
            return;
        };
        let mut entries = Vec::new();
        let mut default: Option<Policy> = None;
        for value in tables.iter() {
            let DeValue::Table(table) = value.get_ref() else {
                self.problem(value.span(), "a policy needs a table: [[policy]]".to_owned());
                continue;
            };
            let Some(destination) = self.destination(value, table) else { continue };
            // It is for each of a list of names.
            let parts =
                destination.as_ref().map_or(vec![None], |all| all.parts().into_iter().map(Some).collect());
            let keys: Vec<_> = parts.iter().map(|part| |name: &str| of_policy(part.as_ref(), name)).collect();
            let keys: Vec<&dyn Fn(&str) -> String> = keys.iter().map(|key| key as _).collect();
            for key in &keys {
                self.say(key(""), value);
            }
            let mut policy = Policy::default();
            self.settings(&keys, policy::SETTINGS, &mut policy, table, &DESTINATIONS);
            match destination {
                Some(address) => entries.push((address, policy, value)),
                None if default.is_none() => default = Some(policy),
                None => self.problem(value.span(), "a second policy without a destination".to_owned()),
            }
        }
        let mut policies = Policies::new(default.unwrap_or_default());
        for (address, policy, value) in entries {
            if !policies.add(&address, policy) {
                self.problem(value.span(), format!("there is a policy for {address} already"));
            }
        }
        config.broker.policies = policies;
    }

    /// The destination that a policy is for; `Some(None)` where it names none, and `None` where it is wrong in that.
    fn destination(&mut self, policy: &Value<'_>, table: &DeTable<'_>) -> Option<Option<Address>> {
        let named: Vec<_> = DESTINATIONS.iter().filter_map(|name| Some((*name, table.get(*name)?))).collect();
        let (name, value) = match named.as_slice() {
            [] => return Some(None),
            [one] => *one,
            _ => {
                self.problem(
                    policy.span(),
                    "a policy is for one of queue, topic, tempQueue and tempTopic".to_owned(),
                );
                return None;
            }
        };
        let address = match (name, value.get_ref()) {
            ("queue", DeValue::String(text)) if !text.is_empty() => {
                Address::queue(ByteString::from(text.as_ref()))
            }
            ("topic", DeValue::String(text)) if !text.is_empty() => {
                Address::topic(ByteString::from(text.as_ref()))
            }
            ("tempQueue", DeValue::Boolean(true)) => Address::new(AddressKind::TemporaryQueue, ">"),
            ("tempTopic", DeValue::Boolean(true)) => Address::new(AddressKind::TemporaryTopic, ">"),
            ("tempQueue", DeValue::String(text)) if !text.is_empty() => {
                Address::new(AddressKind::TemporaryQueue, text.as_ref())
            }
            ("tempTopic", DeValue::String(text)) if !text.is_empty() => {
                Address::new(AddressKind::TemporaryTopic, text.as_ref())
            }
            ("queue" | "topic", _) => {
                self.problem(value.span(), format!("{name} needs a name or a pattern: \"ORDERS.>\""));
                return None;
            }
            _ => {
                self.problem(value.span(), format!("{name} needs true, or a pattern"));
                return None;
            }
        };
        Some(Some(address))
    }
}

/// The text of a value of a kind; of a number that is written in another base, as it would be in ten.
fn text_of(kind: Kind, value: &DeValue<'_>) -> Result<String, String> {
    let wrong = match kind {
        Kind::Text | Kind::Word(_) => "needs a text: \"…\"",
        Kind::List => "needs a list of texts: [\"…\"]",
        Kind::Truth => "needs true or false",
        Kind::Whole { .. } => "needs a whole number",
        Kind::Decimal => "needs a number",
        Kind::Size { .. } => "needs a number of bytes, or a text with a unit: \"64 mb\"",
        Kind::Time { .. } => "needs a number of milliseconds, or a text with a unit: \"30s\"",
    };
    let text = match (kind, value) {
        (Kind::Text | Kind::Word(_) | Kind::Size { .. } | Kind::Time { .. }, DeValue::String(text)) => {
            Some(text.to_string())
        }
        (
            Kind::Whole { .. } | Kind::Decimal | Kind::Size { .. } | Kind::Time { .. },
            DeValue::Integer(number),
        ) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string()),
        (Kind::List, DeValue::Array(each)) => {
            let texts: Option<Vec<&str>> = each.iter().map(|one| one.get_ref().as_str()).collect();
            texts.map(|texts| texts.join(", "))
        }
        (Kind::Decimal, DeValue::Float(number)) => Some(number.as_str().to_owned()),
        (Kind::Truth, DeValue::Boolean(truth)) => Some(truth.to_string()),
        _ => None,
    };
    text.ok_or_else(|| wrong.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kahawai_broker::core::policy::{DeadLetterPlace, IndividualDeadLetters};

    use super::*;
    use crate::store_address::StoreAddress;

    fn read(text: &str) -> Result<Read, Vec<String>> {
        let secret = |reference: &Reference| match reference {
            Reference::File(path) if path == "there" => Ok(Secret("hidden".into())),
            Reference::Property { file, name } => Ok(Secret(format!("{file}, {name}"))),
            Reference::Variable(name) if name == "HERE" => Ok(Secret("in the air".into())),
            _ => Err("cannot be read".to_owned()),
        };
        super::read(text, &secret).map_err(|problems| problems.iter().map(Problem::to_string).collect())
    }

    #[test]
    fn ten_lines_say_what_most_brokers_need() {
        let text = "\
brokerName = \"orders-a\"
transportConnectors = [\"tcp://0.0.0.0:61616?maximumConnections=5000\"]

[store]
address = \"/var/lib/kahawai\"
leaseDuration = \"5s\"

[[policy]]
queue = \"ORDERS.>\"
memoryLimit = \"64 mb\"
queuePrefix = \"DLQ.\"
deadLetterStrategy = \"individual\"
[[policy]]
maxPageSize = 100
";
        let found = read(text).expect("it is right");
        let broker = &found.configuration.broker;
        assert_eq!((broker.broker_name.as_str(), broker.bind[0].as_str()), ("orders-a", "0.0.0.0:61616"));
        assert_eq!((broker.maximum_connections, broker.lease), (5000, Duration::from_secs(5)));
        assert_eq!(found.configuration.store.address, StoreAddress::Journal("/var/lib/kahawai".into()));
        let policy = broker.policies.of(&Address::queue("ORDERS.EU"));
        assert_eq!(policy.memory_limit, Some(64 << 20));
        let expected =
            IndividualDeadLetters { queue_prefix: "DLQ.".into(), ..IndividualDeadLetters::default() };
        assert_eq!(policy.dead_letters.place, DeadLetterPlace::Individual(expected));
        assert_eq!(broker.policies.of(&Address::topic("ORDERS.EU")).page_messages_max, 100);
        assert_eq!(found.said["store.leaseDuration"], 6);
        assert_eq!(found.said["policy[queue://ORDERS.>].memoryLimit"], 10);
        assert_eq!(read("").expect("nothing is right").said.len(), 0);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_what_was_meant() {
        for (text, expected) in [
            ("brokername = \"a\"", "1:1: there is no setting 'brokername' here; was brokerName meant?"),
            ("brokerName = \"\"", "1:14: brokerName needs a name"),
            ("brokerName = [1]", "1:14: brokerName needs a text"),
            ("x = ", "1:"),
            ("\n[stor]\naddress = 1", "2:2: there is no setting 'stor' here; was store meant?"),
            ("store = 1", "1:9: store needs a table"),
            ("[store]\nleaseDuration = 1", "2:17: leaseDuration needs from 100"),
            ("[store]\npasswordFile = \"gone\"", "2:16: passwordFile cannot be read"),
            ("transportConnectors = []", "1:23: no connector"),
            ("transportConnectors = [\"ssl://0.0.0.0:1\"]", "1:24: ssl://: there is no TLS"),
            ("transportConnectors = [1]", "1:24: transportConnectors needs a list"),
            ("[[policy]]\nqueue = \"A\"\ntopic = \"B\"", "1:1: a policy is for one"),
            (
                "[[policy]]\nqueue = \"A\"\n[[policy]]\nqueue = \"A\"",
                "3:1: there is a policy for queue://A already",
            ),
            ("[[policy]]\n[[policy]]", "2:1: a second policy"),
            ("networkConnector = 1", "1:20: network connectors are a list"),
            ("[[networkConnector]]", "1:1: it needs uri"),
            (
                "[[networkConnector]]\nuri = \"zeroconf:x\"",
                "2:7: uri finding brokers by zeroconf: is not built",
            ),
            (
                "[[networkConnector]]\nuri = \"static:(tcp://a:1)\"\nduplex = 1",
                "3:10: duplex needs true or false",
            ),
            (
                "[[networkConnector]]\nuri = \"static:(tcp://a:1)\"\nmessageTtl = 1",
                "3:1: there is no setting 'messageTtl' here; was messageTTL",
            ),
            ("[[policy]]\ntempQueue = false", "2:13: tempQueue needs true"),
            ("brokerName = 5", "1:14: brokerName needs a text"),
            ("maximumConnections = \"5\"", "1:22: maximumConnections needs a whole number"),
            ("destinations = \"queue://A\"", "1:16: destinations needs a list of texts"),
            ("destinations = [\"queue://A\",\n  \"topic://B.>\"]", "2:3: destinations 'B.>' is a pattern"),
            ("destinations = [\"queue://A, queue://B\"]", "1:17: destinations needs each by itself"),
            ("destinations = [1]", "1:17: destinations needs a text"),
            ("destinations = [\"\"]", "1:17: destinations needs each by itself"),
            ("memoryUsage = true", "1:15: memoryUsage needs a number of bytes"),
            (
                "[[policy]]\ngcInactiveDestinations = \"true\"",
                "2:26: gcInactiveDestinations needs true or false",
            ),
            ("[store]\npasswordVariable = \"GONE\"", "2:20: passwordVariable cannot"),
            ("[store]\npasswordProperty = \"a\"", "2:20: a password is in"),
            ("[store]\npasswordFile = 1", "2:16: a password is in"),
            ("[store]\npassword = \"\"", "2:12: a password is in"),
            ("[store]\npassword = \"a\"\npasswordFile = \"there\"", "2:12: a password is in"),
            ("[store]\npasswordFile = \"there\"\npasswordVariable = \"HERE\"", "2:16: a password is in"),
            (
                "[[policy]]\nqueue = \"A\"\nmemorylimit = 1",
                "3:1: there is no setting 'memorylimit' here; was memoryLimit meant?",
            ),
        ] {
            let problems = read(text).expect_err(text);
            assert!(problems.len() == 1 && problems[0].starts_with(expected), "{text}: {problems:?}");
        }
        for (text, expected) in [
            ("passwordFile = \"there\"", "hidden"),
            ("passwordFile = \"a\"\npasswordProperty = \"b\"", "a, b"),
            ("passwordVariable = \"HERE\"", "in the air"),
            ("password = \"in clear\"", "in clear"),
        ] {
            let read = read(&format!("[store]\n{text}")).expect("it is there");
            assert_eq!(read.configuration.store.password, Some(Secret(expected.into())));
            assert_eq!(
                (read.said[PASSWORD], read.remarks.len()),
                (2, usize::from(text.starts_with("password =")))
            );
            assert!(!format!("{read:?}").contains(expected));
        }
    }
}
