//! Commands and events as lines.

use kahawai_openwire::command::Command;
use kahawai_openwire::ids::{MessageId, RemovedId};
use kahawai_openwire::message::MessageAck;
use kahawai_openwire::transaction::{TransactionId, TransactionInfo};

use crate::protocol::event::{ConsumerKey, Event, Handed, Next, RequestId};

/// A command in one line, with its number and whether it asks for an answer.
pub(super) fn command(command: &Command) -> String {
    let what = match command {
        Command::ConnectionInfo(info) => format!(
            "ConnectionInfo client={} user={} password={}{}",
            text(&info.client_id),
            text(&info.user_name),
            text(&info.password),
            if info.failover_reconnect { " again" } else { "" }
        ),
        Command::SessionInfo(info) => format!("SessionInfo {}", info.session_id.as_ref().unwrap().value),
        Command::ProducerInfo(info) => {
            let id = info.producer_id.as_ref().unwrap();
            let destination = info.destination.as_ref().map_or("anywhere".into(), ToString::to_string);
            format!("ProducerInfo {}:{} {destination}", id.session_id, id.value)
        }
        Command::ConsumerInfo(info) => {
            let id = info.consumer_id.as_ref().unwrap();
            let destination = info.destination.as_ref().unwrap();
            let mut line = format!("ConsumerInfo {}:{} {destination}", id.session_id, id.value);
            line += &format!(" prefetch={}", info.prefetch_size);
            if let Some(name) = &info.subscription_name {
                line += &format!(" durable={name}");
            }
            if let Some(selector) = &info.selector {
                line += &format!(" selector={selector}");
            }
            line
        }
        Command::RemoveInfo(info) => {
            let removed = match info.object_id.as_ref().unwrap() {
                RemovedId::Connection(_) => "connection".to_owned(),
                RemovedId::Session(id) => format!("session {}", id.value),
                RemovedId::Consumer(id) => format!("consumer {}:{}", id.session_id, id.value),
                RemovedId::Producer(id) => format!("producer {}:{}", id.session_id, id.value),
            };
            format!("RemoveInfo {removed} last={}", info.last_delivered_sequence_id)
        }
        Command::Message(message) => {
            let id = message.message_id.as_ref().unwrap();
            let destination = message.destination.as_ref().unwrap();
            let kind = if message.persistent { "persistent" } else { "non-persistent" };
            format!(
                "Message {} {kind} to {destination}{}",
                name(id),
                within(message.transaction_id.as_deref())
            )
        }
        Command::MessageAck(ack) => acknowledgement(ack),
        Command::MessagePull(pull) => format!("MessagePull {}", pull.consumer_id.as_ref().unwrap().value),
        Command::TransactionInfo(info) => {
            let operation = match info.operation {
                TransactionInfo::BEGIN => "begin",
                TransactionInfo::COMMIT_ONE_PHASE => "commit",
                TransactionInfo::ROLLBACK => "roll back",
                other => panic!("operation {other}"),
            };
            format!("TransactionInfo {operation}{}", within(info.transaction_id.as_deref()))
        }
        Command::DestinationInfo(info) => {
            let operation = if info.operation == 0 { "add" } else { "remove" };
            format!("DestinationInfo {operation} {}", info.destination.as_ref().unwrap())
        }
        Command::RemoveSubscriptionInfo(info) => {
            format!("RemoveSubscriptionInfo {} of {}", text(&info.subscription_name), text(&info.client_id))
        }
        other => other.name().to_owned(),
    };
    match (command.command_id(), command.response_required()) {
        (0, _) => what,
        (id, false) => format!("{what}  #{id}"),
        (id, true) => format!("{what}  #{id}?"),
    }
}

fn acknowledgement(ack: &MessageAck) -> String {
    let kind = match ack.ack_type {
        MessageAck::DELIVERED => "delivered",
        MessageAck::POISON => "poison",
        MessageAck::STANDARD => "standard",
        MessageAck::REDELIVERED => "redelivered",
        MessageAck::INDIVIDUAL => "individual",
        other => panic!("ack type {other}"),
    };
    let consumer = ack.consumer_id.as_ref().unwrap();
    let (first, last) = (ack.first_message_id.as_ref().unwrap(), ack.last_message_id.as_ref().unwrap());
    let cause = ack.poison_cause.as_ref().map(|cause| format!(" because {}", text(&cause.message)));
    format!(
        "MessageAck {kind} {}:{} {}..{} ({}){}{}",
        consumer.session_id,
        consumer.value,
        name(first),
        name(last),
        ack.message_count,
        within(ack.transaction_id.as_deref()),
        cause.unwrap_or_default()
    )
}

/// An event in one line.
pub(super) fn event(event: &Event) -> String {
    match event {
        Event::Negotiated => "negotiated".to_owned(),
        Event::Restored => "restored".to_owned(),
        Event::Refused { error, is_final } => format!("refused (final: {is_final}): {error}"),
        Event::Told(told) => format!("told {told:?}"),
        Event::Answered { request: RequestId(id), outcome: Ok(()) } => format!("{id} answered"),
        Event::Answered { request: RequestId(id), outcome: Err(error) } => format!("{id} failed: {error}"),
        Event::Deliverable(ConsumerKey { session, value }) => format!("deliverable {}:{value}", session.0),
    }
}

/// What a consumer gave, in one line.
pub(super) fn next(next: &Next) -> String {
    match next {
        Next::Nothing => "nothing".to_owned(),
        Next::Ended => "ended".to_owned(),
        Next::Finished => "finished".to_owned(),
        Next::Message(Handed { message, redeliveries, arrival }) => {
            let name = name(message.message_id.as_ref().unwrap());
            format!("{name} arrival={arrival} redeliveries={redeliveries}")
        }
    }
}

fn name(id: &MessageId) -> String {
    format!("m{}", id.producer_sequence_id)
}

fn text(text: &Option<kahawai_openwire::text::Text>) -> &str {
    text.as_deref().unwrap_or("-")
}

fn within(transaction: Option<&TransactionId>) -> String {
    match transaction {
        None => String::new(),
        Some(TransactionId::Local(id)) => format!(" in t{}", id.value),
        Some(other) => panic!("{other}"),
    }
}
