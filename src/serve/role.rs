//! One mastership of a store: open it, follow a master of its pair if there is one, serve, and stop or step down.

use std::pin::pin;
use std::sync::Arc;

use kahawai_broker::{Broker, BrokerConfig, StartError, SteppedDown};
use kahawai_replication::member::Opening;
use kahawai_replication::record::Record;
use kahawai_replication::standing::Standing;
use kahawai_store::batch::Operation;
use kahawai_store::contract::Store;
use kahawai_store::election::{Cancel, Hold, Lost};
use kahawai_store::replica::Replica;
use tokio::sync::oneshot;

use super::background::blocking;
use super::pair::{self, PairEnd, Pairing};
use super::place::{Held, NotOpened, Opened, Place};
use super::signal::{Asked, Signals};
use super::status::Status;
use super::told::Told;
use crate::descriptors;
use crate::exit::{Exit, Failure};

/// How a mastership ended without a failure.
pub(super) enum Ended {
    /// A signal asked for it, or the configuration says so; everything is closed and released.
    Stopped,
    /// Another has claimed the store, or is master of the pair, for this reason.
    Lost(String),
    /// The store is to be opened otherwise, to be a copy of the master's; it is closed and released.
    Reopen(Opening, Vec<Operation>),
}

/// How a store is held.
#[derive(Debug)]
pub(super) struct How {
    /// How it is opened.
    pub(super) opening: Opening,
    /// What it is to hold where it is emptied.
    pub(super) remembered: Vec<Operation>,
}

/// Why serving ends.
enum End {
    Stop,
    Lost(Lost),
    Pair(PairEnd),
    SteppedDown(SteppedDown),
}

/// What is at hand while the store is held.
struct Holding<'a> {
    told: &'a mut Told,
    hold: Arc<dyn Hold>,
    status: &'a Status,
    signals: &'a mut Signals,
}

/// Opens the store, follows a master if there is one, and serves, until a signal, a loss or a failure.
pub(super) async fn hold_store(
    told: &mut Told,
    pairing: &Pairing,
    place: &Place,
    held: Held,
    how: How,
    status: &Status,
    signals: &mut Signals,
) -> Result<Ended, Failure> {
    let How { opening, remembered } = how;
    let hold = held.hold();
    let mut holding = Holding { told, hold, status, signals };
    let Opened { store, identity, damage } = match holding.open(place, held, opening, remembered).await? {
        Ok(opened) => opened,
        Err(ended) => return Ok(ended),
    };
    status.damage(&damage);
    let pairing = &pairing.of_store(identity);
    match holding.follow(pairing, &store).await? {
        pair::Came::Serve { standing, record, at_a_risk } => {
            holding.serve(pairing, store, *standing, record, at_a_risk).await
        }
        came => {
            let store: Arc<dyn Store> = store;
            close(&store).await?;
            match came {
                pair::Came::Lost(reason) => Ok(Ended::Lost(reason)),
                pair::Came::Reopen(opening, remembered) => {
                    release(&holding.hold).await?;
                    Ok(Ended::Reopen(opening, remembered))
                }
                pair::Came::Failed(problem) => holding.failed(Failure::new(Exit::StoreFailed, problem)).await,
                pair::Came::MasterGone => {
                    release(&holding.hold).await?;
                    status.master_gone();
                    Ok(Ended::Stopped)
                }
                pair::Came::Stopped | pair::Came::Serve { .. } => {
                    release(&holding.hold).await?;
                    Ok(Ended::Stopped)
                }
            }
        }
    }
}

impl Holding<'_> {
    /// Opens the store; how it ended where that is no failure.
    async fn open(
        &mut self,
        place: &Place,
        held: Held,
        opening: Opening,
        remembered: Vec<Operation>,
    ) -> Result<Result<Opened, Ended>, Failure> {
        let cancel = Cancel::default();
        let mut opened = {
            let (place, config, cancel) = (place.clone(), Arc::clone(self.told.config()), cancel.clone());
            tokio::task::spawn_blocking(move || {
                place.open_store(&config, &held, opening, remembered, &cancel)
            })
        };
        let opened = tokio::select! {
            opened = &mut opened => opened,
            () = self.signals.stop() => {
                cancel.cancel();
                opened.await
            }
        };
        match opened.map_err(|error| Failure::new(Exit::Other, error))? {
            Ok(opened) if cancel.is_cancelled() => {
                let store: Arc<dyn Store> = opened.store;
                close(&store).await?;
                release(&self.hold).await?;
                Ok(Err(Ended::Stopped))
            }
            Ok(opened) => Ok(Ok(opened)),
            Err(NotOpened::Lost(reason)) => Ok(Err(Ended::Lost(reason))),
            Err(NotOpened::Cancelled) => {
                release(&self.hold).await?;
                Ok(Err(Ended::Stopped))
            }
            Err(NotOpened::Failed(failure)) => {
                release(&self.hold).await?;
                Err(failure)
            }
        }
    }

    /// Follows a master for as long as there is one.
    async fn follow(&mut self, pairing: &Pairing, store: &Arc<dyn Replica>) -> Result<pair::Came, Failure> {
        let cancel = Cancel::default();
        let mut came = {
            let (pairing, store, hold) = (pairing.clone(), Arc::clone(store), Arc::clone(&self.hold));
            let (cancel, status) = (cancel.clone(), self.status.clone());
            tokio::task::spawn_blocking(move || {
                pair::run(&pairing, &store, &hold, &cancel, &mut |master| status.follows(master))
            })
        };
        loop {
            tokio::select! {
                came = &mut came => return came.map_err(|error| Failure::new(Exit::Other, error)),
                asked = self.signals.next() => match asked {
                    Asked::Reload => self.told.again(None, self.status).await,
                    Asked::Stop => cancel.cancel(),
                }
            }
        }
    }

    async fn serve(
        &mut self,
        pairing: &Pairing,
        store: Arc<dyn Replica>,
        standing: Standing,
        record: Option<Record>,
        at_a_risk: bool,
    ) -> Result<Ended, Failure> {
        let own = Arc::clone(&self.hold);
        let (lost, mut is_lost) = oneshot::channel();
        own.on_lost(Box::new(move |reason| {
            // Nobody listens once the mastership has ended another way.
            let _ = lost.send(reason);
        }));
        self.status.master(own.epoch());
        let (pairing, hold, inner) = (pairing.clone(), Arc::clone(&own), Arc::clone(&store));
        let mut served =
            match blocking(move || pair::serve(&pairing, inner, hold, standing, record, at_a_risk)).await? {
                Ok(served) => served,
                Err(problem) => {
                    let store: Arc<dyn Store> = store;
                    close(&store).await?;
                    return self.failed(Failure::new(Exit::StoreFailed, problem)).await;
                }
            };
        let store = Arc::clone(&served.store);
        let config = BrokerConfig {
            open_files_max: descriptors::limit(),
            slaves: served.slaves.clone(),
            ..self.told.config().broker.clone()
        };
        let started = Broker::start(config, Arc::clone(&store), Arc::clone(&served.hold)).await;
        let broker = match started {
            Ok(broker) => broker,
            Err(error) => {
                let ended = start_failed(error, &store, &own).await;
                return match blocking(move || served.end()).await? {
                    Some(PairEnd::Deposed(reason)) if ended.is_err() => Ok(Ended::Lost(reason)),
                    _ => ended,
                };
            }
        };
        served.opened();
        self.status.ready(broker.addresses());

        let mut stepped_down = pin!(broker.stepped_down());
        let end = loop {
            tokio::select! {
                asked = self.signals.next() => match asked {
                    Asked::Reload => self.told.again(Some(&broker), self.status).await,
                    Asked::Stop => break End::Stop,
                },
                Ok(lost) = &mut is_lost => break End::Lost(lost),
                Ok(end) = &mut served.ended => break End::Pair(end),
                why = &mut stepped_down => break End::SteppedDown(why),
            }
        };
        if let End::Stop = end {
            self.status.stopping();
            broker.stop().await;
        } else if let End::Pair(PairEnd::Switched) = end {
            broker.stop().await;
        } else {
            broker.abandon();
        }
        close(&store).await?;
        // A step down that the pair has decided may be heard by the broker first.
        let pair_end = blocking(move || served.end()).await?;
        match (end, pair_end) {
            (End::Stop, _) => {
                release(&own).await?;
                Ok(Ended::Stopped)
            }
            (End::Lost(lost), _) => Ok(Ended::Lost(lost.reason.to_string())),
            (End::Pair(end), _) | (End::SteppedDown(_), Some(end)) => {
                release(&own).await?;
                match end {
                    PairEnd::Deposed(reason) => Ok(Ended::Lost(reason)),
                    PairEnd::Switched => {
                        Ok(Ended::Lost("the slave takes over, as it was asked to".to_owned()))
                    }
                    PairEnd::SlaveGone => {
                        self.status.slave_gone();
                        Ok(Ended::Stopped)
                    }
                }
            }
            // The store's answer may come before the notice of the loss that caused it.
            (End::SteppedDown(why), None) => match prove(&own).await? {
                Err(lost) => Ok(Ended::Lost(lost.reason.to_string())),
                Ok(()) => self.failed(Failure::new(Exit::StoreFailed, why)).await,
            },
        }
    }

    async fn failed(&self, failure: Failure) -> Result<Ended, Failure> {
        if let Err(lost) = prove(&self.hold).await? {
            return Ok(Ended::Lost(lost.reason.to_string()));
        }
        release(&self.hold).await?;
        Err(failure)
    }
}

async fn start_failed(
    error: StartError,
    store: &Arc<dyn Store>,
    hold: &Arc<dyn Hold>,
) -> Result<Ended, Failure> {
    close(store).await?;
    if let Err(lost) = prove(hold).await? {
        return Ok(Ended::Lost(lost.reason.to_string()));
    }
    release(hold).await?;
    let exit = match error {
        StartError::Store(_) => Exit::StoreFailed,
        StartError::Bind { .. } | StartError::NoAddress => Exit::Connector,
    };
    Err(Failure::new(exit, error))
}

async fn close(store: &Arc<dyn Store>) -> Result<(), Failure> {
    let store = Arc::clone(store);
    blocking(move || store.close()).await
}

async fn prove(hold: &Arc<dyn Hold>) -> Result<Result<(), Lost>, Failure> {
    let hold = Arc::clone(hold);
    blocking(move || hold.prove()).await
}

async fn release(hold: &Arc<dyn Hold>) -> Result<(), Failure> {
    let hold = Arc::clone(hold);
    blocking(move || hold.release()).await
}
