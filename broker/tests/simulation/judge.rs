//! The laws, asked at rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kahawai_store::batch::DestinationKind;
use kahawai_store::message::Message;

use super::book::{Fate, Place, number_of};
use super::client::{Client, Person, Role};
use super::network::name;
use super::play::Play;
use super::process::Process;

const DEAD_LETTERS: &str = "ActiveMQ.DLQ";
/// The tag of the brokers that a stored message has passed.
const BROKER_PATH: u32 = 70;

/// The brokers that a stored message has passed.
fn passed(play: &Play, message: &Message) -> Vec<usize> {
    let path = message.header.extras.iter().find(|(tag, _)| *tag == BROKER_PATH);
    let mut rest: &[u8] = path.map_or(&[], |(_, bytes)| bytes);
    let mut all = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (id, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
        all.extend((0..play.network.count).find(|broker| format!("ID:{}", name(*broker)).as_bytes() == id));
        rest = behind;
    }
    all
}

fn broker_of(play: &Play, named: &str) -> usize {
    (0..play.network.count).find(|broker| name(*broker) == named).expect("it is there")
}

/// Every bridge stands.
pub(crate) fn bridges(play: &mut Play) {
    if !Play::is_bridged(&play.world, play.network.count) {
        play.wrong.push("a bridge is down at rest".to_owned());
    }
}

/// The queues' consumers that are there: at which broker.
fn consumers(play: &Play) -> Vec<(usize, String)> {
    let all = play.people.iter().filter_map(|person| {
        let Role::Consumer { place, durable: false, .. } = &person.role else { return None };
        let is_served = play.world.node::<Client>(&person.name).is_some_and(Client::is_served);
        (is_served && place.is_queue()).then(|| (broker_of(play, &person.broker), place.name()))
    });
    all.collect()
}

/// At how many brokers somebody consumes it.
fn brokers_of(play: &Play, wanted: Place) -> usize {
    let consumes =
        |person: &&Arc<Person>| matches!(&person.role, Role::Consumer { place, .. } if *place == wanted);
    play.people.iter().filter(consumes).map(|person| &person.broker).collect::<BTreeSet<_>>().len()
}

/// Whether a topic's consumers may be hidden from some, as one way is told of several and may lead through whoever hears of it: not where all ways can be
/// gone back, as whoever is on a way that leads there hears of the others from there.
fn may_hide(play: &Play, topic: Place) -> bool {
    !play.network.is_tree && brokers_of(play, topic) > 1 && !play.network.is_two_way(topic)
}

/// No message waits that somebody waits for, as ActiveMQ would serve it. Gives how many wait where they can go nowhere though somebody waits.
pub(crate) fn nothing_waits(play: &mut Play) -> u64 {
    let consumers = consumers(play);
    let mut stuck = 0;
    let mut wrong = Vec::new();
    for (broker, disk) in play.disks.iter().enumerate() {
        for waiting in disk.waiting() {
            if waiting.kind != DestinationKind::Queue || waiting.destination == DEAD_LETTERS {
                continue;
            }
            for message in &waiting.messages {
                let passed = passed(play, message);
                let wanted: Vec<_> =
                    consumers.iter().filter(|(_, queue)| *queue == waiting.destination).collect();
                let place = (0..2).map(Place::Queue).find(|place| place.name() == waiting.destination);
                let Some(place) = place else { continue };
                let reached =
                    wanted.iter().find(|(there, _)| play.network.reaches(place, &passed, broker, *there));
                if let Some((there, _)) = reached {
                    wrong.push(format!(
                        "message {:?} of {} waits at {} (passed {passed:?}) while a consumer waits at {}",
                        number_of(&message.body),
                        waiting.destination,
                        name(broker),
                        name(*there)
                    ));
                } else if !wanted.is_empty() {
                    stuck += 1;
                }
            }
        }
    }
    wrong.truncate(3);
    play.wrong.append(&mut wrong);
    stuck
}

/// What was kept for a durable subscription over there has gone there.
pub(crate) fn kept_has_moved(play: &mut Play) {
    let mut wrong = Vec::new();
    for (broker, disk) in play.disks.iter().enumerate() {
        for waiting in disk.waiting() {
            let Some((client, subscription)) = &waiting.subscription else { continue };
            if waiting.messages.is_empty() || !subscription.starts_with("NC-DS_") {
                continue;
            }
            let connector = client.split('_').next().unwrap_or_default();
            let way =
                play.network.ways.iter().find(|way| way.from == broker && way.connector.name == connector);
            if way.is_some_and(|way| !way.connector.dynamic_only) {
                wrong.push(format!(
                    "{} messages of {} wait at {} for {client} {subscription}",
                    waiting.messages.len(),
                    waiting.destination,
                    name(broker)
                ));
            }
        }
    }
    play.wrong.append(&mut wrong);
}

/// Everything that waits anywhere, by its number.
fn left(play: &Play) -> BTreeSet<u64> {
    let all = play.disks.iter().flat_map(|disk| disk.waiting());
    all.flat_map(|waiting| waiting.messages).filter_map(|message| number_of(&message.body)).collect()
}

/// A persistent message of a queue whose producer was answered was acknowledged, is a dead letter, or waits.
pub(crate) fn nothing_is_lost(play: &mut Play) {
    let left = left(play);
    let page = play.book.page();
    let mut wrong = Vec::new();
    for (number, sent) in &page.sent {
        let is_kept = sent.place.is_queue() && sent.persistent && sent.fate == Fate::Taken;
        if is_kept && sent.acknowledged.is_empty() && !left.contains(number) {
            wrong.push(format!(
                "message {number} to {:?} from {} is lost; it came to {:?}",
                sent.place, sent.from, sent.arrivals
            ));
        }
    }
    drop(page);
    wrong.truncate(3);
    play.wrong.append(&mut wrong);
}

/// Each durable subscriber has all that was sent since it was known.
pub(crate) fn durables_have_all(play: &mut Play) {
    let left = left(play);
    let page = play.book.page();
    let mut wrong = Vec::new();
    for person in &play.people {
        let Role::Consumer { place, durable: true, .. } = &person.role else { continue };
        let there = broker_of(play, &person.broker);
        for (number, sent) in &page.sent {
            let from = broker_of(play, &sent.from);
            let is_wanted = sent.place == *place
                && sent.persistent
                && sent.fate == Fate::Taken
                && play.network.reaches(sent.place, &[], from, there);
            let has = sent.got.iter().any(|got| got.consumer == person.id);
            let waits = left.contains(number);
            if is_wanted && !has && !may_hide(play, *place) {
                wrong.push(format!(
                    "message {number} to {place:?} from {} never came to {} at {} (it waits somewhere: {waits}; came to {:?})",
                    sent.from, person.name, person.broker, sent.arrivals
                ));
            }
        }
    }
    drop(page);
    wrong.truncate(3);
    play.wrong.append(&mut wrong);
}

/// What came twice, came after a disturbance. Without faults all came once and in order.
pub(crate) fn nothing_came_twice(play: &mut Play, faulty: bool) {
    let has_durable =
        play.people.iter().any(|person| matches!(person.role, Role::Consumer { durable: true, .. }));
    let is_once = (play.network.is_tree || !faulty && !has_durable)
        && play.network.ways.iter().all(|way| way.connector.conduit_subscriptions);
    // What crosses for somebody else while a durable subscriber is away is kept for it all the same, and crosses again when it is back.
    let is_once = is_once && !(has_durable && play.network.ways.iter().any(|way| way.connector.dynamic_only));
    let page = play.book.page();
    let mut wrong = Vec::new();
    for (number, sent) in &page.sent {
        // By two subscriptions of one bridge a topic's message comes twice, and by two ways: of those bridges of one broker choose one, unless for durable
        // ones, and where others consume elsewhere it goes on from there.
        let has_two_ways = || !play.network.is_tree && brokers_of(play, sent.place) > 1;
        if !sent.place.is_queue() && (!is_once || has_two_ways()) {
            continue;
        }
        let mut last = BTreeMap::new();
        for got in &sent.got {
            let key = if sent.place.is_queue() { 0 } else { got.consumer };
            if last.insert(key, got.order).is_some() && !page.is_disturbed(sent.order, got.order) {
                wrong.push(format!(
                    "message {number} to {:?} from {} came twice undisturbed to {} (it came to {:?})",
                    sent.place, sent.from, play.people[got.consumer].name, sent.arrivals
                ));
            }
        }
    }
    if !faulty {
        let is_far = |ttl: i32| usize::try_from(ttl).is_ok_and(|ttl| ttl >= play.network.count) || ttl < 0;
        let goes_all_the_way = play.network.is_tree
            && play.network.ways.iter().all(|way| {
                let is_drawn = !way.connector.statically_included_destinations.is_empty();
                is_far(way.connector.message_ttl) && !is_drawn
            });
        let consumers = |place: Place| {
            play.people.iter().filter(move |person| {
                matches!(&person.role, Role::Consumer { place: found, durable: false, .. } if *found == place)
            })
        };
        for (number, sent) in &page.sent {
            if let Some(got) = sent.got.iter().find(|got| got.is_flagged) {
                let to = &play.people[got.consumer].name;
                wrong.push(format!(
                    "message {number} to {:?} from {} is told to come again to {to}",
                    sent.place, sent.from
                ));
            }
        }
        let mut in_order = BTreeMap::<_, Vec<(u64, u64)>>::new();
        for (number, sent) in &page.sent {
            let from = broker_of(play, &sent.from);
            let reach: Vec<_> = consumers(sent.place)
                .filter(|person| play.network.reaches(sent.place, &[], from, broker_of(play, &person.broker)))
                .collect();
            let all_reach = reach.len() == consumers(sent.place).count();
            let missed = match sent.place {
                // Where demand reaches further than messages they are stuck on their way.
                Place::Queue(_) => goes_all_the_way && !reach.is_empty() && all_reach && sent.got.is_empty(),
                Place::Topic(_) => {
                    !may_hide(play, sent.place)
                        && reach.iter().any(|person| sent.got.iter().all(|got| got.consumer != person.id))
                }
            };
            if missed {
                wrong.push(format!("message {number} to {:?} from {} never came", sent.place, sent.from));
            }
            if let ([_], true, [got]) = (&reach[..], play.network.is_tree, &sent.got[..]) {
                let key = (sent.producer, sent.place, sent.persistent, got.consumer);
                in_order.entry(key).or_default().push((got.order, *number));
            }
        }
        for (key, mut all) in in_order {
            all.sort_unstable();
            if let Some(pair) = all.windows(2).find(|pair| pair[0].1 > pair[1].1) {
                wrong.push(format!(
                    "messages {} and {} came in the wrong order: {key:?}",
                    pair[0].1, pair[1].1
                ));
            }
        }
    }
    drop(page);
    wrong.truncate(3);
    play.wrong.append(&mut wrong);
}

/// Nobody is there any more: no bridge consumes, and nothing is kept. In a ring, durable subscriptions of brokers that each keep for several others may keep
/// each other, as ActiveMQ's (AMQ-9689): gives how many.
pub(crate) fn nothing_is_wanted(play: &mut Play) -> u64 {
    let is_kept = |person: &Person| matches!(&person.role, Role::Consumer { durable: true, .. });
    let may_loop = !play.network.is_tree && play.people.iter().any(|person| is_kept(person));
    let has_fixed =
        play.network.ways.iter().any(|way| !way.connector.statically_included_destinations.is_empty());
    let mut loops = 0;
    let mut wrong = Vec::new();
    for broker in 0..play.network.count {
        let name = name(broker);
        let all = play.world.node::<Process>(&name).map(Process::subscriptions).unwrap_or_default();
        // What is included statically somewhere is wanted there for ever.
        for (connector, count) in all.into_iter().filter(|(_, count)| *count > 0 && !has_fixed) {
            wrong.push(format!(
                "the bridge of {connector} at {name} has {count} subscriptions that nobody wants"
            ));
            loops += count;
        }
        for waiting in play.disks[broker].waiting() {
            if let Some((client, subscription)) = waiting.subscription {
                wrong.push(format!("{name} keeps {subscription} of {client}, which nobody wants"));
            }
        }
    }
    if may_loop {
        return loops;
    }
    play.wrong.append(&mut wrong);
    0
}
