//! `kahawai bench`, as the real binary: every scenario against `kahawai serve` and a real ActiveMQ, every message accounted for, and
//! the exit code that says so.

mod support;

use std::time::Duration;

use serde_json::Value;
use support::activemq::ActiveMq;
use support::broker::{Broker, Instance};
use support::command::kahawai;
use support::process::{Process, Stream, until};
use support::{directory, java};

/// Runs scenarios with few messages; gives the results.
#[track_caller]
fn bench(url: &str, arguments: &[&str]) -> Vec<Value> {
    let done = kahawai(&[&["bench", "--url", url, "--json"], arguments].concat());
    let report = done.json().remove(0);
    report["results"].as_array().expect("results").clone()
}

#[track_caller]
fn assert_sound(result: &Value, sent: u64, subscriptions: u64) {
    let balance = &result["balance"];
    assert_eq!(balance["sent"], sent, "{balance}");
    assert_eq!(balance["received"], sent * subscriptions, "{balance}");
    for wrong in ["lost", "duplicated", "out_of_order", "delivered_again", "in_doubt", "foreign"] {
        assert_eq!(balance[wrong], 0, "{wrong}: {balance}");
    }
}

fn every_scenario(url: &str) {
    let results = bench(url, &["--scenario", "all", "--count", "300"]);
    let names: Vec<_> = results.iter().map(|result| result["scenario"].as_str().expect("a name")).collect();
    let all = ["sync-send", "transacted-send", "end-to-end", "fill-drain", "durable-topic", "non-persistent"];
    assert_eq!(names, all);
    for result in &results {
        let subscriptions = if result["scenario"] == "durable-topic" { 4 } else { 1 };
        assert_sound(result, 300, subscriptions);
    }
}

#[test]
fn every_scenario_accounts_for_every_message_with_kahawai() {
    let folder = directory();
    let broker = Instance::new("bench", &folder.path().join("store"));
    let running = broker.serve();
    every_scenario(&broker.uri());
    // Several threads, and the table for people.
    let done = kahawai(&["bench", "--url", &broker.uri(), "--count", "1000", "--threads", "3"]).ok();
    assert!(done.contains("every message accounted for: 1,000 sent, 1,000 received"), "{done}");
    running.stop();
}

#[test]
fn every_scenario_accounts_for_every_message_with_activemq() {
    if java::is_skipped() {
        return;
    }
    let folder = directory();
    every_scenario(&ActiveMq::start(folder.path(), &[]).uri());
}

#[test]
fn a_rate_is_kept_and_drawn() {
    let folder = directory();
    let broker = Instance::new("bench", &folder.path().join("store"));
    let running = broker.serve();
    let svg = folder.path().join("chart.svg");
    let arguments = ["--rate", "500", "--duration", "2s", "--warm-up", "0", "--producers", "2", "--svg"];
    let results = bench(&broker.uri(), &[&arguments[..], &[svg.to_str().expect("UTF-8")]].concat());
    let result = &results[0];
    assert_eq!(result["is_corrected_for_coordinated_omission"], true);
    let sent = result["balance"]["sent"].as_u64().expect("a count");
    // A machine with other work may fall behind; nothing may be ahead.
    assert!((200..=1002).contains(&sent), "{sent} messages in 2 s at 500/s");
    assert_sound(result, sent, 1);
    for figure in ["p50_us", "p99_us", "p99_9_us", "p99_99_us", "max_us"] {
        assert!(result["received"]["latency"][figure].as_f64().expect(figure) > 0.0);
    }
    let drawn = std::fs::read_to_string(svg).expect("the chart");
    assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>") && drawn.contains("<polyline"));
    running.stop();
}

#[test]
fn messages_that_somebody_else_took_are_missed() {
    let folder = directory();
    let broker = Instance::new("bench", &folder.path().join("store"));
    let running = broker.serve();
    // Consumes from every queue that the run makes.
    let thief = Process::start(
        "thief",
        Broker::command().args(["tail", "kahawai.bench.>", "--json", "--url", &broker.uri()]),
    );
    let arguments = ["bench", "--scenario", "sync-send", "--count", "200", "--patience", "1s", "--json"];
    let done = loop {
        // The thief may still be on its way.
        let done = kahawai(&[&arguments[..], &["--url", &broker.uri()]].concat());
        if done.code != Some(0) || thief.here() > 0 {
            break done;
        }
    };
    assert_eq!(done.code, Some(8), "{done:?}");
    assert!(done.err.contains("not every message is accounted for in sync-send"), "{done:?}");
    let report: Value = serde_json::from_str(done.out.lines().next().expect("a report")).expect("JSON");
    let balance = &report["results"][0]["balance"];
    assert!(balance["lost"].as_u64().expect("a count") > 0, "{balance}");
    drop(thief);
    running.stop();
}

#[test]
fn a_watch_sees_a_broker_go_and_come_back_and_misses_nothing() {
    // Connecting again by itself, and by the client.
    watched(|uri| uri.to_owned(), 2);
    watched(|uri| format!("failover:({uri})?initialReconnectDelay=50&useExponentialBackOff=false"), 0);
}

fn watched(url: impl Fn(&str) -> String, reconnections: u64) {
    let folder = directory();
    let broker = Instance::new("watched", &folder.path().join("store"));
    let mut running = broker.serve();
    let url = url(&broker.uri());
    let arguments = [
        "bench",
        "--scenario",
        "failover-watch",
        "--duration",
        "4s",
        "--rate",
        "100",
        "--json",
        "--url",
        &url,
    ];
    let mut watch = Process::start("watch", Broker::command().args(arguments));
    until("the watch is under way", || {
        kahawai(&["stats", "--json", "--url", &broker.uri()]).ok().contains("failover-watch")
    });
    running.0.kill();
    drop(running);
    // The pause that is to be seen.
    std::thread::sleep(Duration::from_millis(400));
    let running = broker.serve();
    let status = watch.wait_end();
    assert_eq!(status.code(), Some(0), "{}", watch.said_on(Stream::Err).join("\n"));
    let out = watch.said_on(Stream::Out);
    let report: Value = serde_json::from_str(&out[0]).expect("JSON");
    let result = &report["results"][0];
    for wrong in ["lost", "duplicated", "out_of_order"] {
        assert_eq!(result["balance"][wrong], 0, "{}", result["balance"]);
    }
    let pauses = result["pauses"].as_array().expect("pauses").iter();
    let longest = pauses.filter_map(|pause| pause["milliseconds"].as_f64()).fold(0.0, f64::max);
    assert!(longest >= 400.0, "{}", result["pauses"]);
    assert_eq!(result["reconnections"], reconnections);
    running.stop();
}

#[test]
fn engines_are_measured_against_the_device() {
    let folder = directory();
    // It is not there yet.
    let path = folder.path().join("new/place");
    let path = path.to_str().expect("UTF-8");
    let done = kahawai(&["bench", "store", "--directory", path, "--duration", "300ms", "--json"]);
    let report = done.json().remove(0);
    let results = report["results"].as_array().expect("results");
    let engines: Vec<_> =
        results.iter().map(|result| (result["engine"].as_str(), result["writers"].as_u64())).collect();
    let names = ["journal-mapped", "journal-mapped-only", "journal-plain", "sqlite"];
    let expected: Vec<_> =
        [1, 32].into_iter().flat_map(|writers| names.map(|name| (Some(name), Some(writers)))).collect();
    assert_eq!(engines, expected);
    for result in results {
        assert!(result["messages_per_second"].as_f64().expect("a rate") > 1.0, "{result}");
        assert!(result["floor_per_second"].as_f64().expect("a rate") > 1.0, "{result}");
        assert!(result["verdict"].as_str().expect("words").contains("% of the floor"), "{result}");
    }
    let left: Vec<_> = std::fs::read_dir(path).expect("the directory").collect();
    assert!(left.is_empty(), "{left:?}");

    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let below = file.join("below");
    let below = below.to_str().expect("UTF-8");
    let nowhere = kahawai(&["bench", "store", "--directory", below]);
    assert_eq!(nowhere.code, Some(4), "{nowhere:?}");
    assert!(nowhere.err.contains(below), "{nowhere:?}");
}
