//! One mastership: open the journal, serve, and stop or step down.

use std::sync::Arc;

use kahawai_broker::{Broker, BrokerConfig, StartError};
use kahawai_journal::directory::StoreDirectory;
use kahawai_journal::journal::{Journal, OpenError};
use kahawai_journal::options::JournalOptions;
use kahawai_store::contract::{Store, StoreWait as _};
use kahawai_store::election::Hold;
use tokio::sync::oneshot;

use super::blocking;
use super::signal::Signals;
use super::status::Status;
use crate::cli::ServeOptions;
use crate::exit::{Exit, Failure};

/// How a mastership ended without a failure.
pub(super) enum Ended {
    /// A signal asked for it; everything is closed and released.
    Stopped,
    /// Another has claimed the store, for this reason.
    Lost(String),
}

/// Serves as master until a signal, a loss or a failure.
pub(super) async fn serve_as_master(
    options: &ServeOptions,
    store: &StoreDirectory,
    journal_options: &JournalOptions,
    hold: Arc<dyn Hold>,
    status: &Status,
    signals: &mut Signals,
) -> Result<Ended, Failure> {
    let (lost, mut is_lost) = oneshot::channel();
    hold.on_lost(Box::new(move |reason| {
        // Nobody listens once the mastership has ended another way.
        let _ = lost.send(reason);
    }));
    let opened = {
        let (store, hold, journal_options) = (store.clone(), Arc::clone(&hold), journal_options.clone());
        blocking(move || {
            let journal = Journal::open(&store, hold, journal_options)?;
            let damage = journal.recover_wait().map(|recovered| recovered.damage).unwrap_or_default();
            Ok((journal, damage))
        })
        .await?
    };
    let (journal, damage) = match opened {
        Ok(opened) => opened,
        Err(OpenError::Lost(lost)) => return Ok(Ended::Lost(lost.reason.to_string())),
        Err(error) => {
            hold.release();
            let exit = if matches!(error, OpenError::Full(_)) { Exit::Unwritable } else { Exit::Store };
            return Err(Failure::new(exit, format!("{}: {error}", options.store.display())));
        }
    };
    status.damage(&damage);
    let journal = Arc::new(journal);
    let config = BrokerConfig {
        broker_name: options.name.clone(),
        bind: vec![options.bind.clone()],
        lease: options.lease_duration,
        ..BrokerConfig::default()
    };
    let started = Broker::start(config, Arc::clone(&journal) as Arc<dyn Store>, Arc::clone(&hold)).await;
    let broker = match started {
        Ok(broker) => broker,
        Err(error) => return start_failed(error, &journal, &hold).await,
    };
    status.ready(broker.addresses());

    let stepped_down = broker.stepped_down();
    tokio::select! {
        () = signals.stop() => {
            status.stopping();
            broker.stop().await;
            close(&journal).await?;
            hold.release();
            Ok(Ended::Stopped)
        }
        Ok(lost) = &mut is_lost => {
            broker.abandon();
            close(&journal).await?;
            Ok(Ended::Lost(lost.reason.to_string()))
        }
        why = stepped_down => {
            broker.abandon();
            close(&journal).await?;
            // The store's answer may come before the notice of the loss that caused it.
            match hold.prove() {
                Err(lost) => Ok(Ended::Lost(lost.reason.to_string())),
                Ok(()) => {
                    hold.release();
                    Err(Failure::new(Exit::StoreFailed, why))
                }
            }
        }
    }
}

async fn start_failed(
    error: StartError,
    journal: &Arc<Journal>,
    hold: &Arc<dyn Hold>,
) -> Result<Ended, Failure> {
    close(journal).await?;
    if let Err(lost) = hold.prove() {
        return Ok(Ended::Lost(lost.reason.to_string()));
    }
    hold.release();
    let exit = match error {
        StartError::Store(_) => Exit::StoreFailed,
        StartError::Bind { .. } | StartError::NoAddress => Exit::Connector,
    };
    Err(Failure::new(exit, error))
}

async fn close(journal: &Arc<Journal>) -> Result<(), Failure> {
    let journal = Arc::clone(journal);
    blocking(move || journal.close()).await
}
