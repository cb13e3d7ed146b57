//! The sound stores that are damaged.

use std::sync::Arc;

use kahawai_store::batch::{Batch, DestinationKind, Operation, Outcome, Subscription};
use kahawai_store::contract::Store as _;
use kahawai_store::election::Holder;
use kahawai_store::model::State;
use kahawai_store::names::{Cursor, DestinationId, Epoch, MessageId, SubscriptionId};

use super::super::super::driver::Driven;
use super::super::super::places::{Files, Record, files_of, records};
use super::super::super::script::{create, enqueue, xid};
use super::super::play;
use crate::disk::Disk;
use crate::disk::memory::MemoryDisk;
use crate::format::claim::{Beat, encode_beat, encode_claim};
use crate::format::name::FileName;
use crate::writer::Access;

const QUEUE: DestinationId = DestinationId(1);
const TOPIC: DestinationId = DestinationId(2);
const OTHER: DestinationId = DestinationId(3);
const QUICK: SubscriptionId = SubscriptionId(1);
const SLOW: SubscriptionId = SubscriptionId(2);

/// A store that is as it was written.
pub(super) struct Sound {
    pub(super) name: &'static str,
    pub(super) files: Files,
    pub(super) records: Vec<Record>,
    /// Every batch that was ever answered, in order.
    pub(super) batches: Vec<Batch>,
    /// The epoch that recovers it.
    pub(super) epoch: u64,
    pub(super) with_checkpoints: bool,
}

/// A store being made.
struct Making {
    disk: MemoryDisk,
    epoch: u64,
    store: Option<Driven>,
    state: State,
    batches: Vec<Batch>,
    with_checkpoints: bool,
}

impl Making {
    fn new(with_checkpoints: bool) -> Self {
        let mut making = Self {
            disk: MemoryDisk::new(),
            epoch: 0,
            store: None,
            state: State::default(),
            batches: Vec::new(),
            with_checkpoints,
        };
        making.open();
        making
    }

    /// The next epoch begins, with the small files that an election leaves.
    fn open(&mut self) {
        self.epoch += 1;
        let epoch = Epoch(self.epoch);
        let claimed =
            self.disk.publish(FileName::Claim(epoch), &encode_claim(epoch, &[self.epoch as u8; 16]));
        assert!(claimed.expect("a sound disk"));
        self.beat(false);
        let opened = play::open(Arc::new(self.disk.clone()), self.epoch, self.with_checkpoints);
        self.store = Some(opened.expect("a sound disk"));
    }

    fn beat(&self, released: bool) {
        let holder = Holder {
            name: "one".into(),
            host: "host".into(),
            process: 7,
            epoch: Epoch(self.epoch),
            address: "tcp://host:1".into(),
        };
        let beat = Beat { counter: 1, released, lock_inode: 1, boot: [3; 16], durability: None, holder };
        let written = self.disk.overwrite(FileName::Beat(Epoch(self.epoch)), &encode_beat(&beat));
        written.expect("a sound disk");
    }

    fn store(&self) -> &Driven {
        self.store.as_ref().expect("it is open")
    }

    fn commit(&mut self, operations: Vec<Operation>) {
        let batch = Batch::new(operations);
        self.state.apply(batch.clone()).expect("the model takes it");
        let answers = self.store().round(std::slice::from_ref(&batch), |_, _| {});
        assert!(answers.iter().all(Result::is_ok), "a sound disk: {answers:?}");
        self.batches.push(batch);
    }

    /// Where a message stands.
    fn cursor(&self, id: u64) -> Cursor {
        let contents = super::super::super::driver::contents_of(&self.state);
        let mut all = contents.waiting.iter().flat_map(|waiting| &waiting.messages);
        all.find(|stored| stored.id == MessageId(id)).expect("it waits").cursor
    }

    fn acknowledge(
        &self,
        id: u64,
        destination: DestinationId,
        subscription: Option<SubscriptionId>,
    ) -> Operation {
        Operation::Acknowledge { destination, id: MessageId(id), cursor: self.cursor(id), subscription }
    }

    fn roll(&self) {
        let rolled = self.store().writer.lock().expect("no panic").roll(64, Access::Sender);
        assert!(rolled.is_ok(), "a sound disk");
    }

    /// The head is written again and given up.
    fn clean(&self) {
        let store = self.store();
        let head = store.head_number();
        store.clean(|writer| writer.head_number() == head);
        store.writer.lock().expect("no panic").round([]);
        assert_ne!(store.head_number(), head, "it was cleaned");
    }

    /// The process dies.
    fn dies(&mut self) {
        self.store = None;
    }

    fn closes(&mut self) {
        self.store().idle();
        self.store().close();
        self.beat(true);
        self.store = None;
    }

    fn end(mut self, name: &'static str) -> Sound {
        self.closes();
        let disk = self.disk.crash(&mut || true);
        for name in disk.list().expect("a list") {
            // They hold nothing, and nobody reads them.
            if matches!(name, FileName::Spare { .. }) {
                disk.remove(name).expect("it goes");
            }
        }
        let disk = disk.crash(&mut || true);
        let files = files_of(&disk);
        let records = records(&files);
        let Self { batches, epoch, with_checkpoints, .. } = self;
        Sound { name, files, records, batches, epoch: epoch + 1, with_checkpoints }
    }
}

fn subscribe(id: SubscriptionId, name: &'static str) -> Operation {
    Operation::Subscribe(Subscription {
        id,
        destination: TOPIC,
        client_id: "client".into(),
        name: name.into(),
        selector: None,
        no_local: false,
    })
}

fn put(key: &'static str, value: &'static str) -> Operation {
    Operation::Put { table: "table".into(), key: key.into(), value: Some(value.into()) }
}

/// Messages of two queues over three epochs, of which the second died: acknowledged, moved, and at two ranks.
fn plain() -> Sound {
    let mut making = Making::new(false);
    making.commit(vec![
        create(QUEUE, DestinationKind::Queue),
        create(OTHER, DestinationKind::Queue),
        put("of", "a store"),
    ]);
    // One that stays, so that the log is there from its beginning.
    making.commit(vec![enqueue(1000, OTHER, 10)]);
    making.roll();
    let mut id = 0;
    for epoch in 0..3 {
        for round in 0..5 {
            // Bodies of every length modulo 8, so that there is padding of each.
            let operations = (0..2).map(|_| {
                id += 1;
                enqueue(id, if id % 5 == 0 { OTHER } else { QUEUE }, 60 + id as usize)
            });
            making.commit(operations.collect());
            if round == 2 {
                let operation = making.acknowledge(
                    id - 2,
                    QUEUE.max(if (id - 2) % 5 == 0 { OTHER } else { QUEUE }),
                    None,
                );
                making.commit(vec![operation]);
                let moved = (1..id - 2).rev().find(|id| id % 5 != 0).expect("one of the queue");
                let cursor = making.cursor(moved);
                making.commit(vec![Operation::Move {
                    id: MessageId(moved),
                    from: QUEUE,
                    cursor,
                    to: OTHER,
                    rank: 1,
                }]);
            }
        }
        match epoch {
            0 => making.closes(),
            1 => making.dies(),
            _ => return making.end("plain"),
        }
        making.open();
    }
    unreachable!("it ended with the third")
}

/// A queue, a topic with two subscriptions of which one has a floor and exceptions, a decided transaction and an undecided one.
fn everything(with_checkpoints: bool, cleans: bool, name: &'static str) -> Sound {
    let mut making = Making::new(with_checkpoints);
    making.commit(vec![create(QUEUE, DestinationKind::Queue), create(TOPIC, DestinationKind::Topic)]);
    making.commit(vec![subscribe(QUICK, "quick"), subscribe(SLOW, "slow"), put("of", "a store")]);
    making.roll();
    making.commit(vec![Operation::Prepare {
        xid: xid(1),
        operations: vec![enqueue(101, QUEUE, 70), put("by", "a transaction")],
    }]);
    making.commit(vec![Operation::Prepare { xid: xid(1), operations: vec![enqueue(102, TOPIC, 50)] }]);
    for id in 1..=8 {
        making.commit(vec![enqueue(2 * id - 1, QUEUE, 90 + id as usize), enqueue(2 * id, TOPIC, 40)]);
    }
    let prepared = vec![making.acknowledge(1, QUEUE, None), enqueue(103, QUEUE, 30)];
    making.commit(vec![Operation::Prepare { xid: xid(2), operations: prepared }]);
    making.commit(vec![Operation::Prepare { xid: xid(2), operations: vec![enqueue(104, TOPIC, 33)] }]);
    making.commit(vec![Operation::Decide { xid: xid(2), outcome: Outcome::Commit }]);
    // All that a subscription has up to some message, and one beyond what it has not.
    for id in [2, 4] {
        let both =
            vec![making.acknowledge(id, TOPIC, Some(QUICK)), making.acknowledge(id, TOPIC, Some(SLOW))];
        making.commit(both);
    }
    let one = making.acknowledge(8, TOPIC, Some(SLOW));
    making.commit(vec![one]);
    for id in [3, 7] {
        let one = making.acknowledge(id, QUEUE, None);
        making.commit(vec![one]);
    }
    making.store().idle();
    if cleans {
        making.roll();
        making.store().idle();
        making.clean();
        making.clean();
    }
    making.closes();
    making.open();
    for id in 9..=12 {
        making.commit(vec![enqueue(2 * id - 1, QUEUE, 150), enqueue(2 * id, TOPIC, 20)]);
    }
    let later = vec![making.acknowledge(9, QUEUE, None), making.acknowledge(6, TOPIC, Some(QUICK))];
    making.commit(later);
    if cleans {
        making.clean();
    }
    making.store().idle();
    making.end(name)
}

/// Each of them.
pub(super) fn stores() -> Vec<Sound> {
    vec![
        plain(),
        everything(false, false, "some of everything"),
        everything(true, false, "some of everything, with checkpoints"),
        everything(false, true, "cleaned, its front released"),
        everything(true, true, "cleaned, its front released, with checkpoints"),
    ]
}
