//! `kahawai store diff`: whether two stores that nobody serves hold the same, message by message.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use kahawai_journal::inspect::Inspection;
use kahawai_journal::options::JournalOptions;
use kahawai_store::batch::{DestinationKind, Operation};
use kahawai_store::contract::{Page, ReadRequest, Recovered, StoreError, StoreWait as _, StoredMessage};
use kahawai_store::names::{DestinationId, SubscriptionId, Xid};
use kahawai_store::replica::ReplicaWait as _;
use serde_json::json;

use super::opened::{Opened, refuse_in_use};
use super::options::DiffOptions;
use super::verdict::{Trouble, Verdict};

/// No more than so many differences are listed; all are counted.
const LISTED_MAX: u64 = 100;
/// Of a value so many letters are shown.
const SHOWN_MAX: usize = 200;
/// How much of each store is held at once.
const PAGE_MESSAGES: usize = 500;
const PAGE_BYTES: usize = 16 << 20;

/// What differs.
struct Differences<'a> {
    out: &'a mut dyn Write,
    json: bool,
    count: u64,
    listed: Vec<String>,
}

impl Differences<'_> {
    fn add(&mut self, what: String) -> Result<(), Trouble> {
        self.count += 1;
        if self.count > LISTED_MAX {
            return Ok(());
        }
        if self.json {
            self.listed.push(what);
            return Ok(());
        }
        Ok(writeln!(self.out, "{what}")?)
    }
}

pub(super) fn run(options: &DiffOptions, out: &mut dyn Write) -> Result<Verdict, Trouble> {
    let paths = [&options.store, &options.other];
    let same = |path: &PathBuf| std::fs::canonicalize(path).ok();
    if same(paths[0]).is_some() && same(paths[0]) == same(paths[1]) {
        return Err(Trouble::Other("these are one store".to_owned()));
    }
    let mut opened = Vec::new();
    for path in paths {
        Inspection::open(path)?;
        refuse_in_use(path, "stop it for the comparison")?;
        opened.push(Opened::open(path, "kahawai store diff", JournalOptions::default())?);
    }
    let mut differences = Differences { out, json: options.json, count: 0, listed: Vec::new() };
    let compared = compare(paths, &opened, &mut differences);
    opened.into_iter().for_each(Opened::close);
    let messages = compared?;
    let Differences { out, count, listed, .. } = differences;
    if options.json {
        let report =
            json!({ "equal": count == 0, "messages": messages, "differences": count, "listed": listed });
        writeln!(out, "{report:#}")?;
    } else if count == 0 {
        writeln!(out, "equal: {messages} messages, each in its place")?;
    } else {
        writeln!(
            out,
            "different: {count} differences{}",
            if count > LISTED_MAX { ", the first of them listed" } else { "" }
        )?;
    }
    Ok(Verdict::of(count > 0))
}

fn compare(
    paths: [&PathBuf; 2],
    opened: &[Opened],
    differences: &mut Differences<'_>,
) -> Result<u64, Trouble> {
    let [one, other] = opened else { return Ok(0) };
    let failed = |path: &Path, error: &StoreError| Trouble::Other(format!("{}: {error}", path.display()));
    let recovered = |at: usize, opened: &Opened| {
        opened.journal().recover_wait().map_err(|error| failed(paths[at], &error))
    };
    let held = [recovered(0, one)?, recovered(1, other)?];
    outlines(&held, differences)?;
    for prepared in &held[0].prepared {
        let xid = &prepared.xid;
        if held[1].prepared.iter().any(|other| other.xid == *xid)
            && operations(one, xid) != operations(other, xid)
        {
            differences.add(format!("prepared transaction {xid} would do other things"))?;
        }
    }
    let mut messages = 0;
    for (destination, subscription) in places(&held[0]) {
        if !places(&held[1]).contains(&(destination, subscription)) {
            continue;
        }
        let mut cursors =
            [Cursor::new(one, destination, subscription), Cursor::new(other, destination, subscription)];
        loop {
            let mut found = [None, None];
            for (at, cursor) in cursors.iter_mut().enumerate() {
                found[at] = cursor.peek().map_err(|error| failed(paths[at], &error))?;
            }
            let text = |stored: &StoredMessage| {
                format!(
                    "message {} ({}) at {}",
                    stored.id, stored.message.header.message_id, stored.cursor.arrival
                )
            };
            let place = match subscription {
                None => format!("queue {destination}"),
                Some(subscription) => format!("subscription {subscription}"),
            };
            let lacks = |at: usize, stored: &StoredMessage| {
                format!("{place}: {} is not in {}", text(stored), paths[at].display())
            };
            match &found {
                [None, None] => break,
                [Some(a), Some(b)] if a.cursor == b.cursor => {
                    messages += 1;
                    if (a.id, &a.message) != (b.id, &b.message) {
                        differences.add(format!("{place}: {} is another than {}", text(a), text(b)))?;
                    }
                    cursors.iter_mut().for_each(Cursor::go_on);
                }
                [Some(a), Some(b)] if a.cursor < b.cursor => {
                    differences.add(lacks(1, a))?;
                    cursors[0].go_on();
                }
                [Some(a), None] => {
                    differences.add(lacks(1, a))?;
                    cursors[0].go_on();
                }
                [_, Some(b)] => {
                    differences.add(lacks(0, b))?;
                    cursors[1].go_on();
                }
            }
        }
        for (at, cursor) in cursors.iter().enumerate() {
            if cursor.damaged > 0 {
                differences.add(format!(
                    "{} messages of destination {destination} cannot be read in {}",
                    cursor.damaged,
                    paths[at].display()
                ))?;
            }
        }
    }
    Ok(messages)
}

/// What exists beside messages.
fn outlines(held: &[Recovered; 2], differences: &mut Differences<'_>) -> Result<(), Trouble> {
    let lists = |held: &Recovered| -> BTreeMap<String, String> {
        let destinations = held.destinations.iter().map(|state| {
            (
                format!("destination {}", state.destination.id),
                format!("{:?}, {} messages", state.destination, state.messages),
            )
        });
        let subscriptions = held.subscriptions.iter().map(|state| {
            let name = format!("subscription {}", state.subscription.id);
            (name, format!("{:?}, {} messages", state.subscription, state.messages))
        });
        let prepared = held.prepared.iter().map(|prepared| {
            (
                format!("prepared transaction {}", prepared.xid),
                format!("{} messages to send", prepared.enqueues),
            )
        });
        let tables = held.tables.iter().map(|entry| {
            let name = format!("table {}, key {}", entry.table, String::from_utf8_lossy(&entry.key));
            (name, format!("{:02x?}", &entry.value[..]))
        });
        let counters = [
            ("the next arrival", held.arrival_next),
            ("the next message id", held.message_id_next.0),
            ("the next destination id", held.destination_id_next.0),
            ("the next subscription id", held.subscription_id_next.0),
        ];
        let counters = counters.map(|(name, value)| (name.to_owned(), value.to_string()));
        let last = [("the last batch".to_owned(), held.batch_last.to_string())];
        destinations.chain(subscriptions).chain(prepared).chain(tables).chain(counters).chain(last).collect()
    };
    let [one, other] = [lists(&held[0]), lists(&held[1])];
    let mut names: Vec<_> = one.keys().chain(other.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        match (one.get(name), other.get(name)) {
            (Some(a), Some(b)) if a == b => {}
            (a, b) => {
                let shown = |value: Option<&String>| match value {
                    Some(value) if value.len() > SHOWN_MAX => {
                        format!("{}…", value.chars().take(SHOWN_MAX).collect::<String>())
                    }
                    Some(value) => value.clone(),
                    None => "nothing".to_owned(),
                };
                differences.add(format!("{name}: {} here, {} there", shown(a), shown(b)))?;
            }
        }
    }
    Ok(())
}

fn operations(opened: &Opened, xid: &Xid) -> Option<Vec<Vec<Operation>>> {
    opened.journal().prepared_wait(xid.clone()).ok()
}

fn places(held: &Recovered) -> Vec<(DestinationId, Option<SubscriptionId>)> {
    let queues = held.destinations.iter().filter(|state| state.destination.kind == DestinationKind::Queue);
    let queues = queues.map(|state| (state.destination.id, None));
    let subscriptions = held.subscriptions.iter();
    queues
        .chain(subscriptions.map(|state| (state.subscription.destination, Some(state.subscription.id))))
        .collect()
}

/// Goes through what waits in one place.
struct Cursor<'a> {
    opened: &'a Opened,
    request: ReadRequest,
    page: std::vec::IntoIter<StoredMessage>,
    next: Option<StoredMessage>,
    ended: bool,
    damaged: usize,
}

impl<'a> Cursor<'a> {
    fn new(opened: &'a Opened, destination: DestinationId, subscription: Option<SubscriptionId>) -> Self {
        let request = ReadRequest {
            destination,
            subscription,
            after: None,
            messages_max: PAGE_MESSAGES,
            bytes_max: PAGE_BYTES,
        };
        Self { opened, request, page: Vec::new().into_iter(), next: None, ended: false, damaged: 0 }
    }

    fn peek(&mut self) -> Result<Option<StoredMessage>, StoreError> {
        while self.next.is_none() {
            self.next = self.page.next();
            if self.next.is_some() || self.ended {
                break;
            }
            let page: Page = self.opened.journal().read_wait(self.request)?;
            self.ended = page.end || page.cursor_last().is_none();
            self.damaged += page.damaged.len();
            self.request.after = page.cursor_last().or(self.request.after);
            self.page = page.messages.into_iter();
        }
        Ok(self.next.clone())
    }

    fn go_on(&mut self) {
        self.next = None;
    }
}
