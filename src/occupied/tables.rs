//! ActiveMQ's rows in a database that a store would be begun in.

use std::fmt::Display;

use kahawai_adapters::activemq::{Found, Rows};
use kahawai_store::election::ElectionError;

use super::census::Census;

/// Refuses to begin a store beside rows of ActiveMQ's. Beside a store that is there already they are told of.
pub(crate) fn refuse_rows(database: &dyn Display, found: Found) -> Result<(), ElectionError> {
    let rows = match found {
        Found::Nothing => return Ok(()),
        Found::BesideOurs(tables) => {
            tracing::warn!(
                "{database}: rows of ActiveMQ lie beside the store, in {}: nothing of them is served",
                tables.join(", ")
            );
            return Ok(());
        }
        Found::Alone(rows) => rows,
    };
    let (tables, unknown) = (rows.tables.join(", "), rows.unknown.clone());
    let census = census(rows);
    let why = unknown.map(|why| format!(" ({why})")).unwrap_or_default();
    let todo = if census.has_no_message() {
        "No message is lost by dropping these tables and starting again: a durable subscription is made anew when its client comes, and \
         keeps what is sent from then on. Or give another database, or another schema, by --store"
    } else {
        "Start ActiveMQ on it once more and let the consumers drain it, then drop its tables; or give another database, or another schema, \
         by --store (a later version will import them)"
    };
    let told = format!(
        "{database}: ActiveMQ's tables there ({tables}) hold {}{why}; a new store would pass them over. {todo}",
        census.words()
    );
    Err(ElectionError::Occupied(told.into()))
}

fn census(rows: Rows) -> Census {
    let mut census = Census {
        subscriptions: rows.subscriptions,
        prepared: rows.prepared,
        prepared_messages: rows.prepared_messages,
        is_exact: rows.unknown.is_none(),
        ..Census::default()
    };
    for (destination, messages) in rows.destinations {
        *census.destinations.entry(destination).or_default() += messages;
    }
    census
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rows: Rows) -> String {
        let refused = refuse_rows(&"postgres://me@here/mq", Found::Alone(rows));
        refused.expect_err("is refused").to_string()
    }

    #[test]
    fn rows_are_told_of_and_refused() {
        let rows = Rows {
            tables: vec!["activemq_msgs".to_owned()],
            destinations: vec![("queue://A".to_owned(), 2)],
            ..Rows::default()
        };
        let all = told(rows.clone());
        assert!(all.contains("(activemq_msgs) hold 2 messages in 1 destination (queue://A 2); "), "{all}");
        assert!(all.contains("let the consumers drain it"), "{all}");
        let unknown = Some("the table activemq_acks may not be read".to_owned());
        let some = told(Rows { unknown: unknown.clone(), ..rows });
        assert!(some.contains("at least 2 messages") && some.contains("may not be read"), "{some}");
        let none = told(Rows { unknown, ..Rows::default() });
        assert!(none.contains("unknown") && none.contains("drain"), "{none}");
        let subscribed = told(Rows { subscriptions: 1, ..Rows::default() });
        assert!(subscribed.contains("no message, 1 durable subscription"), "{subscribed}");
        assert!(subscribed.contains("No message is lost by dropping"), "{subscribed}");
    }

    #[test]
    fn where_nothing_is_in_the_way_nothing_is_refused() {
        assert!(refuse_rows(&"here", Found::Nothing).is_ok());
        assert!(refuse_rows(&"here", Found::BesideOurs(vec!["ACTIVEMQ_MSGS".to_owned()])).is_ok());
    }
}
