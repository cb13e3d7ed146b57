//! Network namespaces of a test's own: hosts with links that can be cut, each way by itself.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::LinkNameSpaceType;

thread_local! {
    static WITHIN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The names of the first two hosts where processes are [`Hosts::named`].
pub const NAMES: [&str; 2] = ["one", "two"];

/// Does something whose processes are started on a host.
pub fn within<T>(host: &str, act: impl FnOnce() -> T) -> T {
    let before = WITHIN.replace(Some(host.to_owned()));
    let done = act();
    WITHIN.set(before);
    done
}

/// Does something with sockets that are this host's, also once it is done.
pub fn inside<T: Send>(host: &str, act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|threads| {
        let there = threads.spawn(|| {
            let space = File::open(format!("/run/netns/{host}")).expect("the namespace");
            rustix::thread::move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("this thread is there");
            act()
        });
        there.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The command as it is started on the host that this thread is on. It becomes the process itself.
pub fn here(command: &Command) -> Option<Command> {
    let host = WITHIN.with_borrow(Clone::clone)?;
    let mut there = Command::new("ip");
    there.args(["netns", "exec", &host]);
    Some(carried(there, command))
}

/// A command that begins so, and goes on with another in its environment and folder.
fn carried(mut beginning: Command, command: &Command) -> Command {
    beginning.arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        beginning.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => beginning.env(name, value),
            None => beginning.env_remove(name),
        };
    }
    beginning
}

/// Three hosts, each with a link to each other.
pub struct Hosts {
    names: [String; 3],
}

/// The links, and what their ends end with: `10.77.LINK.END`.
const LINKS: [(usize, usize); 3] = [(0, 1), (0, 2), (1, 2)];

impl Hosts {
    /// Three new hosts; `None`, said loudly, where this process may not make any.
    pub fn new() -> Option<Self> {
        // Each test of a process has its own.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let hosts = Self { names: [0, 1, 2].map(|host| format!("kahawai-{unique}-{host}")) };
        for name in &hosts.names {
            if let Err(problem) = ip(&["netns", "add", name]) {
                super::tell(&format!(
                    "SKIPPED: network namespaces cannot be made here (needs root and ip): {problem}"
                ));
                return None;
            }
            ip(&["-n", name, "link", "set", "lo", "up"]).expect("a loopback");
        }
        for (link, (one, other)) in LINKS.into_iter().enumerate() {
            let ends = [(one, format!("kw{link}a")), (other, format!("kw{link}b"))];
            let [a, b] = [&ends[0], &ends[1]];
            ip(&[
                "link",
                "add",
                &a.1,
                "netns",
                &hosts.names[a.0],
                "type",
                "veth",
                "peer",
                "name",
                &b.1,
                "netns",
                &hosts.names[b.0],
            ])
            .expect("a link");
            for (end, (host, device)) in ends.iter().enumerate() {
                let address = format!("10.77.{link}.{}/30", end + 1);
                ip(&["-n", &hosts.names[*host], "addr", "add", &address, "dev", device]).expect("an address");
                ip(&["-n", &hosts.names[*host], "link", "set", device, "up"]).expect("it is up");
            }
        }
        Some(hosts)
    }

    /// Waits until every link carries something: what chooses among them when it starts chooses among all.
    pub fn wait_links(&self) {
        for (link, (one, other)) in LINKS.into_iter().enumerate() {
            for (host, end) in [(one, 'a'), (other, 'b')] {
                let device = format!("kw{link}{end}");
                super::process::until("the link is up", || {
                    let shown = ip(&["-n", &self.names[host], "-o", "link", "show", "dev", &device]);
                    shown.expect("it is there").contains(" state UP ")
                });
            }
        }
    }

    pub fn name(&self, host: usize) -> &str {
        &self.names[host]
    }

    /// The command on a host that is called by its name of [`NAMES`] and knows both, as `kahawai` is started on hosts that nobody has given addresses to
    /// in a file. `folder` gets a file of names. It becomes the process itself.
    pub fn named(&self, host: usize, folder: &Path, command: &Command) -> Command {
        let known = [0, 1].map(|host| format!("{} {}\n", Self::address(host, 1 - host), NAMES[host]));
        let names = folder.join(format!("{}.names", NAMES[host]));
        std::fs::write(&names, format!("127.0.0.1 localhost\n{}", known.concat())).expect("written");
        // What a namespace is entered by makes one of mounts too: nobody else sees this one.
        let script = "hostname \"$0\"; mount --bind \"$1\" /etc/hosts; shift; exec \"$@\"";
        let mut named = Command::new("unshare");
        named.args(["--uts", "sh", "-ec", script, NAMES[host]]).arg(names);
        carried(named, command)
    }

    /// A host's address as seen from another.
    pub fn address(of: usize, from: usize) -> String {
        let link = LINKS.iter().position(|link| *link == (of, from) || *link == (from, of)).expect("a link");
        format!("10.77.{link}.{}", if LINKS[link].0 == of { 1 } else { 2 })
    }

    /// From now on nothing gets from one to the other.
    pub fn cut(&self, from: usize, to: usize) {
        let there = format!("{}/32", Self::address(to, from));
        ip(&["-n", &self.names[from], "route", "add", "blackhole", &there]).expect("a route into nowhere");
    }

    /// It does again.
    pub fn heal(&self, from: usize, to: usize) {
        let there = format!("{}/32", Self::address(to, from));
        ip(&["-n", &self.names[from], "route", "del", "blackhole", &there]).expect("the route is there");
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
