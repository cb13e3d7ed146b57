//! One mastership: open the store, serve, and stop or step down.

use std::pin::pin;
use std::sync::Arc;

use kahawai_broker::{Broker, BrokerConfig, StartError, SteppedDown};
use kahawai_store::contract::Store;
use kahawai_store::election::{Cancel, Hold, Lost};
use tokio::sync::oneshot;

use super::background::blocking;
use super::place::{Held, NotOpened, Place};
use super::signal::{Asked, Signals};
use super::status::Status;
use super::told::Told;
use crate::descriptors;
use crate::exit::{Exit, Failure};

/// How a mastership ended without a failure.
pub(super) enum Ended {
    /// A signal asked for it; everything is closed and released.
    Stopped,
    /// Another has claimed the store, for this reason.
    Lost(String),
}

/// Why serving ends.
enum End {
    Stop,
    Lost(Lost),
    SteppedDown(SteppedDown),
}

/// Serves as master until a signal, a loss or a failure.
pub(super) async fn serve_as_master(
    told: &mut Told,
    place: &Place,
    held: Held,
    status: &Status,
    signals: &mut Signals,
) -> Result<Ended, Failure> {
    let hold = held.hold();
    let (lost, mut is_lost) = oneshot::channel();
    hold.on_lost(Box::new(move |reason| {
        // Nobody listens once the mastership has ended another way.
        let _ = lost.send(reason);
    }));
    let cancel = Cancel::default();
    let mut opening = {
        let (place, config, cancel) = (place.clone(), Arc::clone(told.config()), cancel.clone());
        tokio::task::spawn_blocking(move || place.open_store(&config, &held, &cancel))
    };
    let opened = tokio::select! {
        opened = &mut opening => opened,
        () = signals.stop() => {
            cancel.cancel();
            opening.await
        }
    };
    let opened = opened.map_err(|error| Failure::new(Exit::Other, error))?;
    let (store, damage) = match opened {
        Ok((store, _)) if cancel.is_cancelled() => {
            close(&store).await?;
            release(&hold).await?;
            return Ok(Ended::Stopped);
        }
        Ok(opened) => opened,
        Err(NotOpened::Lost(reason)) => return Ok(Ended::Lost(reason)),
        Err(NotOpened::Cancelled) => {
            release(&hold).await?;
            return Ok(Ended::Stopped);
        }
        Err(NotOpened::Failed(failure)) => {
            release(&hold).await?;
            return Err(failure);
        }
    };
    status.damage(&damage);
    let config = BrokerConfig { open_files_max: descriptors::limit(), ..told.config().broker.clone() };
    let started = Broker::start(config, Arc::clone(&store), Arc::clone(&hold)).await;
    let broker = match started {
        Ok(broker) => broker,
        Err(error) => return start_failed(error, &store, &hold).await,
    };
    status.ready(broker.addresses());

    let mut stepped_down = pin!(broker.stepped_down());
    let end = loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Reload => told.again(Some(&broker), status).await,
                Asked::Stop => break End::Stop,
            },
            Ok(lost) = &mut is_lost => break End::Lost(lost),
            why = &mut stepped_down => break End::SteppedDown(why),
        }
    };
    match end {
        End::Stop => {
            status.stopping();
            broker.stop().await;
            close(&store).await?;
            release(&hold).await?;
            Ok(Ended::Stopped)
        }
        End::Lost(lost) => {
            broker.abandon();
            close(&store).await?;
            Ok(Ended::Lost(lost.reason.to_string()))
        }
        End::SteppedDown(why) => {
            broker.abandon();
            close(&store).await?;
            // The store's answer may come before the notice of the loss that caused it.
            match prove(&hold).await? {
                Err(lost) => Ok(Ended::Lost(lost.reason.to_string())),
                Ok(()) => {
                    release(&hold).await?;
                    Err(Failure::new(Exit::StoreFailed, why))
                }
            }
        }
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
