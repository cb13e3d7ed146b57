//! The lines an operator and a script read on standard output, and systemd's notices.
//!
//! One fact a line, `what: value`; the line that begins with `ready` says that clients are served. A slave tells systemd that it
//! is ready too: it does what it is there for.

use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use kahawai_config::difference::Difference;
use kahawai_store::election::Holder;
use kahawai_store::names::Epoch;
use sd_notify::NotifyState;

use crate::exit::Failure;
use crate::notice::{notify, say};

/// Says what state the broker is in.
#[derive(Clone, Debug)]
pub(super) struct Status {
    started: Instant,
}

impl Status {
    /// Says who this is.
    pub(super) fn begin(name: &str) -> Self {
        let (version, process) = (env!("CARGO_PKG_VERSION"), std::process::id());
        say(&format!("kahawai: version {version}, broker {name}, process {process}"));
        Self { started: Instant::now() }
    }

    pub(super) fn store(&self, description: &str) {
        say(&format!("store: {description}"));
    }

    /// Who says which of a pair may serve.
    pub(super) fn arbiter(&self, description: &str) {
        say(&format!("arbiter: {description}"));
    }

    pub(super) fn slave(&self, holder: &Holder) {
        let held_by = if holder.epoch == Epoch(0) {
            "someone who has not said who".to_owned()
        } else {
            holder.to_string()
        };
        let role = format!("slave: waiting for the store, held by {held_by}");
        say(&format!("role: {role}"));
        notify(&[NotifyState::Ready, NotifyState::Status(&role)]);
    }

    /// It copies a master's store.
    pub(super) fn follows(&self, master: &str) {
        let role = format!("slave: copying {master}");
        say(&format!("role: {role}"));
        notify(&[NotifyState::Ready, NotifyState::Status(&role)]);
    }

    pub(super) fn master_gone(&self) {
        say("stopping: the master is gone (shutdownOnMasterFailure)");
    }

    pub(super) fn slave_gone(&self) {
        say("stopping: the slave is gone (shutdownOnSlaveFailure)");
    }

    pub(super) fn master(&self, epoch: Epoch) {
        say("role: master");
        say(&format!("epoch: {epoch}"));
    }

    /// What recovery found: nothing to say where all is sound.
    pub(super) fn damage(&self, damage: &[String]) {
        for found in damage {
            tracing::error!("the store is damaged: {found}");
        }
    }

    pub(super) fn ready(&self, addresses: &[SocketAddr]) {
        let uris: Vec<_> = addresses.iter().map(|address| format!("tcp://{address}")).collect();
        for uri in &uris {
            say(&format!("connector: openwire {uri}"));
        }
        let (uris, after) = (uris.join(", "), self.started.elapsed().as_millis());
        say(&format!("ready: serving on {uris}, {after} ms after the start"));
        notify(&[NotifyState::Ready, NotifyState::Status(&format!("master: serving on {uris}"))]);
    }

    pub(super) fn stepped_down(&self, reason: &str, pause: Duration) {
        say(&format!("role: stepped down: {reason}; tries again in {} ms", pause.as_millis()));
        notify(&[NotifyState::Status("stepped down; waiting as slave")]);
    }

    /// The configuration is read again.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "cannot tell systemd that the configuration is read again"),
        }
    }

    /// It was refused.
    pub(super) fn not_reloaded(&self, failure: &Failure) {
        tracing::warn!("the configuration was read again and is refused; all is as before: {failure}");
        say("reload: refused, all is as before; the log says why");
    }

    /// It says something otherwise that cannot be changed now.
    pub(super) fn needs_a_start(&self, different: &Difference) {
        let Difference { name, before, after } = different;
        say(&format!(
            "reload: {name} stays {} until the next start; the file says {}",
            or_unset(before),
            or_unset(after)
        ));
    }

    pub(super) fn same_policies(&self) {
        say("reload: policies are as before");
    }

    /// There are other policies, for as many destinations where clients are served.
    pub(super) fn policies(&self, destinations: Option<usize>) {
        match destinations {
            Some(1) => say(
                "reload: policies are others; 1 destination has another one, and consumers that begin from now on",
            ),
            Some(count) => say(&format!(
                "reload: policies are others; {count} destinations have another one, and consumers that begin from now on"
            )),
            None => say("reload: policies are others, for when this broker is master"),
        }
    }

    pub(super) fn reloaded(&self) {
        notify(&[NotifyState::Ready]);
    }

    pub(super) fn stopping(&self) {
        say("stopping: asked to by a signal");
        notify(&[NotifyState::Stopping]);
    }

    pub(super) fn stopped(&self) {
        say("stopped: in good order");
    }
}

fn or_unset(value: &str) -> &str {
    if value.is_empty() { "unset" } else { value }
}
