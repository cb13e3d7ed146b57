//! What the broker tells of itself to whoever asks as ActiveMQ's `StatisticsBrokerPlugin` lets them: a message to
//! `ActiveMQ.Statistics.Broker` with a `JMSReplyTo` is answered there by a map, and goes nowhere else.
//!
//! Of the plugin's names those are told whose values are known here; counts of messages are not kept. Beside them, of this broker's own:
//!
//! | name | value |
//! |---|---|
//! | `journalDiskSyncStrategy` | `always`, `periodic` or `never`: how durable what is sent is when it is answered, where no policy says otherwise |
//! | `bytesAtRisk` | how many bytes were answered and are not on the disk: lost if the machine failed now |
//! | `bridges` | where there are any: a list of maps, one of each bridge to another broker; see [`bridge`] |

use std::sync::Arc;

use kahawai_openwire::body::Body;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{MessageId, ProducerId};
use kahawai_openwire::message::{Message, MessageKind};
use kahawai_openwire::primitive::{PrimitiveMap, Value};
use kahawai_store::batch::DurabilityState;

use super::message::to_stored;
use super::translate::address;
use crate::bridge::{Figures, Report};
use crate::core::Core;
use crate::core::spec::Sending;

const BROKER: &str = "ActiveMQ.Statistics.Broker";

/// What is beside the core, and told with it.
#[derive(Clone, Debug)]
pub struct Beside {
    /// How durable what the store completed is.
    pub durability: DurabilityState,
    /// The bridges that there are, or are to be.
    pub bridges: Vec<Report>,
}

/// Tells what is there now.
pub type LookBeside = Arc<dyn Fn() -> Beside + Send + Sync>;

/// Whether what is sent there asks for statistics of the broker.
pub(super) fn is_question(destination: &Destination) -> bool {
    !destination.kind.is_temporary() && destination.physical_name.starts_with(BROKER)
}

/// The answer; none where nobody is named to get it.
pub(super) fn answer(core: &Core, beside: &LookBeside, question: &Message, now: i64) -> Option<Sending> {
    let reply_to = question.reply_to.as_ref()?;
    let content = Body::Map(statistics(core, beside(), now)).to_content();
    let payload = content.as_ref().map_or(0, |content| content.len());
    // As unique as the question's.
    let asker = question.message_id.as_ref().map_or_else(String::new, |id| id.to_string());
    let producer =
        Arc::new(ProducerId { connection_id: format!("{asker}:answer").into(), ..ProducerId::default() });
    let message = Message {
        kind: MessageKind::Map,
        destination: Some(Arc::clone(reply_to)),
        message_id: Some(MessageId {
            producer_id: Some(Arc::clone(&producer)),
            producer_sequence_id: 1,
            ..MessageId::default()
        }),
        producer_id: Some(producer),
        correlation_id: question.correlation_id.clone(),
        priority: question.priority,
        timestamp: now,
        content,
        ..Message::default()
    };
    Some(Sending {
        address: address(reply_to),
        message: Arc::new(to_stored(&message, now)),
        sequence: None,
        producer: None,
        transaction: None,
        window_bytes: u32::try_from(payload).unwrap_or(u32::MAX),
    })
}

fn statistics(core: &Core, beside: Beside, now: i64) -> PrimitiveMap {
    let (usage, limit) = (core.memory_bytes(), core.limits().memory_bytes_max);
    let percent = usage.saturating_mul(100) / limit.max(1);
    let mut map: PrimitiveMap = [
        ("brokerName", Value::from(core.broker_name())),
        ("memoryUsage", long(usage as u64)),
        ("memoryLimit", long(limit as u64)),
        ("memoryPercentUsage", Value::Integer(i32::try_from(percent).unwrap_or(i32::MAX))),
        ("journalDiskSyncStrategy", Value::from(beside.durability.level.to_string())),
        ("bytesAtRisk", long(beside.durability.bytes_at_risk)),
    ]
    .into_iter()
    .collect();
    if !beside.bridges.is_empty() {
        let each: Vec<_> =
            beside.bridges.into_iter().map(|report| Value::from(bridge(report, now))).collect();
        map.put("bridges", each);
    }
    map
}

/// What is told of a bridge: its `connector`, whom it goes to (`target`), whether it `stands`, and since when (`since`, in milliseconds since 1970; the
/// `milliseconds` from then to now), with which broker (`brokerName` and `address`, or those of the last), or why not and how many `tries` were in vain;
/// messages that were `forwarded`, that are `acknowledged`, that are `inFlight`; and `subscriptions` here for consumers there.
fn bridge(report: Report, now: i64) -> PrimitiveMap {
    let Figures { forwarded, acknowledged, in_flight, subscriptions } = report.figures;
    [
        ("connector", Value::from(report.connector)),
        ("target", Value::from(report.target)),
        ("stands", Value::from(report.stands)),
        ("since", Value::from(report.since)),
        ("milliseconds", Value::from(now.saturating_sub(report.since).max(0))),
        ("brokerName", Value::from(report.broker)),
        ("address", Value::from(report.address)),
        ("why", Value::from(report.why)),
        ("tries", long(report.tries)),
        ("forwarded", long(forwarded)),
        ("acknowledged", long(acknowledged)),
        ("inFlight", long(in_flight)),
        ("subscriptions", long(subscriptions)),
    ]
    .into_iter()
    .collect()
}

fn long(number: u64) -> Value {
    Value::Long(i64::try_from(number).unwrap_or(i64::MAX))
}
