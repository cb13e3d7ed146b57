//! A child process whose lines can be waited for; ended by its pid when dropped.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;
use super::netns;

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

#[derive(Default)]
struct Said {
    lines: Vec<(Stream, String)>,
    ended: usize,
}

#[derive(Default)]
struct Lines {
    said: Mutex<Said>,
    more: Condvar,
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gather(self: &Arc<Self>, stream: Stream, from: impl Read + Send + 'static) {
        let lines = Arc::clone(self);
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                lines.lock().lines.push((stream, text));
                lines.more.notify_all();
                line.clear();
            }
            lines.lock().ended += 1;
            lines.more.notify_all();
        });
    }
}

/// A running child.
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Arc<Lines>,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts it.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut elsewhere = netns::here(command);
        let command = elsewhere.as_mut().unwrap_or(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let lines = Arc::new(Lines::default());
        lines.gather(Stream::Out, child.stdout.take().expect("its output"));
        lines.gather(Stream::Err, child.stderr.take().expect("its errors"));
        let stdin = child.stdin.take();
        Self { name: name.to_owned(), child, stdin, lines, status: None }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many lines it has said: a place to wait from.
    pub fn here(&self) -> usize {
        self.lines.lock().lines.len()
    }

    /// Everything said since then, on both streams, in the order of arrival.
    pub fn said_since(&self, from: usize) -> Vec<String> {
        self.lines.lock().lines[from..].iter().map(|(_, line)| line.clone()).collect()
    }

    /// What was written to one stream.
    pub fn said_on(&self, stream: Stream) -> Vec<String> {
        let said = self.lines.lock();
        said.lines.iter().filter(|(on, _)| *on == stream).map(|(_, line)| line.clone()).collect()
    }

    /// Waits for a line from that place on for which `found` gives something; gives it and the place after.
    pub fn wait_since<T>(&self, from: usize, what: &str, found: impl Fn(&str) -> Option<T>) -> (T, usize) {
        match self.try_wait_since(from, PATIENCE, found) {
            Ok(result) => result,
            Err(why) => panic!("{} did not say '{what}': {why}\n{}", self.name, self.tail()),
        }
    }

    /// As [`Self::wait_since`], with a bound of one's own and without a panic.
    pub fn try_wait_since<T>(
        &self,
        from: usize,
        patience: Duration,
        found: impl Fn(&str) -> Option<T>,
    ) -> Result<(T, usize), &'static str> {
        let deadline = Instant::now() + patience;
        let mut at = from;
        let mut said = self.lines.lock();
        loop {
            while at < said.lines.len() {
                if let Some(result) = found(&said.lines[at].1) {
                    return Ok((result, at + 1));
                }
                at += 1;
            }
            if said.ended == 2 {
                return Err("it has ended");
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("the time is over");
            }
            said = self.lines.more.wait_timeout(said, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for a line with this beginning; gives the line and the place after.
    pub fn wait_line(&self, from: usize, prefix: &str) -> (String, usize) {
        self.wait_since(from, prefix, |line| line.starts_with(prefix).then(|| line.to_owned()))
    }

    /// Its last lines, for a failure's message.
    pub fn tail(&self) -> String {
        let said = self.lines.lock();
        let telling = |line: &str| !line.starts_with("PROGRESS") && !line.starts_with("\tat ");
        let lines: Vec<_> = said.lines.iter().filter(|(_, line)| telling(line)).collect();
        let lines = lines.iter().rev().take(40).rev();
        lines.map(|(_, line)| format!("  {}| {line}\n", self.name)).collect()
    }

    /// Writes a line to its standard input. It may have ended: what it said tells.
    pub fn tell(&mut self, line: &str) {
        if let Some(stdin) = &mut self.stdin {
            let _ = writeln!(stdin, "{line}").and_then(|()| stdin.flush());
        }
    }

    /// Sends it a signal; it must not have been waited for.
    pub fn signal(&self, signal: Signal) {
        assert!(self.status.is_none(), "{} has ended", self.name);
        let pid = Pid::from_raw(self.pid().cast_signed()).expect("a pid");
        kill_process(pid, signal).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Kills it with SIGKILL and waits for its end.
    pub fn kill(&mut self) {
        if self.status.is_none() {
            self.signal(Signal::KILL);
            self.status = Some(self.child.wait().expect("its status"));
        }
    }

    /// Waits for its end.
    pub fn wait_end(&mut self) -> ExitStatus {
        if let Some(status) = self.status {
            return status;
        }
        let deadline = Instant::now() + PATIENCE;
        let mut said = self.lines.lock();
        while said.ended < 2 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(said);
                panic!("{} does not end\n{}", self.name, self.tail());
            }
            said = self.lines.more.wait_timeout(said, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(said);
        let status = self.child.wait().expect("its status");
        self.status = Some(status);
        status
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.status.is_none() && matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it is stopped by SIGSTOP.
    pub fn wait_stopped(&self) {
        let path = format!("/proc/{}/stat", self.pid());
        until(&format!("{} is stopped", self.name), || {
            let stat = std::fs::read_to_string(&path).unwrap_or_default();
            // The state follows the name, which is in parentheses and may hold any.
            stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            super::tell(&format!("the last of {}:\n{}", self.name, self.tail()));
        }
        self.kill();
    }
}

/// Looks again and again until it is so, for as long as a test waits.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came that {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
