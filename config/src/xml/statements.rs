//! `<statements>`: how ActiveMQ's own tables are called. None of them is read or written, but they are looked for before a store is begun in
//! their database.

use super::bean;
use super::document::Element;
use super::draft::Draft;
use super::reader::Reader;
use super::table::{Attribute, Child, Table, Target, harmless, id, told, used};
use crate::model::StoreConfig;
use crate::remark::Severity::{Harmless, Refused, Warning};
use crate::report::Place;

const OWN: &str =
    "tables and statements are this program's own: none of ActiveMQ's tables is read or written";
/// ActiveMQ's class of it.
const CLASS: &str = "org.apache.activemq.store.jdbc.Statements";

/// Whether a bean of this class is read where a store refers to it.
pub(crate) fn is_class(class: &str) -> bool {
    class == CLASS
}

/// The names, as far as they were said.
#[derive(Default)]
pub(crate) struct Names {
    prefix: String,
    messages: Option<String>,
    acks: Option<String>,
}

impl Target for Names {
    fn at(&mut self, _: &Place) {}
}

/// `<statements>` of an adapter, with them in it or a reference to them.
pub(crate) fn held<'a>(reader: &mut Reader<'a>, property: Element<'a>, draft: &mut Draft) {
    if let Some(found) = reader.held(property) {
        read(reader, found, draft);
    }
}

/// The attribute, which refers to them.
pub(crate) fn referred<'a>(reader: &mut Reader<'a>, adapter: Element<'a>, draft: &mut Draft) {
    let Some(id) = adapter.attribute("statements") else { return };
    if let Some(found) = reader.referred(adapter, "statements of <jdbcPersistenceAdapter>".to_owned(), id) {
        read(reader, found, draft);
    }
}

fn read<'a>(reader: &mut Reader<'a>, found: Element<'a>, draft: &mut Draft) {
    let mut names = Names::default();
    if found.is_core() && found.name() == STATEMENTS.element {
        reader.apply(&STATEMENTS, found, &mut names);
    } else if found.is_beans() && is_class(found.attribute("class").unwrap_or_default()) {
        for (name, text) in bean::properties(reader, found) {
            match name.as_str() {
                "tablePrefix" => names.prefix = text,
                "messageTableName" => names.messages = Some(text),
                "durableSubAcksTableName" => names.acks = Some(text),
                _ => {}
            }
        }
    } else {
        let advice =
            "it may have messages in tables that nobody here knows of: write <statements tablePrefix=\"…\"/>";
        return reader.say_of(found, Refused, advice);
    }
    let StoreConfig { message_table_name, durable_sub_acks_table_name, .. } =
        draft.configuration.store.clone();
    for (setting, usual, said) in [
        ("messageTableName", message_table_name, names.messages),
        ("durableSubAcksTableName", durable_sub_acks_table_name, names.acks),
    ] {
        if said.is_none() && names.prefix.is_empty() {
            continue;
        }
        let full = format!("{}{}", names.prefix, said.unwrap_or(usual));
        draft.at(&found.place());
        if let Err(problem) = draft.set_store(setting, &full) {
            reader.say(found.place(), setting.to_owned(), Refused, problem);
        }
    }
}

pub(crate) static STATEMENTS: Table<Names> =
    Table { element: "statements", attributes: &[ATTRIBUTES], children: &[CHILDREN] };

const ATTRIBUTES: &[Attribute<Names>] = &[
    id(),
    used("tablePrefix", |names, text| {
        names.prefix = text.to_owned();
        Ok(())
    }),
    used("messageTableName", |names, text| {
        names.messages = Some(text.to_owned());
        Ok(())
    }),
    used("durableSubAcksTableName", |names, text| {
        names.acks = Some(text.to_owned());
        Ok(())
    }),
    harmless("addMessageStatement", OWN),
    harmless("binaryDataType", OWN),
    harmless("clearDurableLastAckInTxStatement", OWN),
    harmless("clearXidFlagStatement", OWN),
    harmless("containerNameDataType", OWN),
    harmless("createDurableSubStatement", OWN),
    harmless("currentDateTimeStatement", OWN),
    harmless("deleteOldMessagesStatementWithPriority", OWN),
    harmless("deleteSubscriptionStatement", OWN),
    harmless("destinationMessageCountStatement", OWN),
    harmless("dropAckPKAlterStatementEnd", OWN),
    harmless("durableSubscriberMessageCountStatement", OWN),
    harmless("durableSubscriberMessageCountStatementWithPriority", OWN),
    harmless("findAcksPendingOutcomeStatement", OWN),
    harmless("findAllDestinationsStatement", OWN),
    harmless("findAllDurableSubMessagesStatement", OWN),
    harmless("findAllDurableSubsStatement", OWN),
    harmless("findAllMessageIdsStatement", OWN),
    harmless("findAllMessagesStatement", OWN),
    harmless("findDurableSubMessagesStatement", OWN),
    harmless("findDurableSubStatement", OWN),
    harmless("findLastSequenceIdInAcksStatement", OWN),
    harmless("findLastSequenceIdInMsgsStatement", OWN),
    harmless("findMessageByIdStatement", OWN),
    harmless("findMessageSequenceIdStatement", OWN),
    harmless("findMessageStatement", OWN),
    harmless("findNextMessagesByPriorityStatement", OWN),
    harmless("findNextMessagesStatement", OWN),
    harmless("findOpsPendingOutcomeStatement", OWN),
    harmless("findXidByIdStatement", OWN),
    harmless("insertDurablePriorityAckStatement", OWN),
    harmless("lastAckedDurableSubscriberMessageStatement", OWN),
    harmless("lastProducerSequenceIdStatement", OWN),
    harmless("leaseObtainStatement", OWN),
    harmless("leaseOwnerStatement", OWN),
    harmless("leaseUpdateStatement", OWN),
    harmless("lockCreateStatement", OWN),
    harmless("lockTableName", OWN),
    harmless("lockUpdateStatement", OWN),
    harmless("longDataType", OWN),
    harmless("msgIdDataType", OWN),
    harmless("nextDurableSubscriberMessageStatement", OWN),
    harmless("removeAllMessagesStatement", OWN),
    harmless("removeAllSubscriptionsStatement", OWN),
    harmless("removeMessageStatment", OWN),
    harmless("selectDurablePriorityAckStatement", OWN),
    harmless("sequenceDataType", OWN),
    harmless("stringIdDataType", OWN),
    harmless("updateDurableLastAckInTxStatement", OWN),
    harmless("updateDurableLastAckStatement", OWN),
    harmless("updateDurableLastAckWithPriorityInTxStatement", OWN),
    harmless("updateDurableLastAckWithPriorityStatement", OWN),
    harmless("updateLastPriorityAckRowOfDurableSubStatement", OWN),
    harmless("updateMessageStatement", OWN),
    harmless("updateXidFlagStatement", OWN),
    harmless("useExternalMessageReferences", OWN),
    harmless("useLockCreateWhereClause", OWN),
];

const CHILDREN: &[Child<Names>] = &[
    told("createSchemaStatements", Warning, OWN),
    told("createLockSchemaStatements", Harmless, OWN),
    told("dropSchemaStatements", Harmless, OWN),
];
