//! `kahawai witness` as a process: alone, and as the arbiter of a pair on one host.

mod support;

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;

use rustix::process::Signal;
use support::broker::Broker;
use support::command::kahawai;
use support::directory;
use support::port::Port;
use support::process::Process;

fn witness(bind: &str, folder: &Path) -> Process {
    let mut command = Broker::command();
    command.args(["witness", "--bind", bind, "--directory"]).arg(folder);
    Process::start("witness", &mut command)
}

fn ready(witness: &Process) -> String {
    let (line, _) = witness.wait_line(0, "ready: answering on tcp://");
    line["ready: answering on tcp://".len()..].to_owned()
}

fn wait(process: &Process, from: usize, text: &str) -> usize {
    process.wait_since(from, text, |line| line.contains(text).then_some(())).1
}

#[test]
fn a_witness_has_a_port_and_a_directory_of_its_own_and_stops_in_good_order() {
    let folder = directory();
    let path = folder.path().join("records");
    let mut first = witness("127.0.0.1:0", &path);
    let address = ready(&first);
    let said = first.said_since(0);
    assert!(said.iter().any(|line| line.ends_with("records, no pair yet")), "{said:?}");
    assert!(!said.iter().any(|line| line.contains("dangerous")), "it is reached from here alone: {said:?}");

    let mut second = witness("127.0.0.1:0", &path);
    assert_eq!(second.wait_end().code(), Some(4));
    wait(&second, 0, "another witness runs on");
    let mut third = witness(&address, &folder.path().join("other"));
    assert_eq!(third.wait_end().code(), Some(5));
    let mut fourth = witness("127.0.0.1:0", &path.join("mount").join("below"));
    assert_eq!(fourth.wait_end().code(), Some(4), "a mount may be missing");
    let open = witness("0.0.0.0:0", &folder.path().join("open"));
    ready(&open);
    wait(&open, 0, "dangerous: the witness listens on 0.0.0.0");

    // Whatever comes in, it goes on.
    let mut socket = TcpStream::connect(&address).expect("it listens");
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it reads");
    first.signal(Signal::HUP);
    wait(&first, 0, "nothing to read again");
    first.signal(Signal::TERM);
    assert!(first.wait_end().success());
    wait(&first, 0, "stopped: in good order");
    assert!(!first.said_since(0).iter().any(|line| line.contains("panicked")));
}

/// Two brokers of a pair with a witness for it, on one host.
struct Pair {
    folder: tempfile::TempDir,
    ports: [Port; 2],
    witness: String,
}

impl Pair {
    fn start(&self, one: usize) -> Broker {
        let master = match one {
            1 => format!("masterConnectorURI = \"tcp://{}\"\n", self.ports[0].address()),
            _ => String::new(),
        };
        let name = ["a", "b"][one];
        let text = format!(
            "brokerName = \"{name}\"\n{master}arbiter = \"tcp://{}/orders\"\ntransportConnectors = [\"tcp://{}\"]\n\
             [store]\naddress = \"{}\"\n",
            self.witness,
            self.ports[one].address(),
            self.folder.path().join(name).display()
        );
        let file = self.folder.path().join(format!("{name}.toml"));
        fs::write(&file, text).expect("written");
        let mut command = Broker::command();
        command.args(["serve", "--config"]).arg(&file);
        Broker(Process::start(name, &mut command))
    }

    /// Sends a message and waits for its answer.
    fn send(&self, to: usize) {
        let url = format!("tcp://{}", self.ports[to].address());
        kahawai(&["send", "Q", "x", "--url", &url]).ok();
    }
}

#[test]
fn a_pair_goes_on_without_its_witness_and_answers_nobody_once_one_of_it_is_gone_too() {
    let folder = directory();
    let records = folder.path().join("records");
    let port = Port::new();
    let pair = Pair { folder, ports: [Port::new(), Port::new()], witness: port.address() };
    // Nobody is there yet: that is said, and the master serves.
    let master = pair.start(0);
    wait(&master.0, 0, "no witness listens at");
    master.wait_ready(0);
    let said = format!("arbiter: witness tcp://{}, pair orders", pair.witness);
    assert!(master.0.said_since(0).contains(&said));
    let mut third = witness(&pair.witness, &records);
    ready(&third);
    let mut slave = pair.start(1);
    wait(&slave.0, 0, "in sync with");
    wait(&third, 0, "pair orders:");

    // Both are up: nobody is asked.
    third.kill();
    pair.send(0);
    let place = master.0.here();
    slave.0.kill();
    // It may be that the other took over: nobody is answered.
    wait(&master.0, place, "nobody is answered until it does");
    let url = format!("tcp://{}", pair.ports[0].address());
    let mut sending = Broker::command();
    sending.args(["send", "Q", "y", "--url", &url]);
    let mut sending = Process::start("send", &mut sending);
    wait(&master.0, master.0.here(), "nobody is answered until it does");
    assert!(sending.is_running(), "it was answered by a master that may be none any more");

    // Now there is somebody to ask.
    let third = witness(&pair.witness, &records);
    ready(&third);
    wait(&third, 0, "records, pairs orders");
    assert!(sending.wait_end().success());
    let status = kahawai(&["cluster", "status", "--url", &url]).ok();
    assert!(status.contains(&said["arbiter: ".len()..]), "{status}");
    // Whoever is back comes in again.
    let slave = pair.start(1);
    wait(&slave.0, 0, "in sync with");
    for mut broker in [slave, master] {
        broker.0.signal(Signal::TERM);
        assert!(broker.wait_end().success());
    }
}

/// It may have known that one of both was out: neither makes itself master by its own record.
#[test]
fn an_arbiter_that_lost_its_records_makes_nobody_master_and_is_told_anew_once_both_are_there() {
    const LOST: &str = "it holds nothing of this pair any more";
    let folder = directory();
    let records = folder.path().join("records");
    let port = Port::new();
    let pair = Pair { folder, ports: [Port::new(), Port::new()], witness: port.address() };
    let loses = |old: Option<Process>| {
        if let Some(mut old) = old {
            old.kill();
            fs::remove_dir_all(&records).expect("it had some");
        }
        let new = witness(&pair.witness, &records);
        ready(&new);
        new
    };
    let third = loses(None);
    let mut master = pair.start(0);
    master.wait_ready(0);
    let mut slave = pair.start(1);
    wait(&slave.0, 0, "in sync with");

    let third = loses(Some(third));
    pair.send(0);
    let place = master.0.here();
    slave.0.kill();
    wait(&master.0, place, LOST);
    // Whoever says hello has not taken over: the one that knows begins the record, and goes on.
    let mut slave = pair.start(1);
    wait(&slave.0, 0, "in sync with");
    pair.send(0);

    let third = loses(Some(third));
    let place = slave.0.here();
    master.0.kill();
    wait(&slave.0, place, LOST);
    slave.0.kill();
    drop(third);
    let said = slave.0.said_since(place);
    assert!(!said.iter().any(|line| line.contains("master of the pair")), "{said:?}");
}

#[test]
fn a_broker_whose_arbiter_is_in_a_database_that_is_away_says_so_without_its_password_and_stops_in_good_order()
{
    let folder = directory();
    for scheme in ["postgres", "mysql"] {
        let nobody = Port::new();
        let url = format!("{scheme}://me:secret@{}/mq?pair=orders", nobody.address());
        let shown = format!("{scheme}://me@{}/mq", nobody.address());
        let file = folder.path().join(format!("{scheme}.toml"));
        let store = folder.path().join(scheme);
        let text = format!(
            "arbiter = \"{url}\"\ntransportConnectors = [\"tcp://127.0.0.1:0\"]\n[store]\naddress = \"{}\"\n",
            store.display()
        );
        fs::write(&file, text).expect("written");
        let file = file.to_str().expect("a path in UTF-8");
        let config = kahawai(&["config", "show", "--config", file]).ok();
        assert!(config.contains(&shown) && config.contains("the password in it is hidden"), "{config}");
        let mut command = Broker::command();
        command.args(["serve", "--config", file]);
        let mut broker = Process::start(scheme, &mut command);
        wait(&broker, 0, "the arbiter cannot be reached");
        let (connector, _) = broker.wait_line(0, "connector: openwire ");
        broker.wait_line(0, "ready");
        let status =
            kahawai(&["cluster", "status", "--url", &connector["connector: openwire ".len()..]]).ok();
        assert!(status.contains(&shown), "{status}");
        broker.signal(Signal::TERM);
        let ended = broker.wait_end();
        let said = broker.said_since(0);
        assert!(
            said.iter()
                .any(|line| line.starts_with(&format!("arbiter: {shown} (tables kahawai_*), pair orders")))
        );
        for text in [&said.join("\n"), &config, &status] {
            assert!(!text.contains("secret") && !text.contains("panicked"), "{text}");
        }
        assert!(ended.success(), "{ended}");
    }
}
