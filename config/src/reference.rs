//! The reference of all settings, written from themselves.

use std::fmt::Write as _;

use kahawai_broker::bridge::NetworkConnector;
use kahawai_broker::core::policy::Policy;

use crate::environment::{of_broker_variable, of_policy_variable, of_store_variable};
use crate::model::Configuration;
use crate::settings::{Setting, broker, find, network, policy, store};
use crate::xml;

const BEGIN: &str = "\
# Every setting

Written from the settings themselves; a test keeps it true (`KAHAWAI_WRITE_REPORTS=1 cargo test -p kahawai-config --test reference` writes it anew).

A broker is told by a file (`kahawai serve --config FILE`, TOML or ActiveMQ's own `activemq.xml`), by the environment, and by options (`kahawai serve
--help`); of these the later counts more. `kahawai config show` prints what comes of them and where each value comes from, `kahawai config check FILE` what
is wrong or dangerous about a file, and `kahawai config convert activemq.xml` writes TOML that comes to the same.

In TOML values are of their kind: numbers and truth values stand without quotes. A time is a number of milliseconds or a text with a unit (`\"500ms\"`, `\"30s\"`,
`\"5m\"`, `\"1h\"`), a size a number of bytes or a text with one (`\"64 mb\"`). What is unknown is an error.
In `activemq.xml` a value is written as Spring takes it; the last column says where.
";

const CONNECTORS: &str = "
`transportConnectors` is a list of URIs, `tcp://HOST:PORT?OPTION=VALUE&…` (variables: `KAHAWAI_TRANSPORT_CONNECTORS`, with blanks between; `KAHAWAI_BIND` for
one `HOST:PORT`). By default `[\"tcp://127.0.0.1:61616\"]`. What the URIs say of connections holds for all, and counts more than the same setting here.

Short names of variables: `KAHAWAI_NAME` for the broker's name, `KAHAWAI_STORE` for the store's address. A variable that is empty says nothing.
";

const PASSWORDS: &str = "
The password of a database is not written into the address: `passwordFile = \"FILE\"` names a file whose first line it is (as seen from the file of
settings), with `passwordProperty = \"NAME\"` a file of Java's properties; `passwordVariable = \"NAME\"` a variable of the environment. `password = \"…\"` in clear is
taken, and warned of, as one in the address is. `KAHAWAI_STORE_PASSWORD_FILE` and `KAHAWAI_STORE_PASSWORD` count more.
";

const NETWORKS: &str = "
Messages of this broker go to others where somebody consumes them there: a bridge to each broker that `uri` names, and the other way too over the same connection with `duplex`. The other broker needs to
know nothing of it, be it a Kahawai or an ActiveMQ. A master and its slaves are one of them: `static:(failover:(tcp://a:61616,tcp://b:61616)?randomize=false)`, or
`masterslave:(tcp://a:61616,tcp://b:61616)`, which is the same. All of a list are tried, one behind the other, before there is a wait, and where a bridge breaks the others are tried first. Behind a
list's bracket stand `randomize` (true), what `static:` has of delays, for this list alone, and `nested.` with an option of an address, for each; `maxReconnectAttempts` there
means nothing: it is tried for as long as `static:` says. The variable `KAHAWAI_NETWORK_CONNECTORS` holds URIs with blanks between, each for a connector with all else as by default, and so does each `--network-connector`;
they take the place of those of a file. What ActiveMQ has besides and is not built yet is told by name.
";

const POLICIES: &str = "
Each `[[policy]]` is for one of `queue = \"…\"` and `topic = \"…\"`, a name or a pattern (`*` for one element, `>` at the end for any number) or several with commas
between, `tempQueue = true` or `tempTopic = true`; one without any is for all that no other is for, and has the variables. **One policy applies, nothing is merged**:
an exact name first, a pattern that contains another loses to it, else by name. They are read again on SIGHUP.
";

/// As Markdown.
pub fn markdown() -> String {
    let mut text = BEGIN.to_owned();
    text += "\n## The broker\n";
    text += CONNECTORS;
    let usual = Configuration::default();
    table(&mut text, broker::SETTINGS, &usual.broker, of_broker_variable, of_broker);
    text += "\n## The store: `[store]`\n";
    text += PASSWORDS;
    table(&mut text, store::SETTINGS, &usual, of_store_variable, of_store);
    text += "\n## Network connectors: `[[networkConnector]]`\n";
    text += NETWORKS;
    table(
        &mut text,
        network::SETTINGS,
        &NetworkConnector::default(),
        |_| String::new(),
        xml::used_by_network,
    );
    text += "\n## Policies: `[[policy]]`\n";
    text += POLICIES;
    table(&mut text, policy::SETTINGS, &Policy::default(), of_policy_variable, of_policy);
    text
}

/// What the strategy for dead letters has by default that is not the default one.
fn individual() -> Policy {
    let mut individual = Policy::default();
    let said = find(policy::SETTINGS, "deadLetterStrategy")
        .map(|setting| (setting.set)(&mut individual, "individual"));
    debug_assert_eq!(said, Some(Ok(())), "there is such a strategy");
    individual
}

fn table<T: 'static>(
    text: &mut String,
    settings: &'static [Setting<T>],
    usual: &T,
    variable: fn(&str) -> String,
    in_xml: fn(&str) -> Option<String>,
) {
    text.push_str("\n| setting | default | takes | what it says | variable | in `activemq.xml` |\n|---|---|---|---|---|---|\n");
    for setting in settings {
        let default = (setting.show)(usual).or_else(|| default_of(setting.name));
        let default = match default.as_deref() {
            None => "not set".to_owned(),
            Some("") => "empty".to_owned(),
            Some(shown) => format!("`{shown}`"),
        };
        let range = setting.kind.range();
        let takes = if range.is_empty() {
            setting.kind.unit().to_owned()
        } else {
            format!("{}: {range}", setting.kind.unit())
        };
        let variable = variable(setting.name);
        let in_xml = in_xml(setting.name).unwrap_or_else(|| "–".to_owned());
        let row = [
            &format!("`{}`", setting.name),
            &default,
            &takes,
            setting.about,
            &if variable.is_empty() { "–".to_owned() } else { format!("`{variable}`") },
            &in_xml,
        ];
        // A bar would end the cell.
        let row: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
}

/// The default of a setting that only another strategy has.
fn default_of(name: &str) -> Option<String> {
    let setting = find(policy::SETTINGS, name).filter(|_| find(store::SETTINGS, name).is_none());
    setting.and_then(|setting| (setting.show)(&individual()))
}

/// Where `activemq.xml` says a setting of the broker.
pub fn of_broker(name: &str) -> Option<String> {
    let option = match name {
        "maximumConnections" => "maximumConnections",
        "maxFrameSize" => "wireFormat.maxFrameSize",
        "maxInactivityDuration" => "wireFormat.maxInactivityDuration",
        "maxInactivityDurationInitalDelay" => "wireFormat.maxInactivityDurationInitalDelay",
        "connectionTimeout" => "transport.connectionTimeout",
        "soWriteTimeout" => "transport.soWriteTimeout",
        "discoveryUri" => return Some("`<transportConnector discoveryUri>`".to_owned()),
        "destinations" => return Some("`<destinations>`".to_owned()),
        "memoryUsage" => return Some("`<memoryUsage limit>`".to_owned()),
        _ => return xml::used_by_broker(name),
    };
    Some(format!("`{option}` in a connector's `uri`"))
}

/// The same of the store.
pub fn of_store(name: &str) -> Option<String> {
    match name {
        "address" => {
            Some("`<kahaDB directory>`, or the data source of `<jdbcPersistenceAdapter>`".to_owned())
        }
        "messageTableName" | "durableSubAcksTableName" => Some(format!("`<statements tablePrefix {name}>`")),
        "leaseDuration" => Some("`<lease-database-locker lockAcquireSleepInterval>`".to_owned()),
        _ => xml::used_by_store(name),
    }
}

/// The same of a policy.
pub fn of_policy(name: &str) -> Option<String> {
    match name {
        "constantPendingMessageLimitStrategy" => Some(format!("`<{name} limit>`")),
        "prefetchRatePendingMessageLimitStrategy" => Some(format!("`<{name} multiplier>`")),
        "deadLetterStrategy" => {
            Some("`<sharedDeadLetterStrategy>`, `<individualDeadLetterStrategy>`, `<discarding>`".to_owned())
        }
        _ => xml::used_by_policy(name),
    }
}
