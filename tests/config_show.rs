//! `kahawai config show`: what a broker would be told, and where it comes from.

mod support;

use std::fs;
use std::process::Output;

use serde_json::Value;
use support::broker::Broker;
use support::directory;

fn show(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Broker::command();
    command.args(["config", "show"]).args(arguments).envs(variables.iter().copied());
    command.output().expect("it runs")
}

/// The line of a setting, with its blanks made one.
fn line(output: &Output, name: &str) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.trim_start_matches("# ").starts_with(&format!("{name} ")));
    let line = line.unwrap_or_else(|| panic!("no {name}: {text}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

const TEXT: &str = "\
brokerName = \"written\"
memoryUsage = \"32 mb\"

[store]
address = \"mysql://mq:in-the-url@db/mq\"
passwordFile = \"word\"
leaseDuration = \"5s\"
checkpointInterval = 1000

[[policy]]
queue = \"A.>\"
memoryLimit = \"1 mb\"
";

#[test]
fn the_command_line_counts_more_than_the_environment_and_that_more_than_a_file() {
    let folder = directory();
    let file = folder.path().join("kahawai.toml");
    fs::write(&file, TEXT).expect("written");
    fs::write(folder.path().join("word"), "in-the-file\n").expect("written");
    let path = file.to_str().expect("UTF-8");
    let shown = show(
        &["--config", path, "--name", "said"],
        &[("KAHAWAI_NAME", "around"), ("KAHAWAI_STORE_LEASE_DURATION", "7s"), ("KAHAWAI_MEMORY_USE", "1gb")],
    );
    for (name, expected) in [
        ("brokerName", "brokerName = \"said\" # --name".to_owned()),
        ("leaseDuration", "leaseDuration = 7000 # KAHAWAI_STORE_LEASE_DURATION".to_owned()),
        ("checkpointInterval", format!("checkpointInterval = 1000 # {path}:8")),
        ("memoryUsage", format!("memoryUsage = \"32mb\" # {path}:2")),
        ("memoryLimit", format!("memoryLimit = \"1mb\" # {path}:12")),
        ("maxFrameSize", "maxFrameSize = \"100mb\" # default".to_owned()),
        ("address", format!("address = \"mysql://mq@db/mq\" # {path}:5; the password in it is hidden")),
        ("password", format!("# password is hidden # {path}:6")),
    ] {
        assert_eq!(line(&shown, name), expected);
    }
    let said = String::from_utf8_lossy(&shown.stderr);
    assert!(
        said.contains("KAHAWAI_MEMORY_USE is no setting") && said.contains("KAHAWAI_MEMORY_USAGE meant"),
        "{said}"
    );
    let around =
        show(&["--config", path], &[("KAHAWAI_NAME", "around"), ("KAHAWAI_STORE_PASSWORD", "in-the-air")]);
    assert_eq!(line(&around, "brokerName"), "brokerName = \"around\" # KAHAWAI_NAME");
    assert_eq!(line(&around, "password"), "# password is hidden # KAHAWAI_STORE_PASSWORD");
    for output in [&shown, &around] {
        let all =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        for secret in ["in-the-url", "in-the-file", "in-the-air"] {
            assert!(!all.contains(secret), "{all}");
        }
    }
    // What was shown is a file that comes to the same.
    let again = folder.path().join("again.toml");
    fs::write(&again, &shown.stdout).expect("written");
    let shown_again = show(&["--config", again.to_str().expect("UTF-8")], &[]);
    for name in ["brokerName", "leaseDuration", "address", "memoryLimit", "maxFrameSize"] {
        let value = |output: &Output| line(output, name).split(" # ").next().map(str::to_owned);
        assert_eq!(value(&shown_again), value(&shown));
    }
}

#[test]
fn values_of_an_activemq_xml_have_their_lines() {
    let folder = directory();
    let file = folder.path().join("activemq.xml");
    let text = "\
<broker xmlns=\"http://activemq.apache.org/schema/core\" brokerName=\"a\">
  <destinationPolicy><policyMap><policyEntries>
    <policyEntry queue=\"A,B\" memoryLimit=\"1mb\" gcInactiveDestinations=\"yes\">
      <deadLetterStrategy><individualDeadLetterStrategy
        queuePrefix=\"DLQ.\"/></deadLetterStrategy>
    </policyEntry>
  </policyEntries></policyMap></destinationPolicy>
  <persistenceAdapter>
    <kahaDB directory=\"${place}\" journalDiskSyncStrategy=\"PERIODIC\"/>
  </persistenceAdapter>
  <transportConnectors><transportConnector uri=\"tcp://127.0.0.1:0?maximumConnections=7\"/></transportConnectors>
</broker>
";
    fs::write(&file, text).expect("written");
    let path = file.to_str().expect("UTF-8");
    let shown = show(&["--config", path, "-D", "place=/there", "--json"], &[]);
    assert_eq!(shown.status.code(), Some(0), "{}", String::from_utf8_lossy(&shown.stderr));
    let told: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let settings = told["settings"].as_array().expect("a list");
    for (name, value, line) in [
        ("brokerName", Value::from("a"), Some(1)),
        ("policy[queue://A].memoryLimit", Value::from("1mb"), Some(3)),
        ("policy[queue://B].gcInactiveDestinations", Value::from(true), Some(3)),
        ("policy[queue://B].deadLetterStrategy", Value::from("individual"), Some(4)),
        ("policy[queue://B].queuePrefix", Value::from("DLQ."), Some(5)),
        ("policy[queue://B].maxPageSize", Value::from(200), None),
        ("store.address", Value::from("journal:/there"), Some(9)),
        ("store.journalDiskSyncStrategy", Value::from("periodic"), Some(9)),
        ("maximumConnections", Value::from(7), Some(11)),
        ("transportConnectors", Value::from(vec!["tcp://127.0.0.1:0"]), Some(11)),
    ] {
        let setting = settings.iter().find(|setting| setting["name"] == name);
        let setting = setting.unwrap_or_else(|| panic!("no {name}: {told}"));
        assert_eq!(setting["value"], value, "{setting}");
        match line {
            Some(line) => assert_eq!(
                (&setting["file"], &setting["line"]),
                (&Value::from(path), &Value::from(line)),
                "{setting}"
            ),
            None => assert_eq!(setting["from"], "default"),
        }
    }
}

#[test]
fn what_a_broker_would_not_start_with_is_refused_as_by_serve() {
    for (arguments, variables, told) in [
        (&["--journal-io", "plain", "--store", "sqlite:a.db"][..], &[][..], "--journal-io"),
        (
            &[][..],
            &[("KAHAWAI_STORE_LEASE_DURATION", "1")][..],
            "KAHAWAI_STORE_LEASE_DURATION needs from 100",
        ),
        (&["-D", "a=b"][..], &[][..], "-D and --without are for a file"),
    ] {
        let shown = show(arguments, variables);
        let said = String::from_utf8_lossy(&shown.stderr);
        assert!(shown.status.code() == Some(2) && said.contains(told), "{said}");
    }
}

#[test]
fn what_is_dangerous_is_shown_with_where_it_comes_from() {
    let shown = show(&["--bind", "127.0.0.1:1"], &[("KAHAWAI_STORE_JOURNAL_DISK_SYNC_STRATEGY", "never")]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let begin =
        "# Dangerous:\n#   KAHAWAI_STORE_JOURNAL_DISK_SYNC_STRATEGY: journalDiskSyncStrategy = never: ";
    assert!(text.starts_with(begin), "{text}");
    // It is still what a broker can be given.
    let folder = directory();
    let file = folder.path().join("shown.toml");
    fs::write(&file, &text).expect("written");
    let again = show(&["--config", file.to_str().expect("UTF-8"), "--json"], &[]);
    let told: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    let danger = &told["dangers"][0];
    assert_eq!(danger["name"], "store.journalDiskSyncStrategy", "{told}");
    assert!(danger["from"] == "file" && danger["line"].as_u64() > Some(3), "{danger}");
    let none = show(&[], &[]);
    assert!(!String::from_utf8_lossy(&none.stdout).contains("Dangerous"));
}

#[test]
fn network_connectors_of_the_command_line_take_the_place_of_all_others() {
    let folder = directory();
    let file = folder.path().join("networks.toml");
    let text = "[[networkConnector]]\nuri = \"static:(tcp://file:1)\"\nmessageTTL = 3\n";
    fs::write(&file, text).expect("written");
    let file = file.to_str().expect("UTF-8");
    let uri = "static:(tcp://other:61616)";
    let told: Value = serde_json::from_slice(
        &show(&["--config", file, "--network-connector", uri, "--duplex", "--json"], &[]).stdout,
    )
    .expect("JSON");
    let text = told.to_string();
    assert!(text.contains("tcp://other:61616") && text.contains("--network-connector"), "{text}");
    assert!(text.contains("--duplex") && !text.contains("tcp://file:1"), "{text}");
    let wrong = show(&["--network-connector", "tcp://other:61616"], &[]);
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(wrong.status.code() == Some(2) && said.contains("static:("), "{said}");
    assert_eq!(show(&["--duplex"], &[]).status.code(), Some(2));
}
