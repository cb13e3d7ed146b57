//! A MariaDB server of one's own: a new one in a new directory, on a loopback port, gone with its owner.
//!
//! The server is the child of a shell that stops it when the pipe from us is closed: also where this process is killed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Whether to leave out what needs MariaDB. Only where the caller says so: without it a test fails, it is not skipped.
pub fn is_skipped() -> bool {
    let skip = std::env::var("KAHAWAI_SKIP_MARIADB").is_ok_and(|value| value == "1");
    if skip {
        let _ =
            writeln!(std::io::stderr(), "# SKIPPED: KAHAWAI_SKIP_MARIADB=1; nothing was tested with MariaDB");
    }
    skip
}

/// A server.
pub struct Server {
    directory: PathBuf,
    port: u16,
    keeper: Child,
}

impl Server {
    /// The one of this process, started when first asked for.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// A new one.
    pub fn start() -> Self {
        let unique = format!("kahawai-my-{}-{:?}", std::process::id(), Instant::now());
        let digest = unique.bytes().fold(5381u64, |hash, byte| hash.wrapping_mul(33) ^ u64::from(byte));
        let directory = std::env::temp_dir().join(format!("kahawai-my-{digest:x}"));
        let path = directory.display();
        let reserved = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = reserved.local_addr().expect("its number").port();
        drop(reserved);
        let user = if rustix::process::geteuid().is_root() { "--user=root" } else { "" };
        let text = format!(
            "set -e
            command -v mariadbd >/dev/null || PATH=$PATH:/usr/sbin
            command -v mariadbd >/dev/null || {{ echo 'MariaDB is not there: run tests/fetch \
              (or leave these tests out with KAHAWAI_SKIP_MARIADB=1)'; exit 1; }}
            mkdir -m 700 {path}
            mariadb-install-db --no-defaults {user} --auth-root-authentication-method=normal \
              --datadir={path}/data >{path}/install.log 2>&1 || {{ cat {path}/install.log; exit 1; }}
            mariadbd --no-defaults {user} --datadir={path}/data --socket={path}/socket --port={port} \
              --bind-address=127.0.0.1 --innodb-flush-log-at-trx-commit=2 --pid-file={path}/pid \
              >{path}/log 2>&1 </dev/null &
            server=$!
            for try in $(seq 600); do
              mariadb --no-defaults --user=root --socket={path}/socket --execute='CREATE DATABASE IF NOT EXISTS mq; \
                CREATE USER IF NOT EXISTS kahawai@localhost; CREATE USER IF NOT EXISTS kahawai@127.0.0.1; \
                GRANT ALL ON *.* TO kahawai@localhost; GRANT ALL ON *.* TO kahawai@127.0.0.1' 2>/dev/null && break
              kill -0 $server || {{ cat {path}/log; exit 1; }}
              sleep 0.1
            done
            echo READY
            cat >/dev/null
            kill -KILL $server
            wait $server || true
            rm -rf {path}"
        );
        let mut keeper = Command::new("bash")
            .args(["-c", &text])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        let mut said = BufReader::new(keeper.stdout.take().expect("its output"));
        let mut line = String::new();
        said.read_line(&mut line).expect("its first line");
        if line.trim() != "READY" {
            let mut rest = String::new();
            let _ = said.read_to_string(&mut rest);
            panic!("MariaDB cannot be started: {line}{rest}");
        }
        Self { directory, port, keeper }
    }

    /// Where it is to be found.
    pub fn url(&self) -> String {
        format!("mysql://kahawai@127.0.0.1:{}/mq", self.port)
    }

    /// The same with tables that begin with this.
    pub fn url_of(&self, prefix: &str) -> String {
        format!("{}?tablePrefix={prefix}", self.url())
    }

    /// Runs SQL that may fail.
    pub fn try_sql(&self, sql: &str) -> std::process::Output {
        Command::new("mariadb")
            .args(["--no-defaults", "--user=root", "--skip-column-names", "--batch", "--database=mq"])
            .arg(format!("--socket={}", self.directory.join("socket").display()))
            .args(["--execute", sql])
            .output()
            .expect("mariadb can be run")
    }

    /// Runs SQL, each line of the result with tabs between columns.
    pub fn sql(&self, sql: &str) -> Vec<String> {
        let output = self.try_sql(sql);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(30);
        while matches!(self.keeper.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
