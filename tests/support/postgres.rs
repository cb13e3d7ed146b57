//! A PostgreSQL server of one's own: a new one in a new directory, on a socket and a loopback port, gone with its owner.
//!
//! The server is the child of a shell that stops it when the pipe from us is closed: also where this process is killed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Whether to leave out what needs PostgreSQL. Only where the caller says so: without it a test fails, it is not skipped.
pub fn is_skipped() -> bool {
    let skip = std::env::var("KAHAWAI_SKIP_POSTGRES").is_ok_and(|value| value == "1");
    if skip {
        let _ = writeln!(
            std::io::stderr(),
            "# SKIPPED: KAHAWAI_SKIP_POSTGRES=1; nothing was tested with PostgreSQL"
        );
    }
    skip
}

/// A server.
pub struct Server {
    directory: PathBuf,
    port: u16,
    keeper: Child,
}

/// Debian keeps the programs of each version apart.
fn programs() -> PathBuf {
    if let Ok(path) = std::env::var("KAHAWAI_POSTGRES_BIN") {
        return path.into();
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found =
        versions.map(|entry| entry.path().join("bin")).filter(|path| path.join("initdb").exists()).max();
    found.expect(
        "PostgreSQL is not there: run tests/fetch (or leave these tests out with KAHAWAI_SKIP_POSTGRES=1)",
    )
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A shell script as the user who may run the server: root may not.
fn script(text: &str) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("su");
        command.args(["postgres", "-s", "/bin/sh", "-c", text]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        command
    };
    command.env("LC_ALL", "C.UTF-8").current_dir("/");
    command
}

impl Server {
    /// The one of this process, started when first asked for.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(&["fsync = off"]))
    }

    /// A new one, with these lines in its configuration.
    pub fn start(settings: &[&str]) -> Self {
        let unique = format!("kahawai-pg-{}-{:?}", std::process::id(), Instant::now());
        let digest = unique.bytes().fold(5381u64, |hash, byte| hash.wrapping_mul(33) ^ u64::from(byte));
        // Short: a socket's path may have 107 bytes.
        let directory = std::env::temp_dir().join(format!("kahawai-pg-{digest:x}"));
        let bin = programs();
        let bin = bin.display();
        let path = directory.display();
        let reserved = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = reserved.local_addr().expect("its number").port();
        drop(reserved);
        let mut configuration = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{path}'\n\
             max_connections = 200\nlogging_collector = off\n"
        );
        for setting in settings {
            configuration.push_str(setting);
            configuration.push('\n');
        }
        let text = format!(
            "set -e
            mkdir -m 700 {path}
            {bin}/initdb --pgdata={path}/data --username=kahawai --auth=trust --encoding=UTF8 --no-sync \
              >{path}/initdb.log 2>&1 || {{ cat {path}/initdb.log; exit 1; }}
            cat >>{path}/data/postgresql.conf <<'END'
{configuration}
END
            {bin}/pg_ctl --pgdata={path}/data --log={path}/log --wait start >/dev/null \
              || {{ cat {path}/log; exit 1; }}
            echo READY
            cat >/dev/null
            {bin}/pg_ctl --pgdata={path}/data --mode=immediate --wait stop >/dev/null 2>&1 || true
            rm -rf {path}"
        );
        let mut keeper = script(&text)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell can be started");
        let mut said = BufReader::new(keeper.stdout.take().expect("its output"));
        let mut line = String::new();
        said.read_line(&mut line).expect("its first line");
        if line.trim() != "READY" {
            let mut rest = String::new();
            let _ = said.read_to_string(&mut rest);
            panic!("PostgreSQL cannot be started: {line}{rest}");
        }
        Self { directory, port, keeper }
    }

    /// Where it is to be found, over TCP.
    pub fn url(&self) -> String {
        format!("postgres://kahawai@127.0.0.1:{}/postgres", self.port)
    }

    /// The same with tables that begin with this.
    pub fn url_of(&self, prefix: &str) -> String {
        format!("{}?tablePrefix={prefix}", self.url())
    }

    /// Does something to the server: `stop`, `start`, `restart`, `promote`, with a mode.
    pub fn control(&self, what: &str, mode: &str) {
        let (bin, path) = (programs(), self.directory.display());
        let mode = if mode.is_empty() { String::new() } else { format!("--mode={mode}") };
        let text = format!(
            "{}/pg_ctl --pgdata={path}/data --log={path}/log {mode} --wait {what} >/dev/null",
            bin.display()
        );
        let status = script(&text).stdin(Stdio::null()).status().expect("pg_ctl can be run");
        assert!(status.success(), "pg_ctl {what} {mode} ended with {status}:\n{}", self.log());
    }

    /// Runs SQL, each line of the result with `|` between columns.
    pub fn sql(&self, sql: &str) -> Vec<String> {
        let output = Command::new(programs().join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
            .args(["--dbname", &self.url(), "--command", sql])
            .output()
            .expect("psql can be run");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// The directory with its data.
    pub fn data(&self) -> PathBuf {
        Path::new(&self.directory).join("data")
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
