//! Mistakes that the judges are to find.

use std::collections::HashSet;

use kahawai_broker::bridge::{Bridge, Side};
use kahawai_openwire::command::{Command, DataStructure};
use kahawai_openwire::response::Response;

/// A mistake of whoever carries bridges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    /// Takes a message for taken over there as soon as it was sent.
    AcknowledgesEarly,
    /// Does not write into a message where it has been.
    ForgetsPath,
    /// Never hears that a consumer over there has gone.
    IgnoresRemoval,
    /// Never hears that a durable subscription over there is no more.
    IgnoresUnsubscribe,
    /// Does not go on with what was kept for durable subscriptions over there.
    ForgetsKept,
    /// Consumes twice for one consumer over there.
    SubscribesTwice,
    /// Tells the way of the first whom a subscription is for, and never another: as ActiveMQ. Networks that are drawn seldom show it.
    TellsOnce,
    /// Every fourth acknowledgement here is lost.
    LosesAcknowledgements,
    /// A bridge that has ended is never built anew.
    NeverTriesAgain,
    /// A broker that stops does not wait for what is on its way.
    LeavesAtOnce,
}

/// A bridge's own part of the mistake.
pub(crate) struct Mistaken {
    bug: Bug,
    acknowledgements: u32,
    /// Answers that were made up.
    answered: HashSet<i32>,
}

impl Mistaken {
    pub(crate) fn new(bug: Bug) -> Self {
        Self { bug, acknowledgements: 0, answered: HashSet::new() }
    }

    /// What the bridge says, as it is said.
    pub(crate) fn said(&mut self, side: Side, mut command: Command, bridge: &mut Bridge) -> Vec<Command> {
        match (self.bug, side, &mut command) {
            (Bug::AcknowledgesEarly, Side::Remote, Command::Message(message))
                if message.response_required =>
            {
                let correlation_id = message.command_id;
                self.answered.insert(correlation_id);
                bridge.received(Side::Remote, Response { correlation_id, ..Response::default() }.into());
            }
            (Bug::ForgetsPath, Side::Remote, Command::Message(message))
                if message.data_structure.is_none() =>
            {
                std::sync::Arc::make_mut(message).broker_path = None;
            }
            (Bug::SubscribesTwice, Side::Local, Command::ConsumerInfo(info))
                if info.subscription_name.is_none() =>
            {
                let mut again = info.clone();
                let id = again.consumer_id.as_mut().map(std::sync::Arc::make_mut);
                if let Some(id) = id {
                    id.value += 1_000_000;
                }
                again.response_required = false;
                return vec![Command::ConsumerInfo(again), command];
            }
            (Bug::TellsOnce, Side::Local, Command::ConsumerInfo(info))
                if info.network_subscription && !info.response_required =>
            {
                return Vec::new();
            }
            (Bug::LosesAcknowledgements, Side::Local, Command::MessageAck(_)) => {
                self.acknowledgements += 1;
                if self.acknowledgements.is_multiple_of(4) {
                    return Vec::new();
                }
            }
            _ => {}
        }
        vec![command]
    }

    /// Whether the bridge hears this.
    pub(crate) fn hears(&mut self, side: Side, command: &Command) -> bool {
        let Side::Remote = side else { return true };
        if let Command::Response(answer) = command {
            return !self.answered.remove(&answer.correlation_id);
        }
        let message = match command {
            Command::MessageDispatch(dispatch) => dispatch.message.as_ref(),
            Command::Message(message) => Some(message),
            _ => None,
        };
        let told = message.and_then(|message| message.data_structure.as_ref());
        !matches!(
            (self.bug, told),
            (Bug::IgnoresRemoval, Some(DataStructure::Command(Command::RemoveInfo(_))))
                | (Bug::IgnoresUnsubscribe, Some(DataStructure::Command(Command::RemoveSubscriptionInfo(_))))
        )
    }
}
