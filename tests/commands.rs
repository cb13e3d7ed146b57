//! The commands that talk to a broker, as the real binary, against `kahawai serve` and against a real ActiveMQ alike.

mod support;

use serde_json::{Value, json};
use support::activemq::ActiveMq;
use support::broker::Instance;
use support::command::{Done, kahawai, kahawai_with};
use support::process::until;
use support::{directory, java, process_unique};

/// A broker by its address, and names nobody else uses on it.
struct Target {
    url: String,
    unique: String,
}

impl Target {
    fn new(url: &str) -> Self {
        Self { url: url.to_owned(), unique: process_unique() }
    }

    fn name(&self, name: &str) -> String {
        format!("{name}.{}", self.unique)
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Done {
        kahawai(&[arguments, &["--url", &self.url]].concat())
    }
}

/// Everything that must hold with any broker.
fn everything(target: &Target) {
    what_is_sent_is_seen_by_browsers_and_received_once(target);
    each_line_of_the_input_is_a_message(target);
    messages_are_moved_and_purged(target);
    a_durable_subscription_keeps_what_comes_meanwhile(target);
    dead_letters_are_listed_and_sent_again(target);
    destinations_are_counted(target);
}

#[test]
fn the_commands_work_with_kahawai() {
    let folder = directory();
    let broker = Instance::new("commands", &folder.path().join("store"));
    let running = broker.serve();
    everything(&Target::new(&broker.uri()));
    everything(&Target::new(&format!("failover:({})", broker.uri())));
    running.stop();
}

#[test]
fn the_commands_work_with_activemq() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let broker = ActiveMq::start(folder.path(), &[]);
    everything(&Target::new(&broker.uri()));
}

#[test]
fn a_broker_with_statistics_is_asked_for_them() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    let broker = ActiveMq::start(folder.path(), &["--statistics"]);
    let target = Target::new(&broker.uri());
    destinations_are_counted(&target);
    let (queue, topic) = (target.name("COUNTED"), target.name("PRICES"));
    target.run(&["receive", &queue, "--count", "1", "--wait", "30s"]).ok();
    target.run(&["send", &format!("topic://{topic}"), "12.5", "--count", "2"]).ok();
    let told = target.run(&["stats", "--json"]).json().remove(0);
    assert_eq!(told["source"], "statistics");
    let line = |name: String| {
        let lines = told["destinations"].as_array().expect("destinations");
        lines
            .iter()
            .find(|line| line["destination"] == name)
            .cloned()
            .unwrap_or_else(|| panic!("{name}: {told}"))
    };
    let counted = line(format!("queue://{queue}"));
    assert_eq!(
        (&counted["enqueue_count"], &counted["dequeue_count"], &counted["size"]),
        (&json!(3), &json!(1), &json!(2))
    );
    assert_eq!(line(format!("topic://{topic}"))["enqueue_count"], 2);
}

fn what_is_sent_is_seen_by_browsers_and_received_once(target: &Target) {
    let queue = target.name("ORDERS");
    let sent = target.run(&[
        "send",
        &queue,
        "one espresso",
        "-p",
        "table:int=7",
        "-p",
        "who=Ann",
        "--priority",
        "9",
        "--type",
        "order",
        "--correlation-id",
        "c-1",
        "--reply-to",
        "topic://READY",
        "--json",
    ]);
    assert_eq!(sent.json()[0]["sent"], 1);

    let browsed = target.run(&["browse", &queue, "--json"]).json();
    assert_eq!(browsed.len(), 1);
    let table = target.run(&["browse", &queue]).ok();
    assert!(table.contains("one espresso") && table.contains("1 message\n"), "{table}");

    let received = target.run(&["receive", &queue, "--count", "1", "--wait", "30s", "--json"]).json();
    for message in [&browsed[0], &received[0]] {
        assert_eq!(message["body"], "one espresso");
        assert_eq!(message["bodyType"], "text");
        assert_eq!(message["properties"], json!({"table": 7, "who": "Ann"}));
        assert_eq!(message["JMSPriority"], 9);
        assert_eq!(message["JMSType"], "order");
        assert_eq!(message["JMSCorrelationID"], "c-1");
        assert_eq!(message["JMSReplyTo"], "topic://READY");
        assert_eq!(message["JMSDeliveryMode"], "PERSISTENT");
    }
    assert_eq!(browsed[0]["JMSMessageID"], received[0]["JMSMessageID"]);
    assert_eq!(target.run(&["browse", &queue, "--json"]).json().len(), 0, "it was acknowledged");
}

fn each_line_of_the_input_is_a_message(target: &Target) {
    let queue = target.name("LINES");
    let input = "first\nsecond\n\nlast without an end";
    kahawai_with(&["send", &queue, "--url", &target.url], input).ok();
    let received = target.run(&["receive", &queue, "--count", "4", "--wait", "30s"]).ok();
    assert_eq!(received, format!("{input}\n"));
}

fn messages_are_moved_and_purged(target: &Target) {
    let (from, to) = (target.name("FROM"), target.name("TO"));
    let input: String = (0..450).map(|number| format!("{number}\n")).collect();
    kahawai_with(&["send", &from, "--url", &target.url, "-p", "kept=yes"], &input).ok();
    let moved = target.run(&["move", &from, &to, "--json"]).json();
    assert_eq!(moved[0]["moved"], 450);
    assert_eq!(target.run(&["browse", &from, "--json"]).json().len(), 0);
    let received = target.run(&["receive", &to, "--count", "400", "--wait", "30s", "--json"]).json();
    let expected: Vec<_> = (0..400).map(|number| json!(number.to_string())).collect();
    assert_eq!(received.iter().map(|message| message["body"].clone()).collect::<Vec<_>>(), expected);
    assert!(received.iter().all(|message| message["properties"]["kept"] == "yes"));

    let refused = target.run(&["purge", &to]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("--yes"), "{refused:?}");
    assert_eq!(target.run(&["purge", &to, "--yes", "--json"]).json()[0]["purged"], 50);
    assert_eq!(target.run(&["browse", &to, "--json"]).json().len(), 0);

    target.run(&["send", &from, "x"]).ok();
    assert_eq!(
        target.run(&["move", &from, &to]).ok(),
        format!("moved 1 message from queue://{from} to queue://{to}\n")
    );
    assert_eq!(target.run(&["purge", &to, "--yes"]).ok(), format!("purged 1 message of queue://{to}\n"));
}

fn a_durable_subscription_keeps_what_comes_meanwhile(target: &Target) {
    let topic = format!("topic://{}", target.name("PRICES"));
    let client = target.name("till");
    let subscription = ["subscribe", &topic, "--client-id", &client, "--name", "prices"];
    target.run(&[&subscription[..], &["--count", "0"]].concat()).ok();
    target.run(&["send", &topic, "12.5", "--count", "2"]).ok();
    let kept = target.run(&[&subscription[..], &["--count", "2", "--wait", "30s"]].concat()).ok();
    assert_eq!(kept, "12.5\n12.5\n");
    target.run(&[&subscription[..], &["--remove"]].concat()).ok();
    let again = target.run(&[&subscription[..], &["--remove"]].concat());
    assert_eq!(again.code, Some(7), "there is none any more: {again:?}");
}

fn dead_letters_are_listed_and_sent_again(target: &Target) {
    let queue = target.name("PERISHABLE");
    let mine = |list: Vec<Value>| -> Vec<Value> {
        let to = json!(format!("queue://{queue}"));
        list.into_iter().filter(|message| message["originalDestination"] == to).collect()
    };
    target.run(&["send", &queue, "late", "--time-to-live", "1ms", "-p", "of=mine"]).ok();
    until("the expired message is a dead letter", || {
        // It is found expired when somebody asks for it.
        assert_eq!(target.run(&["receive", &queue, "--wait", "10ms"]).ok(), "");
        mine(target.run(&["dlq", "list", "--json"]).json()).len() == 1
    });
    let table = target.run(&["dlq", "list"]).ok();
    assert!(table.contains(&format!("queue://{queue}")), "{table}");
    let replayed = target.run(&["dlq", "replay", "--json"]).json();
    assert_eq!(replayed[0]["replayed"], 1);
    let received = target.run(&["receive", &queue, "--count", "1", "--wait", "30s", "--json"]).json();
    assert_eq!(received[0]["body"], "late");
    assert_eq!(received[0]["properties"], json!({"of": "mine"}), "what the broker wrote into it is gone");
    assert_eq!(mine(target.run(&["dlq", "list", "--json"]).json()).len(), 0);
}

fn destinations_are_counted(target: &Target) {
    let queue = target.name("COUNTED");
    target.run(&["send", &queue, "one", "--count", "3"]).ok();
    let told = target.run(&["stats", "--json"]).json();
    let line = told[0]["destinations"]
        .as_array()
        .expect("destinations")
        .iter()
        .find(|line| line["destination"] == format!("queue://{queue}"))
        .unwrap_or_else(|| panic!("{queue} is not among {told:?}"));
    assert_eq!(line["size"], 3);
    assert_eq!(line["consumer_count"], 0);
    let table = target.run(&["stats", &queue]).ok();
    assert_eq!(table.lines().count(), 2, "{table}");
}

#[test]
fn a_broker_that_is_not_there_is_said_to_be_so() {
    for command in
        [&["send", "A", "x"][..], &["receive", "A"], &["browse", "A"], &["stats"], &["dlq", "list"]]
    {
        let refused = kahawai(&[command, &["--url", "tcp://127.0.0.1:1"]].concat());
        assert_eq!(refused.code, Some(7), "{refused:?}");
        assert!(refused.err.contains("127.0.0.1:1") && refused.err.contains("--url"), "{refused:?}");
        assert_eq!(refused.out, "");
    }
}

#[test]
fn wrong_usage_is_refused_before_anything_is_sent() {
    for wrong in [
        &["send", "A", "x", "--url", "http://127.0.0.1:1"][..],
        &["send", "", "x"],
        &["send", "A.>", "x"],
        &["send", "topic://A.*.B", "x"],
        &["send", "A,queue://B.>", "x"],
        &["send", "A", "x", "--reply-to", "B.*"],
        &["move", "A", "B.>"],
        &["dlq", "replay", "--to", ">"],
        &["send", "A", "x", "-p", "n:int=seven"],
        &["browse", "topic://A"],
        &["subscribe", "queue://A", "--client-id", "c", "--name", "n"],
        &["bench", "--scenario", "none"],
    ] {
        let done = kahawai(wrong);
        assert_eq!(done.code, Some(2), "{wrong:?}: {done:?}");
    }
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = kahawai(&["completions", shell]).ok();
        assert!(script.contains("subscribe") && script.contains("dlq"), "{shell}");
    }
    let folder = directory();
    kahawai(&["man", "--directory", folder.path().to_str().expect("UTF-8")]).ok();
    for page in ["kahawai.1", "kahawai-send.1", "kahawai-bench-store.1", "kahawai-dlq-replay.1"] {
        let text = std::fs::read_to_string(folder.path().join(page)).expect(page);
        assert!(text.contains(".TH"), "{page}");
    }
}
