//! The command: what it says, how it stops, and with which exit code it refuses what it cannot use, touching nothing.

mod support;

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::process::Signal;
use support::broker::{Broker, Instance};
use support::mount::Mount;
use support::process::{Process, Stream};
use support::raw::leave_stuck_message;
use support::{PATIENCE, digest, directory};

fn run(arguments: &[&str]) -> Process {
    Process::start("kahawai", Broker::command().args(arguments))
}

/// Runs `serve` on a store that it must refuse; gives what it said on standard error.
fn refused(store: &Path, code: i32) -> String {
    let mut process = run(&["serve", "--store", store.to_str().expect("UTF-8"), "--bind", "127.0.0.1:0"]);
    let status = process.wait_end();
    assert_eq!(status.code(), Some(code), "{}", process.tail());
    process.said_on(Stream::Err).join("\n")
}

/// The same, and nothing in the directory may have changed.
fn refused_untouched(store: &Path, code: i32) -> String {
    let before = digest(store);
    let said = refused(store, code);
    assert_eq!(digest(store), before, "the directory was touched");
    said
}

#[test]
fn it_says_one_fact_a_line_and_then_that_it_is_ready() {
    let folder = directory();
    let instance = Instance::new("speaker", &folder.path().join("store"));
    let broker = instance.serve();
    let said = broker.0.said_on(Stream::Out);
    let beginnings = [
        "kahawai: version ",
        "store: journal in ",
        "role: master",
        "epoch: 1",
        "connector: openwire tcp://",
        "ready: ",
    ];
    assert_eq!(said.len(), beginnings.len(), "{said:?}");
    for (line, beginning) in said.iter().zip(beginnings) {
        assert!(line.starts_with(beginning), "'{line}' does not begin with '{beginning}'");
    }
    assert!(said[0].contains("broker speaker"));
    broker.stop();
}

#[test]
fn a_weaker_durability_is_said_and_loses_nothing_with_the_process() {
    let folder = directory();
    for level in ["periodic", "never"] {
        let options = ["--journal-disk-sync-strategy", level, "--journal-disk-sync-interval", "60000"];
        let instance = Instance::new(level, &folder.path().join(level)).with(&options);
        let mut broker = instance.serve();
        let said = broker.0.said_on(Stream::Out);
        assert!(said[1].ends_with(&format!(", synced {level}")), "{}", said[1]);
        let warned = broker.0.said_on(Stream::Err);
        assert!(warned.iter().any(|line| line.contains("journalDiskSyncStrategy")), "{warned:?}");
        leave_stuck_message(&instance.address());
        broker.0.kill();
        let broker = instance.serve();
        let mut browse = run(&["browse", "stuck", "--json", "--url", &instance.uri()]);
        assert!(browse.wait_end().success(), "{}", browse.tail());
        let held = browse.said_on(Stream::Out);
        assert_eq!(held.iter().filter(|line| line.contains("stuck")).count(), 1, "{held:?}");
        broker.stop();
    }
}

#[test]
fn systemd_is_told_by_master_and_slave() {
    let folder = directory();
    let socket = folder.path().join("notify");
    let path = folder.path().join("store");
    let listen = UnixDatagram::bind(&socket).expect("a socket");
    listen.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let variables = [("NOTIFY_SOCKET", socket.to_str().expect("UTF-8"))];
    let hear = |wanted: &str| {
        let mut heard = String::new();
        while !heard.contains(wanted) {
            let mut buffer = [0; 4096];
            let count =
                listen.recv(&mut buffer).unwrap_or_else(|error| panic!("no {wanted} in {heard:?}: {error}"));
            heard.push_str(&String::from_utf8_lossy(&buffer[..count]));
            heard.push('\n');
        }
        heard
    };
    let master = Instance::new("master", &path).start_with(&variables);
    assert!(hear("STATUS=master: serving on tcp://").contains("READY=1"));
    let slave = Instance::new("slave", &path).start_with(&variables);
    assert!(hear("STATUS=slave: waiting for the store, held by master ").contains("READY=1"));
    slave.stop();
    master.stop();
    hear("STOPPING=1");
}

#[test]
fn a_signal_ends_master_and_slave_in_good_order() {
    let folder = directory();
    let path = folder.path().join("store");
    // A lease so long that only a release can explain that the slave follows.
    let patient = ["--lease-duration", "600000"];
    let (first, second) =
        (Instance::new("first", &path).with(&patient), Instance::new("second", &path).with(&patient));
    let master = first.serve();
    let slave = second.start();
    slave.wait_slave_of(0, "first");
    slave.stop();
    let slave = second.start();
    slave.wait_slave_of(0, "first");
    master.stop();
    slave.wait_ready(0);
    assert_eq!(slave.epoch(), 2);
    let mut slave = slave;
    slave.0.signal(Signal::INT);
    assert!(slave.wait_end().success());
    assert!(slave.0.said_on(Stream::Out).iter().any(|line| line == "stopped: in good order"));
}

#[test]
fn help_shows_examples_and_exit_codes() {
    for arguments in [["--help"].as_slice(), &["serve", "--help"]] {
        let mut process = run(arguments);
        assert!(process.wait_end().success());
        let said = process.said_on(Stream::Out).join("\n");
        assert!(said.contains("Exit codes:") && said.contains("  6  the store failed"), "{said}");
        assert_eq!(said.contains("failover:(tcp://host-a:61616"), arguments.len() == 2, "{said}");
    }
    let mut wrong = run(&["serve", "--no-such-option"]);
    assert_eq!(wrong.wait_end().code(), Some(2));
}

#[test]
fn the_readme_lists_the_same_exit_codes() {
    let mut process = run(&["--help"]);
    process.wait_end();
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("the README");
    let said = process.said_on(Stream::Out);
    let table =
        said.iter().skip_while(|line| *line != "Exit codes:").skip(1).take_while(|line| !line.is_empty());
    let mut count = 0;
    for line in table {
        let (code, meaning) = line.trim().split_once("  ").expect("a code and its meaning");
        assert!(readme.contains(&format!("| {code} | {meaning} |")), "the README lacks: {line}");
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn a_directory_that_is_no_store_is_refused() {
    let folder = directory();
    std::fs::write(folder.path().join("fish.txt"), "no store's").expect("a file");
    let said = refused_untouched(folder.path(), 3);
    assert!(said.contains("not a Kahawai store") && said.contains("fish.txt"), "{said}");
    let said = refused(&folder.path().join("fish.txt"), 3);
    assert!(said.contains("is not a directory"), "{said}");
}

#[test]
fn a_newer_or_unreleased_format_and_a_damaged_identity_are_refused() {
    let folder = directory();
    let path = folder.path().join("store");
    Instance::new("maker", &path).serve().stop();
    let identity = path.join("kahawai-store");
    let sound = std::fs::read(&identity).expect("the identity");
    let mut newer = sound.clone();
    newer[8..10].copy_from_slice(&7_u16.to_le_bytes());
    std::fs::write(&identity, &newer).expect("a newer identity");
    let said = refused_untouched(&path, 3);
    assert!(said.contains("format version 7") && said.contains("reads up to 2"), "{said}");
    let mut unreleased = sound.clone();
    unreleased[8..10].copy_from_slice(&1_u16.to_le_bytes());
    std::fs::write(&identity, &unreleased).expect("an older identity");
    let said = refused_untouched(&path, 3);
    assert!(said.contains("format version 1, which was never released"), "{said}");
    let mut damaged = sound.clone();
    damaged[12] ^= 1;
    std::fs::write(&identity, &damaged).expect("a damaged identity");
    let said = refused_untouched(&path, 3);
    assert!(said.contains("damaged"), "{said}");
    std::fs::write(&identity, &sound).expect("the identity");
    Instance::new("again", &path).serve().stop();
}

#[test]
fn a_read_only_file_system_is_refused() {
    let Some(mount) = Mount::small(64 << 10) else { return };
    Instance::new("maker", &mount.join("store")).serve().stop();
    mount.make_read_only();
    let said = refused_untouched(&mount.join("store"), 4);
    assert!(said.contains("cannot be written"), "{said}");
    let said = refused(&mount.join("new"), 4);
    assert!(said.contains("cannot be written"), "{said}");
}

#[test]
fn a_full_disk_is_refused_with_a_clear_word() {
    let Some(mount) = Mount::small(1024) else { return };
    let said = refused(&mount.join("store"), 4);
    assert!(said.contains("full"), "{said}");
}

#[test]
fn a_port_in_use_is_refused_and_the_store_given_up() {
    let folder = directory();
    let path = folder.path().join("store");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let mut process = run(&["serve", "--store", path.to_str().expect("UTF-8"), "--bind", &address]);
    assert_eq!(process.wait_end().code(), Some(5), "{}", process.tail());
    assert!(process.said_on(Stream::Err).join("\n").contains(&address));
    // It has released the store: another need not wait for a lease of ten minutes.
    Instance::new("next", &path).with(&["--lease-duration", "600000"]).serve().stop();
}

/// Runs `serve` as a slave beside a master and gives what it said on standard error when it was refused as wrong usage.
fn refused_as_wrong_usage(options: &[&str]) -> String {
    let mut process = run(&[["serve"].as_slice(), options].concat());
    let status = process.wait_end();
    assert_eq!(status.code(), Some(2), "{options:?}: {}", process.tail());
    assert_eq!(process.said_on(Stream::Out).iter().find(|line| line.starts_with("role: ")), None);
    process.said_on(Stream::Err).join("\n")
}

#[test]
fn a_slave_whose_address_cannot_be_one_is_refused_at_start() {
    let folder = directory();
    let path = folder.path().join("store");
    let store = path.to_str().expect("UTF-8");
    let master = Instance::new("master", &path).serve();
    for (wrong, problem, advice) in [
        ("127.0.0.1:99999", "'99999' is no port", "from 0 to 65535"),
        ("nonsense", "lacks a port", "nonsense:61616"),
        ("tcp://127.0.0.1:61617", "without 'tcp://'", "127.0.0.1:61617"),
        ("::1:61617", "no IPv6 address", "[::1]:61616"),
        ("", "lacks a port", "127.0.0.1:61616"),
    ] {
        let said = refused_as_wrong_usage(&["--store", store, "--bind", wrong]);
        assert!(
            said.contains("--bind") && said.contains(problem) && said.contains(advice),
            "{wrong}: {said}"
        );
    }
    master.stop();
}

#[test]
fn a_slave_whose_other_options_cannot_be_meant_is_refused_at_start() {
    let folder = directory();
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (store, empty, none) = (path("store"), path("empty"), path("none"));
    std::fs::write(&empty, "\n").expect("a file");
    let server = "postgres://mq@127.0.0.1:1/mq";
    let sqlite = format!("sqlite:{store}.db");
    let cases: [(&[&str], &str); 8] = [
        (&["--store", &store, "--name", ""], "needs a name"),
        (&["--store", &store, "--name", "a\nready: b"], "without line breaks"),
        (&["--store", &store, "--lease-duration", "18446744073709551615"], "from 100 to 86400000"),
        (&["--store", "postgres://mq@127.0.0.1:none/mq"], "--store"),
        (&["--store", server, "--store-password-file", &empty], "no password on its first line"),
        (&["--store", server, "--store-password-file", &none], &none),
        (&["--store", &store, "--store-password-file", &empty], "is for stores in a database"),
        (&["--store", &sqlite, "--journal-io", "plain"], "is for stores in a directory"),
    ];
    for (options, problem) in cases {
        let said = refused_as_wrong_usage(&[options, &["--bind", "127.0.0.1:0"]].concat());
        assert!(said.contains(problem), "{options:?}: {said}");
    }
}

#[test]
fn a_slave_warns_at_start_of_an_address_that_it_could_not_have() {
    let folder = directory();
    let path = folder.path().join("store");
    let store = path.to_str().expect("UTF-8");
    let patient = ["--lease-duration", "600000"];
    let first = Instance::new("first", &path).with(&patient);
    let master = first.serve();
    let slave_at = |name: &str, bind: &str| {
        let arguments = ["serve", "--store", store, "--bind", bind, "--name", name];
        let slave = Broker(run(&[&arguments, patient.as_slice()].concat()));
        slave.wait_slave_of(0, "first");
        slave
    };
    let warning = |slave: &Broker, bind: &str, problem: &str| {
        slave.0.wait_since(0, problem, |line| {
            (line.contains("WARN") && line.contains(bind) && line.contains(problem)).then_some(())
        });
    };
    let elsewhere = slave_at("elsewhere", "192.0.2.1:61616");
    warning(&elsewhere, "192.0.2.1:61616", "is no address of this host");
    elsewhere.stop();
    let nowhere = slave_at("nowhere", "no-such-host.invalid:61616");
    warning(&nowhere, "no-such-host.invalid:61616", "is not known");
    nowhere.stop();
    // The master's own address: usual for a slave on another host, and no reason to end here.
    let same = slave_at("same", &first.address());
    warning(&same, &first.address(), "somebody listens there");
    assert!(first.port().is_open(), "the master still listens");
    master.stop();
    same.wait_ready(0);
    assert!(!same.0.said_since(0).iter().any(|line| line.starts_with("ERROR")));
    // A free one is nothing to speak of, and is not kept.
    let free = Instance::new("free", &path).with(&patient);
    let slave = free.start();
    slave.wait_slave_of(0, "same");
    assert!(!free.port().is_open(), "a slave listens");
    slave.stop();
    same.stop();
}

#[test]
fn a_file_that_is_no_sqlite_database_is_refused_by_a_slave_at_start() {
    let folder = directory();
    let path = folder.path().join("store.db");
    let store = format!("sqlite:{}", path.display());
    let master = Instance::new("master", Path::new(&store)).serve();
    std::fs::rename(&path, folder.path().join("away")).expect("the database is put away");
    std::fs::write(&path, "somebody's notes, longer than the beginning").expect("a file");
    let said = refused(Path::new(&store), 3);
    assert!(said.contains("is no SQLite database"), "{said}");
    std::fs::remove_file(&path).expect("the file goes");
    std::fs::create_dir(&path).expect("a directory");
    let said = refused(Path::new(&store), 3);
    assert!(said.contains("is no file"), "{said}");
    std::fs::remove_dir(&path).expect("the directory goes");
    std::fs::rename(folder.path().join("away"), &path).expect("the database is put back");
    master.stop();
}
