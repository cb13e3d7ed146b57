//! What `kahawai stats` tells of a broker's bridges to others, where it has any.

use std::time::Duration;

use kahawai_client::{PrimitiveMap, Value};
use serde::Serialize;

use crate::figures::{counted, grouped};
use crate::table::Table;

/// A bridge, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct BridgeLine {
    /// Its network connector's name.
    connector: String,
    /// Whom it goes to: an address or several, or who dialled.
    target: String,
    stands: bool,
    /// Since when it does or does not, in milliseconds since 1970, and how long that is now.
    since: i64,
    milliseconds: u64,
    /// The other broker's name and address: where it stands, or stood last.
    broker: Option<String>,
    address: Option<String>,
    /// Why it does not stand, and how many tries were in vain.
    why: Option<String>,
    tries: u64,
    forwarded: u64,
    acknowledged: u64,
    in_flight: u64,
    subscriptions: u64,
}

/// Those that a broker tells of.
pub(super) fn read(broker: &PrimitiveMap) -> Vec<BridgeLine> {
    let Some(Value::List(each)) = broker.get("bridges") else { return Vec::new() };
    let maps = each.iter().filter_map(|one| match one {
        Value::Map(map) => Some(line(map)),
        _ => None,
    });
    maps.collect()
}

fn line(map: &PrimitiveMap) -> BridgeLine {
    let text = |name: &str| match map.get(name) {
        Some(Value::Text(text)) => text.to_string(),
        _ => String::new(),
    };
    let long = |name: &str| match map.get(name) {
        Some(Value::Long(value)) => *value,
        _ => 0,
    };
    let count = |name: &str| u64::try_from(long(name)).unwrap_or_default();
    let said = |name: &str| Some(text(name)).filter(|text| !text.is_empty());
    BridgeLine {
        connector: text("connector"),
        target: text("target"),
        stands: map.get("stands") == Some(&Value::Boolean(true)),
        since: long("since"),
        milliseconds: count("milliseconds"),
        broker: said("brokerName"),
        address: said("address"),
        why: said("why"),
        tries: count("tries"),
        forwarded: count("forwarded"),
        acknowledged: count("acknowledged"),
        in_flight: count("inFlight"),
        subscriptions: count("subscriptions"),
    }
}

/// For people; nothing where there are none.
pub(super) fn show(bridges: &[BridgeLine]) -> String {
    if bridges.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&[
        "bridge",
        "to",
        "broker",
        "at",
        "state",
        ">forwarded",
        ">acknowledged",
        ">in flight",
        ">subscriptions",
    ]);
    for one in bridges {
        let state = if one.stands { "stands" } else { "down" };
        let at = one.address.as_deref().filter(|at| *at != one.target && one.stands);
        table.row([
            one.connector.clone(),
            one.target.clone(),
            one.broker.clone().unwrap_or_else(|| "-".to_owned()),
            at.unwrap_or("-").to_owned(),
            format!("{state} for {}", span(one.milliseconds)),
            grouped(one.forwarded as f64),
            grouped(one.acknowledged as f64),
            grouped(one.in_flight as f64),
            grouped(one.subscriptions as f64),
        ]);
    }
    let mut text = table.without_columns_of("-").to_string();
    for one in bridges.iter().filter(|one| !one.stands) {
        let why = one.why.as_deref().unwrap_or("the first try is under way");
        let tries = if one.tries > 0 { format!(", {} in vain", tries(one.tries)) } else { String::new() };
        text += &format!(
            "{} to {}: no bridge for {}{tries}: {}\n",
            crate::table::printable(&one.connector),
            crate::table::printable(&one.target),
            span(one.milliseconds),
            crate::table::printable(why)
        );
    }
    text
}

fn tries(count: u64) -> String {
    match count {
        1 => "1 try".to_owned(),
        count => format!("{} tries", grouped(count as f64)),
    }
}

/// A length of time by its two greatest units.
fn span(milliseconds: u64) -> String {
    let seconds = Duration::from_millis(milliseconds).as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} {} h", counted(seconds / 86_400, "day"), seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridges_are_told_in_a_table_and_why_there_is_none_below_it() {
        let one = |stands: bool, target: &str| {
            let map: PrimitiveMap = [
                ("connector", Value::from("NC")),
                ("target", Value::from(target)),
                ("stands", Value::from(stands)),
                ("since", Value::from(1_000_i64)),
                ("milliseconds", Value::from(if stands { 3_723_000_i64 } else { 7_000 })),
                ("brokerName", Value::from(if stands { "there" } else { "" })),
                ("address", Value::from(if stands { "tcp://b:2" } else { "" })),
                ("why", Value::from(if stands { "" } else { "refused\u{1b}" })),
                ("tries", Value::from(3_i64)),
                ("forwarded", Value::from(1_234_i64)),
                ("acknowledged", Value::from(1_230_i64)),
                ("inFlight", Value::from(4_i64)),
                ("subscriptions", Value::from(2_i64)),
            ]
            .into_iter()
            .collect();
            Value::from(map)
        };
        let mut broker = PrimitiveMap::new();
        assert_eq!((read(&broker), show(&[])), (vec![], String::new()));
        broker.put("bridges", vec![one(true, "failover:(tcp://a:1,tcp://b:2)"), one(false, "tcp://c:3")]);
        let lines = read(&broker);
        let shown = show(&lines);
        let rows: Vec<Vec<&str>> = shown
            .lines()
            .map(|line| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect())
            .collect();
        assert_eq!(
            rows[0],
            [
                "bridge",
                "to",
                "broker",
                "at",
                "state",
                "forwarded",
                "acknowledged",
                "in flight",
                "subscriptions"
            ]
        );
        assert_eq!(
            rows[1],
            [
                "NC",
                "failover:(tcp://a:1,tcp://b:2)",
                "there",
                "tcp://b:2",
                "stands for 1 h 2 min",
                "1,234",
                "1,230",
                "4",
                "2"
            ]
        );
        assert_eq!(rows[2], ["NC", "tcp://c:3", "-", "-", "down for 7 s", "1,234", "1,230", "4", "2"]);
        assert_eq!(rows[3], ["NC to tcp://c:3: no bridge for 7 s, 3 tries in vain: refused\u{FFFD}"]);
        assert_eq!(rows.len(), 4);
        assert_eq!((lines[1].since, lines[1].broker.as_deref()), (1_000, None));
    }

    #[test]
    fn times_are_told_by_their_two_greatest_units() {
        for (seconds, expected) in
            [(59, "59 s"), (61, "1 min 1 s"), (3_661, "1 h 1 min"), (90_000, "1 day 1 h")]
        {
            assert_eq!(span(seconds * 1000), expected);
        }
    }
}
