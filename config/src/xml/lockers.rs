//! `<locker>`: how the master is elected.
//!
//! The election goes with the store here: by files where there is a directory, by a row in a database. So what a locker says of times is used, and
//! its kind is not.

use super::document::Element;
use super::draft::Draft;
use super::reader::Reader;
use super::table::{Attribute, Child, Said, Table, harmless, id, read, setting, told, unbuilt, warned};
use crate::remark::Severity::{Harmless, Refused, Warning};

const JAVA: &str = "it names a part of ActiveMQ's own machinery, which is not here";
const OWN: &str = "the lock's table is made by this program, with the others";
const WAITS: &str = "a broker whose store is held waits for it as slave";

/// `<locker>`.
pub(crate) fn locker<'a>(reader: &mut Reader<'a>, element: Element<'a>, draft: &mut Draft) {
    reader.one_of(LOCKERS, element, draft);
}

const LOCKERS: &[Child<Draft>] = &[
    read("shared-file-locker", |reader, element, draft| reader.apply(&SHARED_FILE, element, draft)),
    read("database-locker", |reader, element, draft| reader.apply(&DATABASE, element, draft)),
    read("lease-database-locker", |reader, element, draft| reader.apply(&LEASE, element, draft)),
    read("transact-database-locker", |reader, element, draft| reader.apply(&DATABASE, element, draft)),
    told("bean", Refused, "no locker of another class can be used: the store has its own"),
];

pub(crate) static SHARED_FILE: Table<Draft> = Table {
    element: "shared-file-locker",
    attributes: &[
        COMMON,
        &[
            setting("lockAcquireSleepInterval", Draft::set_store),
            warned(
                "directory",
                "the lock lies with the store: brokers that are given one store are master and slaves",
            ),
        ],
    ],
    children: &[CHILDREN],
};

pub(crate) static DATABASE: Table<Draft> = Table {
    element: "database-locker",
    attributes: &[COMMON, DATABASES, &[setting("lockAcquireSleepInterval", Draft::set_store)]],
    children: &[CHILDREN],
};

pub(crate) static LEASE: Table<Draft> = Table {
    element: "lease-database-locker",
    attributes: &[
        COMMON,
        DATABASES,
        &[
            super::table::used("lockAcquireSleepInterval", |draft, text| {
                // It is both there: how long a lease lasts, and how often it is looked at.
                draft.set_store("leaseDuration", text)?;
                let often = draft.configuration.broker.lease / 4;
                draft.set_store("lockAcquireSleepInterval", &often.as_millis().to_string())?;
                Ok(())
            }),
            harmless("leaseHolderId", "each start has a number of its own"),
            harmless("maxAllowableDiffFromDBTime", "the database's clock alone counts"),
            unbuilt("handleStartException", "false", "a broker that cannot start ends, and says why"),
        ],
    ],
    children: &[CHILDREN],
};

const COMMON: &[Attribute<Draft>] = &[
    id(),
    harmless("name", JAVA),
    harmless("lockable", JAVA),
    super::table::used("failIfLocked", |_, text| match crate::value::boolean(text)? {
        false => Ok(()),
        true => Err(Said::new(Warning, WAITS)),
    }),
];

const DATABASES: &[Attribute<Draft>] = &[
    harmless("createTablesOnStartup", OWN),
    harmless("queryTimeout", "a database that does not answer is given up when the lease is out"),
    harmless("statements", OWN),
    harmless("exceptionHandler", JAVA),
    warned("dataSource", "the lock lies in the database of the messages"),
];

const CHILDREN: &[Child<Draft>] = &[
    told("lockable", Harmless, JAVA),
    told("exceptionHandler", Harmless, JAVA),
    told("statements", Harmless, OWN),
    told("dataSource", Warning, "the lock lies in the database of the messages"),
    told("directory", Warning, "the lock lies with the store"),
];
