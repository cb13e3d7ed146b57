//! A real ActiveMQ on loopback, shared by the tests that run at the same time.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;

use kahawai_client::{Connection, Consumer, ConsumerOptions, Delivery, Destination, Session};
use tempfile::TempDir;

/// What the tests need that cargo does not bring.
const BROKER_JAR: &str = "/usr/share/java/activemq-broker.jar";

/// How long any one step of a test may take. Only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running ActiveMQ; killed when the last test that uses it ends.
pub(crate) struct ActiveMq {
    child: Child,
    pub(crate) url: String,
    _directory: Arc<TempDir>,
}

/// A broker that waits until it becomes the master.
pub(crate) struct Slave {
    broker: ActiveMq,
    listening: mpsc::Receiver<()>,
}

impl Slave {
    /// Where it will serve.
    pub(crate) fn url(&self) -> &str {
        &self.broker.url
    }

    /// Waits until it serves.
    pub(crate) fn wait_master(self) -> ActiveMq {
        self.listening.recv_timeout(3 * PATIENCE).expect("the slave took over in time");
        self.broker
    }
}

impl ActiveMq {
    /// The broker that the tests share, or none, said loudly, where this machine cannot run one.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<ActiveMq>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(broker) = shared.upgrade() {
            return Some(broker);
        }
        let broker = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&broker);
        Some(broker)
    }

    /// A broker of the test's own.
    pub(crate) fn start() -> Option<Self> {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let (mut broker, lines) = Self::launch(0, directory, &[])?;
        broker.url = lines.recv_timeout(3 * PATIENCE).expect("ActiveMQ ended before it listened");
        Some(broker)
    }

    /// A master and its slave on one store.
    pub(crate) fn start_pair() -> Option<(Self, Slave)> {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let often = ["--lock-poll", "100"];
        let (master, lines) = Self::launch(free_port(), directory.clone(), &often)?;
        lines.recv_timeout(3 * PATIENCE).expect("ActiveMQ ended before it listened");
        let (slave, lines) = Self::launch(free_port(), directory, &often)?;
        let (listens, listening) = mpsc::channel();
        std::thread::spawn(move || {
            lines.into_iter().for_each(|_| {
                let _ = listens.send(());
            })
        });
        Some((master, Slave { broker: slave, listening }))
    }

    /// Starts a broker; it tells its URL when it serves.
    fn launch(
        port: u16,
        directory: Arc<TempDir>,
        options: &[&str],
    ) -> Option<(Self, mpsc::Receiver<String>)> {
        if !Path::new(BROKER_JAR).exists() {
            return skipped(&format!("there is no {BROKER_JAR} (run tests/fetch)"));
        }
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let Ok(build) = Command::new(root.join("tests/java/build")).stderr(Stdio::inherit()).output() else {
            return skipped("tests/java/build cannot be run");
        };
        if !build.status.success() {
            return skipped("tests/java/build found no JDK or not all jars (run tests/fetch)");
        }
        let class_path = String::from_utf8(build.stdout).unwrap();
        let started = Command::new("java")
            .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", class_path.trim()])
            .args(["RunActiveMQ", "--port", &port.to_string(), "--directory"])
            .arg(directory.path())
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = started else { return skipped("there is no java (run tests/fetch)") };
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (listens, listening) = mpsc::channel();
        // To the end: the broker must not block on what it prints.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("LISTENING ").and_then(|rest| rest.split(' ').next()) {
                    let _ = listens.send(url.to_owned());
                }
            }
        });
        let url = format!("tcp://127.0.0.1:{port}");
        Some((Self { child, url, _directory: directory }, listening))
    }

    /// Ends the broker as a crash would.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for ActiveMq {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port that nobody listens on now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn skipped<T>(reason: &str) -> Option<T> {
    // Not by the macro, which cargo keeps back where the test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: no real ActiveMQ to test against: {reason}");
    None
}

/// The future's result, or a failed test.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("not within the test's patience")
}

/// The broker that the tests share, or the end of the test.
macro_rules! broker {
    () => {
        match crate::support::ActiveMq::shared() {
            Some(broker) => broker,
            None => return,
        }
    };
}

pub(crate) use broker;

/// A session of a connection of its own.
pub(crate) async fn session(broker: &ActiveMq) -> Session {
    soon(soon(Connection::open(broker.url.as_str())).await.unwrap().session()).await.unwrap()
}

/// The consumer's next message.
pub(crate) async fn receive(consumer: &mut Consumer) -> Delivery {
    soon(consumer.next()).await.expect("the consumer ended").unwrap()
}

/// The texts of a consumer's next messages.
pub(crate) async fn texts(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(receive(consumer).await.text().unwrap().to_string());
    }
    texts
}

/// Whether nothing comes: proven by a message that comes instead, sent after all that might have.
pub(crate) async fn is_drained(session: &Session, queue: &str) -> bool {
    let producer = session.producer(Destination::queue(queue)).await.unwrap();
    producer.send("the end").await.unwrap();
    let mut consumer = session.consumer(ConsumerOptions::queue(queue)).await.unwrap();
    receive(&mut consumer).await.text().unwrap() == "the end"
}
