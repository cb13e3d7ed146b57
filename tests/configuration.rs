//! A broker that is configured by a file.

mod support;

use std::fs;

use support::broker::{Broker, Instance};
use support::directory;
use support::process::{Process, Stream, until};

fn run(arguments: &[&str]) -> Process {
    Process::start("kahawai", Broker::command().args(arguments))
}

#[test]
fn ten_lines_of_toml_are_a_broker_and_the_command_line_counts_more() {
    let folder = directory();
    let (file, store) = (folder.path().join("kahawai.toml"), folder.path().join("store"));
    let text = format!(
        "\
brokerName = \"written\"
transportConnectors = [\"tcp://127.0.0.1:1?wireFormat.maxFrameSize=1048576\"]

[store]
address = \"{}\"
journalDiskSyncStrategy = \"periodic\"

[[policy]]
queue = \"ORDERS.>\"
expireMessagesPeriod = 50
deadLetterStrategy = \"individual\"
queuePrefix = \"DLQ.\"
",
        store.display()
    );
    fs::write(&file, text).expect("written");
    // Its port is one of this test's own.
    let instance = Instance::configured("said", &file);
    let broker = instance.serve();
    let said = broker.0.said_on(Stream::Out).join("\n");
    assert!(said.contains("broker said") && said.contains("synced periodic"), "{said}");
    assert!(said.contains(&store.display().to_string()), "{said}");

    // The policy acts: what expires goes to a queue named after its own.
    let send = ["send", "ORDERS.EU", "late", "--url", &instance.uri(), "--time-to-live", "1ms"];
    assert_eq!(run(&send).wait_end().code(), Some(0));
    let mut received =
        run(&["receive", "DLQ.ORDERS.EU", "--url", &instance.uri(), "--count", "1", "--wait", "30s"]);
    assert_eq!(received.wait_end().code(), Some(0));
    assert_eq!(received.said_on(Stream::Out), ["late"]);
    broker.stop();
}

#[test]
fn a_file_with_mistakes_is_refused_with_each_of_them_and_its_place() {
    let folder = directory();
    let file = folder.path().join("kahawai.toml");
    fs::write(&file, "brokername = \"a\"\n[store]\nleaseDuration = \"soon\"\n").expect("written");
    let path = file.to_str().expect("UTF-8");
    let mut process = run(&["serve", "--config", path]);
    assert_eq!(process.wait_end().code(), Some(2));
    let said = process.said_on(Stream::Err).join("\n");
    assert!(said.contains(&format!("{path}:1:1: there is no setting 'brokername'")), "{said}");
    assert!(
        said.contains("was brokerName meant?") && said.contains(&format!("{path}:3:17: leaseDuration")),
        "{said}"
    );
    for (name, told) in [("gone.toml", "No such file"), ("kahawai.ini", "ends with .toml")] {
        let path = folder.path().join(name);
        let mut process = run(&["serve", "--config", path.to_str().expect("UTF-8")]);
        assert_eq!(process.wait_end().code(), Some(2));
        assert!(process.said_on(Stream::Err).join("\n").contains(told), "{name}");
    }
}

#[test]
fn activemqs_own_file_is_a_broker_and_a_slave_waits_on_the_same_directory() {
    let folder = directory();
    let file = folder.path().join("activemq.xml");
    let text = "\
<beans xmlns=\"http://www.springframework.org/schema/beans\">
  <broker xmlns=\"http://activemq.apache.org/schema/core\" brokerName=\"written\" dataDirectory=\"${place}\">
    <destinationPolicy><policyMap><policyEntries>
      <policyEntry queue=\"ORDERS.>\" expireMessagesPeriod=\"50\">
        <deadLetterStrategy><individualDeadLetterStrategy queuePrefix=\"DLQ.\"/></deadLetterStrategy>
      </policyEntry>
    </policyEntries></policyMap></destinationPolicy>
    <persistenceAdapter><kahaDB directory=\"${place}/kahadb\"/></persistenceAdapter>
    <transportConnectors>
      <transportConnector uri=\"tcp://127.0.0.1:0\"/><transportConnector uri=\"stomp://127.0.0.1:0\"/>
    </transportConnectors>
  </broker>
</beans>
";
    fs::write(&file, text).expect("written");
    let place = format!("place={}", folder.path().display());
    let instance = Instance::configured("said", &file).with(&["-D", &place]);
    let broker = instance.serve();
    let said = broker.0.said_on(Stream::Out).join("\n");
    assert!(said.contains(&folder.path().join("kahadb").display().to_string()), "{said}");
    let warned = || broker.0.said_on(Stream::Err).join("\n");
    until("STOMP is told of", || warned().contains("STOMP is not spoken yet"));
    let warned = warned();
    assert!(warned.contains("activemq.xml:10:") && warned.contains("STOMP is not spoken yet"), "{warned}");
    let send = ["send", "ORDERS.EU", "late", "--url", &instance.uri(), "--time-to-live", "1ms"];
    assert_eq!(run(&send).wait_end().code(), Some(0));
    let mut received =
        run(&["receive", "DLQ.ORDERS.EU", "--url", &instance.uri(), "--count", "1", "--wait", "30s"]);
    assert_eq!(received.wait_end().code(), Some(0));
    assert_eq!(received.said_on(Stream::Out), ["late"]);
    // The article's second broker, on the same file but for its port.
    let other = Instance::configured("other", &file).with(&["-D", &place]);
    let slave = other.start();
    slave.wait_slave(0);
    broker.stop();
    slave.wait_ready(0);
    slave.stop();
}

#[test]
fn what_would_open_a_door_is_refused_line_by_line_and_nothing_is_begun() {
    let folder = directory();
    let file = folder.path().join("activemq.xml");
    let text = "\
<broker xmlns=\"http://activemq.apache.org/schema/core\" masterConnectorURI=\"ssl://localhost:1\">
  <persistenceAdapter><kahaDB directory=\"store\"/></persistenceAdapter>
  <transportConnectors><transportConnector uri=\"ssl://127.0.0.1:0\"/></transportConnectors>
</broker>
";
    fs::write(&file, text).expect("written");
    let mut process = run(&["serve", "--config", file.to_str().expect("UTF-8")]);
    assert_eq!(process.wait_end().code(), Some(2));
    let said = process.said_on(Stream::Err).join("\n");
    assert!(said.contains(":1:56: refused: masterConnectorURI") && said.contains("ssl://"), "{said}");
    assert!(said.contains("kahawai config check"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1, "something was begun");
}

/// SIGHUP: policies are others at once, and what is not a policy is named; a file with a mistake changes nothing.
#[test]
fn policies_are_read_again_while_the_broker_runs_and_what_needs_a_start_is_named() {
    let folder = directory();
    let (file, store) = (folder.path().join("kahawai.toml"), folder.path().join("store"));
    let write = |memory: &str, policy: &str| {
        let text =
            format!("memoryUsage = \"{memory}\"\n[store]\naddress = \"{}\"\n{policy}", store.display());
        fs::write(&file, text).expect("written");
    };
    let dead_letters_to = |name: &str| {
        format!(
            "[[policy]]\nqueue = \"ORDERS.>\"\nexpireMessagesPeriod = 50\ndeadLetterStrategy = \"shared\"\ndeadLetterQueue = \"{name}\"\n"
        )
    };
    write("64 mb", &dead_letters_to("BEFORE"));
    let (one, two) = (Instance::configured("one", &file), Instance::configured("two", &file));
    let master = one.serve();
    let slave = two.start();
    slave.wait_slave(0);
    let late = |instance: &Instance, letters: &str| {
        let send = ["send", "ORDERS.EU", "late", "--url", &instance.uri(), "--time-to-live", "1ms"];
        assert_eq!(run(&send).wait_end().code(), Some(0));
        let receive = ["receive", letters, "--url", &instance.uri(), "--count", "1", "--wait", "30s"];
        let mut received = run(&receive);
        assert_eq!(received.wait_end().code(), Some(0));
        assert_eq!(received.said_on(Stream::Out), ["late"]);
    };
    late(&one, "BEFORE");
    let again = |broker: &Broker, expected: &str| {
        let from = broker.0.here();
        broker.0.signal(rustix::process::Signal::HUP);
        broker.0.wait_line(from, expected);
        from
    };

    write("128 mb", &dead_letters_to("AFTER"));
    let from = again(&master, "reload: policies are others; 1 destination has another one");
    let (said, _) = master.0.wait_line(from, "reload: memoryUsage");
    assert!(said.contains("stays 64mb until the next start; the file says 128mb"), "{said}");
    again(&slave, "reload: policies are others, for when this broker is master");
    late(&one, "AFTER");
    again(&master, "reload: policies are as before");

    write("64 mb", "[[policy]]\nqueue = \"ORDERS.>\"\nexpireMessagesPeriods = 1\n");
    let from = again(&master, "reload: refused");
    master.0.wait_since(from, "the reason", |line| line.contains("expireMessagesPeriods").then_some(()));
    late(&one, "AFTER");

    master.stop();
    slave.wait_ready(0);
    late(&two, "AFTER");
    slave.stop();
}

/// Whoever says it: at the start, and at a reload what was not so before.
#[test]
fn what_is_dangerous_is_told_where_it_acts() {
    let folder = directory();
    let (file, store) = (folder.path().join("kahawai.toml"), folder.path().join("store"));
    let write = |policy: &str| {
        fs::write(&file, format!("[store]\naddress = \"{}\"\n{policy}", store.display())).expect("written");
    };
    const FIRST: &str = "[[policy]]\nqueue = \"FIRST*\"\nmaxPageSize = 5\n";
    write(FIRST);
    let instance = Instance::configured("dangerous", &file).with(&["--journal-disk-sync-strategy", "never"]);
    let broker = instance.start_with(&[("KAHAWAI_STORE_LOCK_ACQUIRE_SLEEP_INTERVAL", "10s")]);
    broker.wait_ready(0);
    let told = |from: usize| -> Vec<String> {
        let said = broker.0.said_since(from).into_iter();
        said.filter(|line| line.contains("WARN") && line.contains("dangerous: ")).collect()
    };
    // The log and what is said come by two pipes, of which either may be the slower.
    until("the dangers are told", || told(0).len() >= 3);
    let found = told(0);
    assert_eq!(found.len(), 3, "{found:#?}");
    let toml = format!("dangerous: {}:", file.display());
    for words in [
        "dangerous: --journal-disk-sync-strategy: journalDiskSyncStrategy = never: ",
        "dangerous: KAHAWAI_STORE_LOCK_ACQUIRE_SLEEP_INTERVAL: lockAcquireSleepInterval: ",
        &format!("{toml}3: the policy of queue://FIRST*: "),
    ] {
        assert!(found.iter().any(|line| line.contains(words)), "not '{words}': {found:#?}");
    }
    let again = |expected: &str| {
        let from = broker.0.here();
        broker.0.signal(rustix::process::Signal::HUP);
        broker.0.wait_line(from, expected);
        from
    };
    let from = again("reload: policies are as before");
    assert_eq!(told(from), [""; 0]);
    write(&format!("[[policy]]\nqueue = \"SECOND*\"\nmaxPageSize = 5\n{FIRST}"));
    let from = again("reload: policies are others");
    until("the new danger is told", || !told(from).is_empty());
    let found = told(from);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains(&format!("{toml}3: the policy of queue://SECOND*: ")), "{found:#?}");
    broker.stop();
}
