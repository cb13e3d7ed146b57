//! A core with a simulated store, in one thread: the test says when each batch is applied, each page is made and each
//! answer comes.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use kahawai_broker::core::Core;
use kahawai_broker::core::address::Address;
use kahawai_broker::core::effects::{Delivery, Event, Payload, StoreCall};
use kahawai_broker::core::failure::Failure;
use kahawai_broker::core::keys::{CommitToken, ConnectionKey, ConsumerKey, ReadToken, RequestId};
use kahawai_broker::core::limits::Limits;
use kahawai_broker::core::policy::{Policies, Policy};
use kahawai_broker::core::settings::Settings;
use kahawai_broker::core::spec::{
    Acknowledgement, AcknowledgementKind, ConnectionSpec, ConsumerSpec, Sending, TransactionId,
};
use kahawai_broker::openwire::message::annotate;
use kahawai_store::batch::{Batch, Durability, Operation};
use kahawai_store::contract::{Committed, Limits as StoreLimits, Page, ReadRequest, StoreError};
use kahawai_store::message::{Header, Message};
use kahawai_store::model::State;
use kahawai_store::names::{Epoch, MessageId};

pub struct World {
    pub core: Core,
    pub state: State,
    limits: Limits,
    pub policies: Policies,
    /// How often unused destinations are looked for, and how many go at a time, from the next start on.
    pub purge: (i64, usize),
    store_limits: StoreLimits,
    epoch: u64,
    pub now: i64,
    submitted: VecDeque<(CommitToken, Batch)>,
    applied: VecDeque<(CommitToken, Result<Committed, StoreError>)>,
    asked: Vec<(ReadToken, ReadRequest)>,
    pages: Vec<(ReadToken, Result<Page, StoreError>)>,
    pub events: Vec<(ConnectionKey, Event)>,
    pub notices: Vec<String>,
    /// Batches that add something are refused as by a full disk.
    pub full: bool,
    /// All batches are.
    pub refuses_all: bool,
    /// That happened.
    refused: bool,
    next_request: i32,
    next_connection: u64,
}

/// What the journal takes by default.
pub const STORE_LIMITS: StoreLimits = StoreLimits { batch_bytes_max: 1 << 20, message_bytes_max: 128 << 20 };

fn settings(limits: StoreLimits, (purge_period, purged_max): (i64, usize)) -> Settings {
    Settings {
        broker_name: "test".into(),
        batch_bytes_max: limits.batch_bytes_max,
        durability: Durability::Always,
        annotate,
        purge_period,
        purged_max,
    }
}

impl World {
    pub fn new(limits: Limits) -> Self {
        Self::with_policies(limits, Policies::default())
    }

    /// All destinations have this policy.
    pub fn with_policy(limits: Limits, policy: Policy) -> Self {
        Self::with_policies(limits, Policies::new(policy))
    }

    pub fn with_policies(limits: Limits, policies: Policies) -> Self {
        Self::with_store(limits, policies, STORE_LIMITS)
    }

    pub fn with_store(limits: Limits, policies: Policies, store_limits: StoreLimits) -> Self {
        let state = State::default();
        let now = 1_000_000;
        let core =
            Core::new(settings(store_limits, (0, 0)), limits, policies.clone(), state.recover(Epoch(1)), now);
        let mut world = Self {
            core,
            state,
            limits,
            policies,
            purge: (0, 0),
            store_limits,
            epoch: 1,
            now,
            submitted: VecDeque::new(),
            applied: VecDeque::new(),
            asked: Vec::new(),
            pages: Vec::new(),
            events: Vec::new(),
            notices: Vec::new(),
            full: false,
            refuses_all: false,
            refused: false,
            next_request: 1,
            next_connection: 1,
        };
        world.take();
        world
    }

    /// The same, and the other has these limits.
    pub fn restart_with(&mut self, limits: Limits) {
        self.limits = limits;
        self.restart();
    }

    /// The broker dies, and another finds what was applied.
    pub fn restart(&mut self) {
        self.submitted.clear();
        self.applied.clear();
        self.asked.clear();
        self.pages.clear();
        self.events.clear();
        self.epoch += 1;
        let recovered = self.state.recover(Epoch(self.epoch));
        self.core = Core::new(
            settings(self.store_limits, self.purge),
            self.limits,
            self.policies.clone(),
            recovered,
            self.now,
        );
        self.take();
    }

    pub fn turn<T>(&mut self, decide: impl FnOnce(&mut Core) -> T) -> T {
        self.core.begin_turn(self.now);
        let result = decide(&mut self.core);
        self.core.end_turn();
        self.take();
        result
    }

    fn take(&mut self) {
        // It asserts that what is counted is what is held.
        let _ = self.core.memory_bytes();
        let effects = self.core.take_effects();
        self.events.extend(effects.events);
        self.notices.extend(effects.notices.into_iter().map(|notice| notice.text));
        for call in effects.store {
            match call {
                StoreCall::Commit(token, batch) => self.submitted.push_back((token, batch)),
                StoreCall::Read(token, request) => self.asked.push((token, request)),
            }
        }
    }

    /// How durable the batches are to be that the store was given and has not applied.
    pub fn levels(&self) -> Vec<Option<Durability>> {
        self.submitted.iter().map(|(_, batch)| batch.durability).collect()
    }

    /// Applies the next batch; its answer comes later.
    pub fn apply(&mut self) -> bool {
        let Some((token, batch)) = self.submitted.pop_front() else { return false };
        let adds = batch.operations.iter().any(|operation| {
            matches!(
                operation,
                Operation::Enqueue { .. }
                    | Operation::Prepare { .. }
                    | Operation::CreateDestination(_)
                    | Operation::Subscribe(_)
            )
        });
        // A batch that is too large is a bug, whatever happened before.
        self.store_limits.check(&batch.operations).unwrap();
        let result = if self.refuses_all || self.full && adds {
            self.refused = true;
            Err(StoreError::Full("test".into()))
        } else {
            self.state.apply(batch).map_err(StoreError::Rejected)
        };
        if let Err(StoreError::Rejected(rejection)) = &result {
            // What follows a creation that was refused may name what is not there.
            assert!(self.refused, "rejected: {rejection}");
        }
        self.applied.push_back((token, result));
        true
    }

    /// Gives the core the next batch's answer.
    pub fn complete(&mut self) -> bool {
        let Some((token, result)) = self.applied.pop_front() else { return false };
        self.turn(|core| core.committed(token, result));
        true
    }

    /// Makes a page that was asked for, as of now; it comes later.
    pub fn make_page(&mut self, choice: usize) -> bool {
        if self.asked.is_empty() {
            return false;
        }
        let (token, request) = self.asked.remove(choice % self.asked.len());
        let page = self.state.read(&request).map_err(StoreError::Rejected);
        self.pages.push((token, page));
        true
    }

    /// Gives the core a page that was made.
    pub fn give_page(&mut self, choice: usize) -> bool {
        if self.pages.is_empty() {
            return false;
        }
        let (token, page) = self.pages.remove(choice % self.pages.len());
        self.turn(|core| core.page(token, page));
        true
    }

    /// Lets the store do everything it was asked.
    pub fn settle(&mut self) {
        while self.apply() || self.complete() || self.make_page(0) || self.give_page(0) {}
    }

    pub fn advance(&mut self, milliseconds: i64) {
        self.now += milliseconds;
        self.turn(Core::tick);
    }

    pub fn request(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    pub fn connect(&mut self, name: &str) -> ConnectionKey {
        self.connect_with(name, name, false).unwrap()
    }

    pub fn connect_with(
        &mut self,
        name: &str,
        client_id: &str,
        reconnect: bool,
    ) -> Result<ConnectionKey, Failure> {
        self.next_connection += 1;
        let key = ConnectionKey(self.next_connection);
        let spec = ConnectionSpec {
            bridge: None,
            name: name.into(),
            client_id: client_id.into(),
            user: None,
            remote: "tcp://test".into(),
            reconnect,
        };
        self.turn(|core| core.connect(key, spec)).map(|()| key)
    }

    pub fn send(&mut self, connection: ConnectionKey, address: &Address, message: Message) -> RequestId {
        self.send_in(connection, address, message, None)
    }

    pub fn send_in(
        &mut self,
        connection: ConnectionKey,
        address: &Address,
        message: Message,
        transaction: Option<TransactionId>,
    ) -> RequestId {
        let sending = Sending {
            address: address.clone(),
            message: Arc::new(message),
            producer: None,
            sequence: None,
            transaction,
            window_bytes: 1,
        };
        self.sending(connection, sending)
    }

    pub fn sending(&mut self, connection: ConnectionKey, sending: Sending) -> RequestId {
        let request = self.request();
        self.turn(|core| core.send(connection, sending, Some(request)));
        request
    }

    pub fn consume(&mut self, connection: ConnectionKey, address: &Address, prefetch: u32) -> ConsumerKey {
        self.consume_with(connection, consumer_spec(address, prefetch)).0
    }

    pub fn consume_with(
        &mut self,
        connection: ConnectionKey,
        spec: ConsumerSpec,
    ) -> (ConsumerKey, RequestId) {
        let request = self.request();
        let key = self.turn(|core| {
            let key = core.new_consumer_key();
            core.add_consumer(connection, key, spec, Some(request));
            key
        });
        (key, request)
    }

    pub fn ack(
        &mut self,
        connection: ConnectionKey,
        consumer: ConsumerKey,
        kind: AcknowledgementKind,
        ids: &[MessageId],
        transaction: Option<TransactionId>,
    ) -> RequestId {
        let acknowledgement = Acknowledgement {
            consumer,
            kind,
            first: ids.first().copied(),
            last: *ids.last().unwrap(),
            count: ids.len(),
            transaction,
        };
        let request = self.request();
        self.turn(|core| core.acknowledge(connection, acknowledgement, Some(request)));
        request
    }

    /// The answer to a request, if it has come. Takes it.
    pub fn answer(&mut self, request: RequestId) -> Option<Result<(), Failure>> {
        let found = self.events.iter().position(
            |(_, event)| matches!(event, Event::Answer { request: answered, .. } if *answered == request),
        )?;
        match self.events.remove(found).1 {
            Event::Answer { result, .. } => Some(result),
            _ => None,
        }
    }

    /// Takes the deliveries that have come, and tells the core that they were written.
    pub fn deliveries(&mut self) -> Vec<Delivery> {
        let mut found = Vec::new();
        loop {
            let mut rest = Vec::new();
            let mut written = Vec::new();
            for (connection, event) in std::mem::take(&mut self.events) {
                match event {
                    Event::Deliver(delivery) => {
                        written.push((connection, delivery.payload.size()));
                        found.push(delivery);
                    }
                    event => rest.push((connection, event)),
                }
            }
            self.events = rest;
            if written.is_empty() {
                return found;
            }
            for (connection, bytes) in written {
                self.turn(|core| core.written(connection, bytes));
            }
        }
    }

    /// The same, as (text, redeliveries) of one consumer, in order.
    pub fn texts(&mut self, consumer: ConsumerKey) -> Vec<(String, u32)> {
        self.deliveries()
            .into_iter()
            .filter(|delivery| delivery.consumer == consumer)
            .map(|delivery| (name_of(&delivery), delivery.redeliveries))
            .collect()
    }
}

pub fn consumer_spec(address: &Address, prefetch: u32) -> ConsumerSpec {
    ConsumerSpec {
        name: "consumer:1:1".into(),
        address: address.clone(),
        prefetch,
        priority: 0,
        exclusive: false,
        no_local: false,
        browser: false,
        pending_messages_max: 0,
        selector: None,
        subscription: None,
        network: None,
        leaves_out: None,
    }
}

pub fn durable_spec(address: &Address, name: &str, prefetch: u32) -> ConsumerSpec {
    ConsumerSpec { subscription: Some(name.into()), ..consumer_spec(address, prefetch) }
}

pub fn message(name: &str, persistent: bool) -> Message {
    Message {
        header: Header { message_id: ByteString::from(name), persistent, priority: 4, ..Header::default() },
        body: Bytes::from_static(b"body"),
        ..Message::default()
    }
}

pub fn name_of(delivery: &Delivery) -> String {
    match &delivery.payload {
        Payload::Message(message) => message.header.message_id.to_string(),
        Payload::Advisory(advisory) => format!("{advisory:?}"),
        Payload::Nothing => "nothing".into(),
    }
}

/// A small generator of numbers: the same seed gives the same run on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % most
    }

    pub fn chance(&mut self, of_hundred: usize) -> bool {
        self.below(100) < of_hundred
    }
}
