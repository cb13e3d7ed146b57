//! The Rust client's `failover:` with masters that are killed: a load of every kind runs while one master after another
//! goes, and its ledgers balance: what was answered is there, nothing comes twice to who could tell, nothing is made up.
//!
//! What the client calls in doubt (a commit or an acknowledgement whose answer was lost) may be there or not, and is
//! counted apart.

mod support;

/// The example of the client's README.
#[allow(dead_code, reason = "its main is for the reader")]
#[path = "../client/examples/espresso.rs"]
mod espresso;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kahawai_client::{
    Acknowledge, Connection, ConnectionState, ConsumerOptions, Destination, Error, Message,
};
use support::broker::{Instance, failover};
use support::{PATIENCE, directory, tell};
use tokio::time::{sleep, timeout};

/// What one end of a queue knows.
#[derive(Default)]
struct Ledger {
    sure: BTreeSet<u64>,
    doubtful: BTreeSet<u64>,
    twice: Vec<u64>,
}

/// A queue and what was sent to it and received from it.
struct Book {
    queue: &'static str,
    sent: Mutex<Ledger>,
    received: Mutex<Ledger>,
    next: AtomicU64,
    is_stopped: AtomicBool,
}

fn lock(ledger: &Mutex<Ledger>) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Book {
    fn new(queue: &'static str) -> Arc<Self> {
        Arc::new(Self {
            queue,
            sent: Mutex::default(),
            received: Mutex::default(),
            next: AtomicU64::new(1),
            is_stopped: AtomicBool::new(false),
        })
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn note(ledger: &Mutex<Ledger>, numbers: &[u64]) {
        let mut ledger = lock(ledger);
        for number in numbers {
            if !ledger.sure.insert(*number) {
                ledger.twice.push(*number);
            }
        }
    }

    fn doubt(ledger: &Mutex<Ledger>, numbers: &[u64]) {
        lock(ledger).doubtful.extend(numbers);
    }

    fn progress(&self) -> (usize, usize) {
        (lock(&self.sent).sure.len(), lock(&self.received).sure.len())
    }

    /// What was surely sent and has not been seen by anyone.
    fn missing(&self) -> Vec<u64> {
        let received = lock(&self.received);
        let is_missing =
            |number: &&u64| !received.sure.contains(number) && !received.doubtful.contains(number);
        lock(&self.sent).sure.iter().filter(is_missing).copied().collect()
    }

    fn judge(&self) {
        let missing = self.missing();
        let (sent, received) = (lock(&self.sent), lock(&self.received));
        tell(&format!(
            "{}: sent {} and {} in doubt, received {} and {} in doubt",
            self.queue,
            sent.sure.len(),
            sent.doubtful.len(),
            received.sure.len(),
            received.doubtful.len()
        ));
        assert!(missing.is_empty(), "{}: lost {missing:?}", self.queue);
        assert!(received.twice.is_empty(), "{}: twice {:?}", self.queue, received.twice);
        let made_up: Vec<_> = received
            .sure
            .iter()
            .filter(|number| !sent.sure.contains(number) && !sent.doubtful.contains(number))
            .collect();
        assert!(made_up.is_empty(), "{}: never sent, or rolled back: {made_up:?}", self.queue);
    }
}

/// One send after another, each answered.
async fn send(connection: Connection, book: Arc<Book>) {
    let session = connection.session().await.expect("a session");
    let producer = session.producer(Destination::queue(book.queue)).await.expect("a producer");
    while !book.is_stopped.load(Ordering::Relaxed) {
        let number = book.number();
        producer.send(number.to_string()).await.expect("a send goes on with the next broker");
        Book::note(&book.sent, &[number]);
    }
}

/// Many sends on their way at a time.
async fn send_many(connection: Connection, book: Arc<Book>) {
    let session = connection.session().await.expect("a session");
    let producer = session.producer(Destination::queue(book.queue)).await.expect("a producer");
    while !book.is_stopped.load(Ordering::Relaxed) {
        let mut confirms = Vec::new();
        for _ in 0..50 {
            let number = book.number();
            confirms.push((number, producer.start_send(number.to_string()).await.expect("a send")));
        }
        for (number, confirm) in confirms {
            confirm.await.expect("a send goes on with the next broker");
            Book::note(&book.sent, &[number]);
        }
    }
}

async fn send_in_transactions(connection: Connection, book: Arc<Book>) {
    let session = connection.transacted_session().await.expect("a session");
    let producer = session.producer(Destination::queue(book.queue)).await.expect("a producer");
    while !book.is_stopped.load(Ordering::Relaxed) {
        let numbers: Vec<u64> = (0..5).map(|_| book.number()).collect();
        for number in &numbers {
            // To send it in doubt is to have sent it in a transaction that is committed later.
            producer.send(Message::text(number.to_string())).await.expect("a send in a transaction");
        }
        match session.commit().await {
            Ok(()) => Book::note(&book.sent, &numbers),
            Err(Error::OutcomeUnknown(_)) => Book::doubt(&book.sent, &numbers),
            Err(error) => panic!("{error}"),
        }
    }
}

fn number(delivery: &kahawai_client::Delivery) -> u64 {
    delivery.text().expect("a text").parse().expect("a number")
}

/// Counts what is handed out. Ends with its task.
async fn receive(connection: Connection, book: Arc<Book>, acknowledge: Acknowledge) {
    let session = connection.session().await.expect("a session");
    let options = ConsumerOptions::queue(book.queue).acknowledge(acknowledge);
    let mut consumer = session.consumer(options).await.expect("a consumer");
    while let Some(delivery) = consumer.next().await {
        let delivery = delivery.expect("a consumer outlives its broker");
        let number = number(&delivery);
        match delivery.acknowledge().await {
            Ok(()) => Book::note(&book.received, &[number]),
            Err(Error::OutcomeUnknown(_)) => Book::doubt(&book.received, &[number]),
            // It comes again.
            Err(Error::Lost(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn receive_in_transactions(connection: Connection, book: Arc<Book>) {
    let session = connection.transacted_session().await.expect("a session");
    let mut consumer = session.consumer(ConsumerOptions::queue(book.queue)).await.expect("a consumer");
    loop {
        let mut numbers = Vec::new();
        while numbers.len() < 5 {
            match timeout(Duration::from_millis(500), consumer.next()).await {
                Ok(Some(delivery)) => {
                    numbers.push(number(&delivery.expect("a consumer outlives its broker")))
                }
                Ok(None) => return,
                Err(_) => break,
            }
        }
        match session.commit().await {
            Ok(()) => Book::note(&book.received, &numbers),
            Err(Error::OutcomeUnknown(_)) => Book::doubt(&book.received, &numbers),
            // All of it comes again.
            Err(Error::RolledBack(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Waits until it is so, for a bounded time.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "not in time: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn masters_are_killed_under_the_rust_clients_load_and_the_ledgers_balance() {
    let folder = directory();
    let path = folder.path().join("store");
    let (first, second) = (Instance::new("first", &path), Instance::new("second", &path));
    let (mut master, mut slave) = (&first, &second);
    let mut serving = master.serve();
    let mut waiting = slave.start();
    waiting.wait_slave_of(0, master.name());

    let url = failover(&[&first, &second]);
    let open = async || Connection::open(url.as_str()).await.expect("a connection");
    let books = ["auto", "explicit", "transacted"].map(Book::new);
    let [auto, explicit, transacted] = &books;
    let mut senders = tokio::task::JoinSet::new();
    let mut receivers = tokio::task::JoinSet::new();
    let watched = open().await;
    senders.spawn(send(watched.clone(), auto.clone()));
    senders.spawn(send_many(open().await, auto.clone()));
    senders.spawn(send_many(open().await, explicit.clone()));
    senders.spawn(send_in_transactions(open().await, transacted.clone()));
    receivers.spawn(receive(open().await, auto.clone(), Acknowledge::Auto));
    receivers.spawn(receive(open().await, explicit.clone(), Acknowledge::Explicit));
    receivers.spawn(receive_in_transactions(open().await, transacted.clone()));

    for _ in 0..3 {
        let before = books.each_ref().map(|book| book.progress());
        let is_under_way = || {
            let now = books.each_ref().map(|book| book.progress());
            now.iter().zip(&before).all(|(now, before)| now.0 >= before.0 + 100 && now.1 >= before.1 + 100)
        };
        until("the load goes on", is_under_way).await;
        serving.0.kill();
        waiting.wait_ready(0);
        (master, slave) = (slave, master);
        serving = waiting;
        waiting = slave.start();
        waiting.wait_slave_of(0, master.name());
    }
    let before = books.each_ref().map(|book| book.progress().1);
    let is_through = || books.iter().zip(before).all(|(book, before)| book.progress().1 >= before + 100);
    until("messages come through the last master", is_through).await;
    let ConnectionState::Connected { connections, broker } = watched.state().current() else {
        panic!("{:?}", watched.state().current())
    };
    assert_eq!((connections, broker), (4, master.address()));

    books.iter().for_each(|book| book.is_stopped.store(true, Ordering::Relaxed));
    while let Some(sender) = timeout(PATIENCE, senders.join_next()).await.expect("senders end") {
        sender.expect("a sender without an error");
    }
    for book in &books {
        until(&format!("{} is drained, missing {:?}", book.queue, book.missing().len()), || {
            book.missing().is_empty()
        })
        .await;
    }
    if let Some(ended) = receivers.try_join_next() {
        ended.expect("a receiver without an error");
        panic!("a receiver ended by itself");
    }
    receivers.shutdown().await;
    books.iter().for_each(|book| book.judge());
    drop(waiting);
    serving.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_open_works_with_the_next_master() {
    let folder = directory();
    let path = folder.path().join("store");
    let (first, second) = (Instance::new("first", &path), Instance::new("second", &path));
    let mut serving = first.serve();
    let waiting = second.start();
    waiting.wait_slave_of(0, first.name());
    let url = failover(&[&first, &second]);
    let open = async |url: String| timeout(PATIENCE, Connection::open(url)).await.expect("in time");
    let connection = open(format!("{url}&jms.clientID=till")).await.expect("a connection");
    let session = connection.session().await.expect("a session");
    let answers = connection.temporary_queue().await.expect("a temporary queue");
    let mut durable =
        session.consumer(ConsumerOptions::durable("NEWS", "till")).await.expect("a durable subscription");
    let mut pulling =
        session.consumer(ConsumerOptions::queue("PULLED").prefetch(0)).await.expect("a consumer");
    let mut chosen = session.consumer(ConsumerOptions::queue("CHOSEN")).await.expect("a consumer");
    let mut answered = session.consumer(&*answers).await.expect("a consumer of it");
    let held = session
        .consumer(ConsumerOptions::queue("HELD").acknowledge(Acknowledge::Explicit))
        .await
        .expect("a consumer");
    let producer = session.anonymous_producer().await.expect("a producer");
    producer.send_to(&Destination::queue("HELD"), "in hand").await.expect("a send");
    let mut held = held;
    let in_hand = timeout(PATIENCE, held.next()).await.expect("in time").expect("a message").expect("it");

    let transacted = connection.transacted_session().await.expect("a session");
    let in_transaction = transacted.producer(Destination::queue("WORK")).await.expect("a producer");
    in_transaction.send("kept").await.expect("a send in a transaction");
    let mut states = connection.state();
    assert!(matches!(states.current(), ConnectionState::Connected { connections: 1, .. }));

    // Polled while there is no broker.
    let pulled = tokio::spawn(async move { pulling.next().await });
    serving.0.kill();
    waiting.wait_ready(0);

    // Sent to the first in a transaction, committed to the second.
    in_transaction.send("kept too").await.expect("a send in a transaction");
    transacted.commit().await.expect("the transaction was begun again with all that was sent in it");
    let mut work = session.consumer(Destination::queue("WORK")).await.expect("a consumer");
    for expected in ["kept", "kept too"] {
        let got = timeout(PATIENCE, work.next()).await.expect("in time").expect("a message").expect("it");
        assert_eq!(got.text().expect("a text"), expected);
    }
    // In hand still: it is not handed out twice, and can be acknowledged to the second broker once that has sent it.
    let is_acknowledged = match timeout(PATIENCE, in_hand.acknowledge()).await.expect("in time") {
        Ok(()) => true,
        Err(Error::Lost(_)) => false,
        Err(error) => panic!("{error}"),
    };
    producer.send_to(&Destination::queue("HELD"), "next").await.expect("a send");
    let next = timeout(PATIENCE, held.next()).await.expect("in time").expect("a message").expect("it");
    let expected = if is_acknowledged { "next" } else { "in hand" };
    assert_eq!(next.text().expect("a text"), expected);

    producer.send_to(&answers, "to a temporary queue").await.expect("a send");
    producer.send_to(&Destination::topic("NEWS"), "to a subscription").await.expect("a send");
    producer.send_to(&Destination::queue("PULLED"), "to who asks").await.expect("a send");
    producer.send_to(&Destination::queue("CHOSEN"), "to a consumer").await.expect("a send");
    let text = async |next: Option<kahawai_client::Result<kahawai_client::Delivery>>| {
        next.expect("a message").expect("it").text().expect("a text").to_string()
    };
    assert_eq!(
        text(timeout(PATIENCE, answered.next()).await.expect("in time")).await,
        "to a temporary queue"
    );
    assert_eq!(text(timeout(PATIENCE, durable.next()).await.expect("in time")).await, "to a subscription");
    assert_eq!(text(timeout(PATIENCE, chosen.next()).await.expect("in time")).await, "to a consumer");
    assert_eq!(text(timeout(PATIENCE, pulled).await.expect("in time").expect("a task")).await, "to who asks");

    // A transaction that has received cannot be begun again: it says so, and all comes again.
    chosen.close().await.expect("closed");
    let mut receiving = transacted.consumer(Destination::queue("CHOSEN")).await.expect("a consumer");
    producer.send_to(&Destination::queue("CHOSEN"), "number 1").await.expect("a send");
    assert_eq!(text(timeout(PATIENCE, receiving.next()).await.expect("in time")).await, "number 1");
    let third = first.start();
    third.wait_slave_of(0, second.name());
    let mut second_process = waiting;
    second_process.0.kill();
    third.wait_ready(0);
    let rolled_back = timeout(PATIENCE, transacted.commit()).await.expect("in time");
    assert!(matches!(rolled_back, Err(Error::RolledBack(_))), "{rolled_back:?}");
    assert_eq!(text(timeout(PATIENCE, receiving.next()).await.expect("in time")).await, "number 1");
    transacted.commit().await.expect("a transaction of the third broker");
    assert!(matches!(states.current(), ConnectionState::Connected { connections: 3, .. }));
    timeout(PATIENCE, connection.close()).await.expect("in time").expect("a good end");
    assert!(matches!(states.changed().await, Some(ConnectionState::Ended)));
    third.stop();
}

#[tokio::test]
async fn the_clients_readme_works_with_this_broker() {
    let folder = directory();
    let broker = Instance::new("readme", &folder.path().join("store"));
    let serving = broker.serve();
    for url in [broker.uri(), format!("failover:({})", broker.uri())] {
        timeout(PATIENCE, espresso::espresso(&url)).await.expect("in time").expect("the example works");
    }
    serving.stop();
}
