//! What does not change while the process lives: who it is to its pair.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kahawai_config::settings::broker::arbiter;
use kahawai_config::{Configuration, StoreAddress};
use kahawai_replication::arbiter::Arbiter;
use kahawai_replication::master::{Amounts, Me};
use kahawai_replication::member::Course;
use kahawai_replication::record::Member;
use kahawai_replication::standing::Known;
use kahawai_store::names::Epoch;

use crate::arbiters;
use crate::exit::{Exit, Failure};

/// What is wrong with an arbiter that has lost its record, and what to do.
pub(super) const LOST: &str = "it holds nothing of this pair any more, though it did: its disk was lost, or another arbiter is named now. It is told anew once \
    both brokers are there and one has let the other in; where one of them is gone for good, start the one that served last without an arbiter once";

/// What a process is to its pair, from its start to its end.
#[derive(Clone)]
pub(in crate::serve) struct Pairing {
    pub(super) me: Me,
    pub(super) arbiter: Option<Arc<dyn Arbiter>>,
    /// Which one, for people.
    arbiter_told: Option<String>,
    pub(super) config: Arc<Configuration>,
    pub(super) began: Instant,
    /// Where what a slave is to get later is kept.
    pub(super) spools: PathBuf,
}

impl Pairing {
    /// Of a process with this configuration, whose store is not known yet.
    pub(in crate::serve) fn new(config: &Arc<Configuration>) -> Result<Self, Failure> {
        let broker = &config.broker;
        let addresses = broker.bind.iter().map(|bind| format!("tcp://{}", reachable(bind))).collect();
        let me = Me {
            member: Member([0; 16]),
            known: Known { name: broker.broker_name.clone(), addresses },
            process: u64::from_le_bytes(random()?),
            pair: random()?,
            lease: broker.lease,
            epoch: Epoch(0),
            has_arbiter: arbiter(broker).is_some(),
            amounts: Amounts::default(),
        };
        let opened = arbiter(broker).map(|address| arbiters::open(&address)).transpose()?;
        let (arbiter, arbiter_told) = opened.unzip();
        if let Some(arbiter) = &arbiter {
            arbiters::look(Arc::clone(arbiter));
        }
        let spools = match &config.store.address {
            StoreAddress::Journal(directory) => directory.clone(),
            StoreAddress::Sqlite(file) => {
                let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty());
                directory.unwrap_or(Path::new(".")).to_owned()
            }
            StoreAddress::Postgres(_) | StoreAddress::Mysql(_) => std::env::temp_dir(),
        };
        Ok(Self { me, arbiter, arbiter_told, config: Arc::clone(config), began: Instant::now(), spools })
    }

    /// Which arbiter there is, for people.
    pub(in crate::serve) fn arbiter(&self) -> Option<&str> {
        self.arbiter_told.as_deref()
    }

    /// The same with the store that has this identity.
    pub(in crate::serve) fn of_store(&self, identity: [u8; 16]) -> Self {
        let me = Me { member: Member(identity), ..self.me.clone() };
        Self { me, ..self.clone() }
    }

    /// How long this process has lived.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn course(&self) -> Course {
        let pair = &self.config.broker.pair;
        Course {
            me: self.me.member,
            master: pair.master_connector_uri.clone(),
            lease: self.me.lease,
            wait: pair.wait_for_other,
            has_arbiter: self.arbiter.is_some(),
            shutdown_on_master_failure: pair.shutdown_on_master_failure,
        }
    }
}

/// An address at which others find what listens there: where that is every address of this host, its name.
fn reachable(bind: &str) -> String {
    let every = ["0.0.0.0:", "[::]:"].iter().find_map(|every| bind.strip_prefix(every));
    match every {
        Some(port) => {
            let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
            format!("{name}:{port}")
        }
        None => bind.to_owned(),
    }
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        let got = rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty());
        filled += got.map_err(|error| Failure::new(Exit::Other, format!("no random bytes: {error}")))?;
    }
    Ok(bytes)
}
