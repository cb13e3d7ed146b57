//! `<jdbcPersistenceAdapter>`: the store in a database, whose data source is a bean of the file.

use super::bean::{properties, texts};
use super::document::Element;
use super::draft::Draft;
use super::reader::{Reader, shown};
use super::table::{
    Attribute, Child, Table, Target as _, door_unless, fixed, harmless, id, read, read_held, told, used,
    warned,
};
use super::{lockers, statements};
use crate::data_source;
use crate::origin::{PASSWORD, of_store};
use crate::remark::Severity::{Harmless, Refused, Warning};
use crate::secret::Written;

const JAVA: &str = "it names a part of ActiveMQ's own machinery, which is not here";
const OWN: &str =
    "tables and statements are this program's own: none of ActiveMQ's tables is read or written";
const NO_SOURCE: &str = "it needs a data source: dataSource=\"#mysql-ds\", and a bean of that id (ActiveMQ's own default is Derby, which is not here)";

/// `<jdbcPersistenceAdapter>`.
pub(crate) fn adapter<'a>(reader: &mut Reader<'a>, element: Element<'a>, draft: &mut Draft) {
    reader.apply(&ADAPTER, element, draft);
    statements::referred(reader, element, draft);
    let named = ["dataSource", "ds"].into_iter().find_map(|name| Some((name, element.attribute(name)?)));
    let Some((name, id)) = named else {
        if !draft.has_source {
            reader.say_of(element, Refused, NO_SOURCE);
        }
        return;
    };
    if draft.has_source {
        return reader.say_of(element, Refused, "there are two data sources: a broker has one store");
    }
    if let Some(bean) = reader.referred(element, format!("{name} of <jdbcPersistenceAdapter>"), id) {
        source(reader, bean, draft);
    }
}

/// `<dataSource>`, with a bean in it or a reference to one.
fn held_source<'a>(reader: &mut Reader<'a>, property: Element<'a>, draft: &mut Draft) {
    if draft.has_source {
        return reader.say_of(property, Refused, "there are two data sources: a broker has one store");
    }
    draft.has_source = true;
    if let Some(bean) = reader.held(property) {
        source(reader, bean, draft);
    }
}

/// A data source's bean.
fn source<'a>(reader: &mut Reader<'a>, bean: Element<'a>, draft: &mut Draft) {
    if bean.name() != "bean" {
        let advice = "it is no data source: write <bean class=\"org.apache.commons.dbcp2.BasicDataSource\">";
        return reader.say_of(bean, Refused, advice);
    }
    let argument = || bean.children().find(|child| child.name() == "constructor-arg");
    if bean.attribute("class") == Some(data_source::HIKARI)
        && let Some(argument) = argument()
    {
        return configured(reader, bean, argument, draft);
    }
    let id = bean.attribute("id").or_else(|| bean.attribute("name"));
    let whose = id.map_or_else(|| "<bean>".to_owned(), |id| format!("bean {}", shown(id)));
    let properties = properties(reader, bean);
    let read = data_source::read(bean.attribute("class").unwrap_or_default(), &properties);
    for remark in read.remarks {
        let what = format!("{} of {whose}", remark.what);
        reader.say(bean.place(), what, remark.severity, remark.why);
    }
    if let Some(address) = read.address {
        draft.configuration.store.address = address;
        draft.configuration.store.password = read.password;
        draft.at(&bean.place());
        draft.note(of_store("address"));
        if let Some(password) = &draft.configuration.store.password {
            draft.password = Some(written(reader, bean, &password.0));
            draft.note(PASSWORD);
        }
    }
}

/// HikariCP's, which is given its configuration as a bean.
fn configured<'a>(reader: &mut Reader<'a>, bean: Element<'a>, argument: Element<'a>, draft: &mut Draft) {
    for (name, _, place) in texts(bean) {
        let advice = "write it in the configuration that the constructor is given: here it is not read";
        reader.say(place, format!("property {} of <bean>", shown(name)), Refused, advice);
    }
    let Some(configuration) = reader.held(argument) else { return };
    if configuration.attribute("class") == Some(data_source::HIKARI_CONFIGURATION) {
        return source(reader, configuration, draft);
    }
    let advice = format!("it needs a bean of the class {}", data_source::HIKARI_CONFIGURATION);
    reader.say_of(argument, Refused, advice);
}

/// How a bean's password is written: in a property of its own, or in the URL.
fn written<'a>(reader: &Reader<'a>, bean: Element<'a>, password: &str) -> Written {
    let texts: Vec<_> = texts(bean).collect();
    let own = texts.iter().find(|(name, _, _)| *name == "password").and_then(|(_, text, _)| text.as_ref());
    let is_it = |text: &str| reader.definitions.resolve(text).is_ok_and(|text| text.trim() == password);
    match own.filter(|text| is_it(text)) {
        Some(text) => reader.definitions.written(text, password),
        // What has no placeholder anywhere is in clear.
        None if texts.iter().all(|(_, text, _)| text.as_ref().is_none_or(|text| !text.contains("${"))) => {
            Written::Clear
        }
        None => Written::Elsewhere,
    }
}

pub(crate) static ADAPTER: Table<Draft> =
    Table { element: "jdbcPersistenceAdapter", attributes: &[ATTRIBUTES], children: &[CHILDREN] };

const ATTRIBUTES: &[Attribute<Draft>] = &[
    id(),
    // Read by whoever reads the element.
    used("dataSource", |_, _| Ok(())),
    used("ds", |_, _| Ok(())),
    warned("lockDataSource", "the lock lies in the database of the messages"),
    door_unless("useDatabaseLock", "true", "without the lock two brokers would serve one database at once"),
    door_unless("useLock", "true", "without the lock two brokers would serve one database at once"),
    fixed("createTablesOnStartup", "true", "tables are made where there are none"),
    harmless("adapter", OWN),
    // Read as that.
    used("statements", |_, _| Ok(())),
    harmless("databaseLocker", "the election goes with the store: by a row in its database"),
    harmless("locker", "the election goes with the store: by a row in its database"),
    harmless(
        "lockKeepAlivePeriod",
        "each commit proves mastership, and a lease is kept while there are none",
    ),
    warned(
        "lockAcquireSleepInterval",
        "write it in a <locker>: <locker><lease-database-locker lockAcquireSleepInterval=\"…\"/></locker>",
    ),
    harmless("cleanupPeriod", "nothing is left that would have to be cleaned up"),
    harmless("transactionIsolation", OWN),
    harmless("changeAutoCommitAllowed", OWN),
    harmless("auditRecoveryDepth", "the last message of each producer is known, and that is enough"),
    harmless("enableAudit", "the last message of each producer is known, and that is enough"),
    harmless("maxAuditDepth", "the last message of each producer is known, and that is enough"),
    harmless("maxProducersToAudit", "the last message of each producer is known, and that is enough"),
    harmless("maxRows", OWN),
    harmless("networkTimeout", "a database that does not answer is given up when the lease is out"),
    harmless("queryTimeout", "a database that does not answer is given up when the lease is out"),
    harmless("stopOnError", "a store that fails ends the broker, and a slave takes over"),
    harmless("useExternalMessageReferences", OWN),
    harmless("wireFormat", JAVA),
    harmless("dataDirectory", "nothing of it lies in files"),
    harmless("dataDirectoryFile", "nothing of it lies in files"),
    harmless("directory", "nothing of it lies in files"),
    harmless("brokerName", JAVA),
    harmless("brokerService", JAVA),
    harmless("scheduledThreadPoolExecutor", JAVA),
    harmless("usageManager", JAVA),
];

const CHILDREN: &[Child<Draft>] = &[
    read("locker", lockers::locker),
    read("databaseLocker", lockers::locker),
    told("adapter", Harmless, OWN),
    read_held("statements", statements::held),
    told("brokerService", Harmless, JAVA),
    told("dataDirectoryFile", Harmless, "nothing of it lies in files"),
    told("directory", Harmless, "nothing of it lies in files"),
    read_held("dataSource", held_source),
    read_held("ds", held_source),
    told("lockDataSource", Warning, "the lock lies in the database of the messages"),
    told("scheduledThreadPoolExecutor", Harmless, JAVA),
    told("usageManager", Harmless, JAVA),
    told("wireFormat", Harmless, JAVA),
];
