//! What the broker tells of itself to whoever asks as ActiveMQ's `StatisticsBrokerPlugin` lets them: a message to
//! `ActiveMQ.Statistics.Broker` with a `JMSReplyTo` is answered there by a map, and goes nowhere else.
//!
//! Of the plugin's names those are told whose values are known here; counts of messages are not kept. Beside them, of this broker's own:
//!
//! | name | value |
//! |---|---|
//! | `journalDiskSyncStrategy` | `always`, `periodic` or `never`: how durable what is sent is when it is answered, where no policy says otherwise |
//! | `bytesAtRisk` | how many bytes were answered and are not on the disk: lost if the machine failed now |

use std::sync::Arc;

use kahawai_openwire::body::Body;
use kahawai_openwire::destination::Destination;
use kahawai_openwire::ids::{MessageId, ProducerId};
use kahawai_openwire::message::{Message, MessageKind};
use kahawai_openwire::primitive::{PrimitiveMap, Value};
use kahawai_store::batch::DurabilityState;

use super::message::to_stored;
use super::translate::address;
use crate::core::Core;
use crate::core::spec::Sending;

const BROKER: &str = "ActiveMQ.Statistics.Broker";

/// Tells how durable what the store completed is, now.
pub type Durable = Arc<dyn Fn() -> DurabilityState + Send + Sync>;

/// Whether what is sent there asks for statistics of the broker.
pub(super) fn is_question(destination: &Destination) -> bool {
    !destination.kind.is_temporary() && destination.physical_name.starts_with(BROKER)
}

/// The answer; none where nobody is named to get it.
pub(super) fn answer(core: &Core, durable: &Durable, question: &Message, now: i64) -> Option<Sending> {
    let reply_to = question.reply_to.as_ref()?;
    let content = Body::Map(statistics(core, durable())).to_content();
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

fn statistics(core: &Core, durability: DurabilityState) -> PrimitiveMap {
    let (usage, limit) = (core.memory_bytes(), core.limits().memory_bytes_max);
    let long = |number: u64| Value::Long(i64::try_from(number).unwrap_or(i64::MAX));
    let percent = usage.saturating_mul(100) / limit.max(1);
    [
        ("brokerName", Value::from(core.broker_name())),
        ("memoryUsage", long(usage as u64)),
        ("memoryLimit", long(limit as u64)),
        ("memoryPercentUsage", Value::Integer(i32::try_from(percent).unwrap_or(i32::MAX))),
        ("journalDiskSyncStrategy", Value::from(durability.level.to_string())),
        ("bytesAtRisk", long(durability.bytes_at_risk)),
    ]
    .into_iter()
    .collect()
}
