//! An effective configuration as rows, each with where its value comes from; and those as TOML that comes to the same configuration.

use std::fmt::Write as _;

use kahawai_broker::core::address::{Address, AddressKind};
use kahawai_broker::core::policy::Policy;

use crate::destinations::BETWEEN;
use crate::origin::{CONNECTORS, Effective, Origin, PASSWORD, of_network, of_policy, of_store};
use crate::settings::broker::arbiter;
use crate::settings::{Kind, Setting, broker, network, policy, store};
use crate::store_address::StoreAddress;

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The broker, and its connections.
    Broker,
    /// Where messages are kept, and the lock there.
    Store,
    /// A network connector, by its place from 0 on.
    Network(usize),
    /// The policy for this destination.
    Policy(Address),
    /// The policy for all that no other is for.
    DefaultPolicy,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number, or true or false, as TOML and JSON write it.
    Bare(String),
    /// Texts.
    List(Vec<String>),
}

/// One setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is about.
    pub part: Part,
    /// Its name.
    pub name: &'static str,
    /// Its name with what it is about: `store.leaseDuration`.
    pub key: String,
    /// Its value, where it has one that may be shown.
    pub value: Option<Value>,
    /// Whether there is a secret in it, or it is one, that is not shown.
    pub hides: bool,
    /// Where the value comes from.
    pub origin: Origin,
}

/// All settings, in the order of TOML.
pub fn rows(effective: &Effective) -> Vec<Row> {
    let configuration = &effective.configuration;
    let mut rows = Vec::new();
    settings(&mut rows, effective, &Part::Broker, broker::SETTINGS, &configuration.broker, str::to_owned);
    let uris = configuration.broker.bind.iter().map(|bind| format!("tcp://{bind}")).collect();
    rows.push(Row {
        part: Part::Broker,
        name: CONNECTORS,
        key: CONNECTORS.to_owned(),
        value: Some(Value::List(uris)),
        hides: false,
        origin: effective.origin(CONNECTORS),
    });
    settings(&mut rows, effective, &Part::Store, store::SETTINGS, configuration, of_store);
    let address = &configuration.store.address;
    if let StoreAddress::Postgres(url) | StoreAddress::Mysql(url) = address
        && let Some(row) = rows.iter_mut().find(|row| row.key == of_store("address"))
    {
        row.hides = url.0 != address.to_string();
    }
    if let Some(text) = &configuration.broker.pair.arbiter
        && let Some(row) = rows.iter_mut().find(|row| row.key == "arbiter")
    {
        row.hides = arbiter(&configuration.broker).is_some_and(|address| address.hides(&text.0));
    }
    if configuration.store.password.is_some() {
        rows.push(Row {
            part: Part::Store,
            name: "password",
            key: PASSWORD.to_owned(),
            value: None,
            hides: true,
            origin: effective.origin(PASSWORD),
        });
    }
    for (place, connector) in configuration.broker.network_connectors.iter().enumerate() {
        let key = |name: &str| of_network(place, name);
        settings(&mut rows, effective, &Part::Network(place), network::SETTINGS, connector, key);
        let hides = |key: &str| match key {
            "password" => connector.password.is_some(),
            "remotePassword" => connector.remote_password.is_some(),
            _ => false,
        };
        // What stands for two others is shown as these.
        rows.retain(|row| row.part != Part::Network(place) || row.name != "networkTTL");
        for row in rows.iter_mut().filter(|row| row.part == Part::Network(place)) {
            row.hides = hides(row.name);
        }
    }
    for (address, policy) in configuration.broker.policies.entries() {
        policy_rows(&mut rows, effective, Some(address), policy);
    }
    policy_rows(&mut rows, effective, None, configuration.broker.policies.default_policy());
    rows
}

fn policy_rows(rows: &mut Vec<Row>, effective: &Effective, address: Option<&Address>, policy: &Policy) {
    let part = address.map_or(Part::DefaultPolicy, |address| Part::Policy(address.clone()));
    settings(rows, effective, &part, policy::SETTINGS, policy, |name| of_policy(address, name));
}

fn settings<T>(
    rows: &mut Vec<Row>,
    effective: &Effective,
    part: &Part,
    list: &'static [Setting<T>],
    of: &T,
    key: impl Fn(&str) -> String,
) {
    for setting in list {
        let key = key(setting.name);
        let origin = effective.origin(&key);
        let value = (setting.show)(of).map(|text| value(setting.kind, text));
        rows.push(Row { part: part.clone(), name: setting.name, key, value, hides: false, origin });
    }
}

/// What is shown of a setting, as what it is.
fn value(kind: Kind, text: String) -> Value {
    let is_bare = match kind {
        Kind::List => {
            let texts = text.split(BETWEEN).map(str::trim).filter(|text| !text.is_empty());
            return Value::List(texts.map(str::to_owned).collect());
        }
        Kind::Text | Kind::Word(_) => false,
        Kind::Truth | Kind::Whole { .. } | Kind::Decimal => true,
        Kind::Size { .. } | Kind::Time { .. } => text.parse::<i64>().is_ok(),
    };
    if is_bare { Value::Bare(text) } else { Value::Text(text) }
}

/// Which rows are written, and what is written behind them.
pub(crate) type Choose<'a> = &'a dyn Fn(&Row) -> Option<String>;

/// As TOML, where what comes from where stands behind it. Secrets are left out, and said to be.
pub fn toml(rows: &[Row]) -> String {
    write(rows, &|row| Some(row.origin.to_string()))
}

/// As TOML, with what is chosen of it, each with a comment behind it.
pub(crate) fn write(rows: &[Row], choose: Choose<'_>) -> String {
    let mut text = String::new();
    for part in rows.chunk_by(|one, other| one.part == other.part) {
        let chosen: Vec<(&Row, String)> =
            part.iter().filter_map(|row| choose(row).map(|comment| (row, comment))).collect();
        let Some(first) = part.first() else { continue };
        let heading = heading(&first.part);
        if chosen.is_empty() && !matches!(first.part, Part::Policy(_) | Part::Network(_)) {
            continue;
        }
        if !text.is_empty() && !heading.is_empty() {
            text.push('\n');
        }
        text += &heading;
        let lines: Vec<(String, String)> = chosen.iter().map(|(row, comment)| line(row, comment)).collect();
        // What is longer than most does not move the others.
        let widths = lines.iter().map(|(left, _)| left.chars().count());
        let width = widths.filter(|width| *width <= 60).max().unwrap_or(0);
        for (left, comment) in lines {
            let _ = writeln!(text, "{left:width$}  # {}", self::comment(&comment));
        }
    }
    text
}

fn heading(part: &Part) -> String {
    match part {
        Part::Broker => String::new(),
        Part::Store => "[store]\n".to_owned(),
        Part::Network(_) => "[[networkConnector]]\n".to_owned(),
        Part::DefaultPolicy => "[[policy]]  # for all that no other is for\n".to_owned(),
        Part::Policy(address) => {
            let name = match address.kind {
                AddressKind::Queue => "queue",
                AddressKind::Topic => "topic",
                AddressKind::TemporaryQueue => "tempQueue",
                AddressKind::TemporaryTopic => "tempTopic",
            };
            let value = match address.kind.is_temporary() && &*address.name == ">" {
                true => "true".to_owned(),
                false => quoted(&address.name),
            };
            format!("[[policy]]\n{name} = {value}\n")
        }
    }
}

/// A row's setting, and what stands behind it.
fn line(row: &Row, comment: &str) -> (String, String) {
    let Some(value) = &row.value else {
        let left = if row.hides {
            format!("# {} is hidden", row.name)
        } else {
            format!("# {} is not set", row.name)
        };
        return (left, comment.to_owned());
    };
    let value = match value {
        Value::Text(text) => quoted(text),
        Value::Bare(text) => text.clone(),
        Value::List(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
            format!("[{}]", texts.join(", "))
        }
    };
    let comment = match row.hides {
        true => format!("{comment}; the password in it is hidden"),
        false => comment.to_owned(),
    };
    (format!("{} = {value}", row.name), comment)
}

/// A text as it may stand in a comment.
pub fn comment(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { '?' } else { one }).collect()
}

/// A text as TOML's basic string.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for one in text.chars() {
        match one {
            '"' | '\\' => quoted.extend(['\\', one]),
            one if one.is_control() => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(one));
            }
            one => quoted.push(one),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::toml_file;

    const TEXT: &str = r#"brokerName = "a \"b\" \\ é"
transportConnectors = ["tcp://0.0.0.0:61616?maximumConnections=5000", "tcp://[::1]:0"]
maxFailoverProducersToTrack = 7
destinations = ["queue://A B", "topic://T"]
[store]
address = "mysql://me:hidden@host/db"
journalIo = "plain"
journalMaxWriteBatchSize = "1mb"
leaseDuration = "5s"
[[policy]]
queue = "A.>, B"
memoryLimit = "64 mb"
deadLetterStrategy = "individual"
queuePrefix = ""
prefetchRatePendingMessageLimitStrategy = 1e300
[[policy]]
topic = "T.\u0001"
deadLetterQueue = "topic://DEAD"
journalDiskSyncStrategy = "never"
[[policy]]
tempTopic = true
[[policy]]
tempQueue = "ID:a.>"
constantPendingMessageLimitStrategy = -1
[[policy]]
gcInactiveDestinations = true
[[networkConnector]]
uri = "static:(tcp://a:1?connectionTimeout=7,tcp://[::1]:2)?minConnectTime=9"
messageTTL = -1
excludedDestinations = ["queue://A.>", "topic://B"]
remoteUserName = "me"
[[networkConnector]]
uri = "static:(tcp://b:1)"
"#;

    fn read(text: &str) -> Effective {
        let none = |_: &crate::secret::Reference| Ok(Secret("hidden".to_owned()));
        let read = toml_file::read(text, &none).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
        assert_eq!(read.remarks, []);
        let file = || "a.toml".to_owned();
        let origins =
            read.said.into_iter().map(|(key, line)| (key, Origin::File { file: file(), line: line as u32 }));
        Effective { configuration: read.configuration, origins: origins.collect(), passed_over: None }
    }

    #[test]
    fn what_is_shown_comes_to_the_same_but_for_secrets() {
        for text in ["", TEXT] {
            let effective = read(text);
            let shown = toml(&rows(&effective));
            assert!(
                !shown.contains("hidden@") && shown.contains("hidden") == text.contains("hidden"),
                "{shown}"
            );
            let again = read(&shown);
            let plain =
                |rows: Vec<Row>| -> Vec<_> { rows.into_iter().map(|row| (row.key, row.value)).collect() };
            assert_eq!(plain(rows(&again)), plain(rows(&effective)), "{shown}");
            let (one, other) = (&again.configuration, &effective.configuration);
            assert_eq!(one.broker.policies.entries(), other.broker.policies.entries());
            assert_eq!(one.broker.network_connectors, other.broker.network_connectors);
            assert_eq!(one.broker.policies.default_policy(), other.broker.policies.default_policy());
        }
    }

    #[test]
    fn each_value_has_where_it_comes_from() {
        let mut effective = read(TEXT);
        effective.configuration.store.password = Some(Secret("word".into()));
        effective.note(PASSWORD, Origin::Environment("KAHAWAI_STORE_PASSWORD".into()));
        effective.note(of_store("leaseDuration"), Origin::Option("--lease-duration"));
        let rows = rows(&effective);
        let origin = |key: &str| {
            let row = rows.iter().find(|row| row.key == key);
            row.unwrap_or_else(|| panic!("no {key}")).origin.to_string()
        };
        for (key, expected) in [
            ("brokerName", "a.toml:1"),
            ("transportConnectors", "a.toml:2"),
            ("maximumConnections", "a.toml:2"),
            ("maxFrameSize", "default"),
            ("store.address", "a.toml:6"),
            ("store.leaseDuration", "--lease-duration"),
            ("store.password", "KAHAWAI_STORE_PASSWORD"),
            ("policy[queue://B].memoryLimit", "a.toml:12"),
            ("policy[queue://A.>].memoryLimit", "a.toml:12"),
            ("policy[queue://A.>].maxPageSize", "default"),
            ("policy[default].gcInactiveDestinations", "a.toml:26"),
        ] {
            assert_eq!(origin(key), expected, "{key}");
        }
        let shown = toml(&rows);
        assert!(!shown.contains("word\n") && shown.contains("# password is hidden"), "{shown}");
        assert!(shown.contains("leaseDuration = 5000") && shown.contains("# --lease-duration"), "{shown}");
    }
}
