//! A history leads to a copy that cannot be told from the store, to its counters and beyond a restart.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use kahawai_replication::history::{History, Step};
use kahawai_store::batch::{Batch, Operation};
use kahawai_store::conformance::replica::fill_at_random;
use kahawai_store::contract::{Recovered, StoreWait};
use kahawai_store::model::{Contents, Memory, Model};
use kahawai_store::names::{BatchName, Epoch, Term, Xid};
use kahawai_store::replica::{Copied, Replica, ReplicaWait as _};

fn all_prepared(store: &dyn Replica, recovered: &Recovered) -> Vec<(Xid, Vec<Vec<Operation>>)> {
    let xids = recovered.prepared.iter().map(|prepared| prepared.xid.clone());
    xids.map(|xid| (xid.clone(), store.prepared_wait(xid).unwrap())).collect()
}

/// Makes a copy; between two of its steps `meanwhile` may do something.
fn copy(store: &dyn Replica, to: &dyn Replica, mut meanwhile: impl FnMut()) {
    let recovered = store.recover_wait().unwrap();
    let mut history = History::of(&recovered, all_prepared(store, &recovered), store.limits());
    for number in 1.. {
        match history.step() {
            Step::Read(request) => history.feed(store.read_wait(request).unwrap()),
            Step::Batch { arrival_first, operations, is_last } => {
                let part = BatchName { term: Term(0), number };
                let name = if is_last { recovered.batch_last } else { part };
                let copied = Copied { name, arrival_first, batch: Batch::new(operations) };
                to.append_wait(copied).unwrap();
            }
            Step::Done => break,
        }
        meanwhile();
    }
    assert_eq!(history.damaged(), []);
}

fn assert_same(one: &dyn Replica, other: &dyn Replica, at: &str) {
    let [a, b] = [one, other].map(|store| Contents::of(store, 100).unwrap());
    assert!(a == b, "{at}: {a:#?}\nand {b:#?}");
    let [a, b] = [one, other].map(|store| Recovered { epoch: Epoch(0), ..store.recover_wait().unwrap() });
    assert_eq!(a, b, "{at}");
}

fn model(memory: &Memory, epoch: u64) -> Arc<Model> {
    let model = Arc::new(Model::open(memory, Epoch(epoch)));
    model.begin_term(Term(epoch));
    model
}

#[test]
fn a_copy_of_whatever_a_store_may_hold_is_the_same() {
    let mut seen = [0; 4];
    for seed in 0..60 {
        let (store, to) = (model(&Memory::default(), 1), model(&Memory::default(), 1));
        fill_at_random(&*store, seed, 40 + 10 * seed as usize);
        copy(&*store, &*to, || ());
        assert_same(&*store, &*to, &format!("seed {seed}"));
        // What comes later changes both alike.
        let before = store.recover_wait().unwrap();
        let contents = Contents::of(&*store, 100).unwrap();
        let messages = || contents.waiting.iter().flat_map(|waiting| &waiting.messages);
        seen[0] += messages().count();
        seen[1] += messages().filter(|stored| stored.cursor.rank > 0).count();
        seen[2] += before.prepared.iter().map(|prepared| prepared.enqueues).sum::<u64>() as usize;
        seen[3] += contents.waiting.iter().filter(|waiting| waiting.subscription.is_some()).count();
    }
    assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
}

/// What happens while a copy is made comes behind it, and whatever of it a page already showed changes nothing.
#[test]
fn a_copy_made_while_the_store_is_used_is_the_same_with_what_came_since() {
    use kahawai_store::replica::{Taken, Tap};
    use std::sync::Mutex;

    #[derive(Default)]
    struct Kept(Mutex<Vec<Taken>>);
    impl Tap for Kept {
        fn wants(&self) -> bool {
            true
        }
        fn taken(&self, taken: Taken) {
            self.0.lock().unwrap().push(taken);
        }
    }

    for seed in 0..40 {
        let (store, to) = (model(&Memory::default(), 1), model(&Memory::default(), 1));
        fill_at_random(&*store, seed, 300);
        let kept = Arc::new(Kept::default());
        store.tap(Arc::clone(&kept) as Arc<dyn Tap>);
        let mut random = seed;
        copy(&*store, &*to, || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // All but moves: see the module.
            let contents = Contents::of(&*store, 5).unwrap();
            let waiting = &contents.waiting[(random >> 33) as usize % contents.waiting.len()];
            let chosen: Vec<_> = waiting.messages.iter().step_by(3).collect();
            let acknowledge = |id, cursor| Operation::Acknowledge {
                destination: waiting.destination,
                id,
                cursor,
                subscription: waiting.subscription,
            };
            let mut operations: Vec<_> =
                chosen.iter().map(|stored| acknowledge(stored.id, stored.cursor)).collect();
            if let Some(stored) = chosen.first() {
                operations.push(Operation::Enqueue {
                    id: store.recover_wait().unwrap().message_id_next,
                    destination: waiting.destination,
                    rank: stored.cursor.rank,
                    message: Arc::clone(&stored.message),
                });
            }
            if random >> 60 == 0
                && let Some(prepared) = store.recover_wait().unwrap().prepared.first()
                && !store
                    .prepared_wait(prepared.xid.clone())
                    .unwrap()
                    .concat()
                    .iter()
                    .any(|operation| matches!(operation, Operation::Move { .. }))
            {
                let outcome = kahawai_store::batch::Outcome::Commit;
                operations.push(Operation::Decide { xid: prepared.xid.clone(), outcome });
            }
            store.commit_wait(Batch::new(operations)).unwrap();
        });
        for taken in kept.0.lock().unwrap().drain(..) {
            let copied = taken.copied().unwrap();
            let arrival_first = copied.arrival_first;
            assert_eq!(to.append_wait(copied).unwrap().arrival_first, arrival_first);
        }
        assert_same(&*store, &*to, &format!("seed {seed}"));
    }
}
