//! Serves OpenWire over the reference model: everything works and nothing outlives the process. For trying clients.
//!
//! `cargo run -p kahawai-broker --example memory_broker -- [HOST:PORT]`

use std::sync::Arc;
use std::time::Duration;

use kahawai_broker::{Broker, BrokerConfig};
use kahawai_store::election::{Hold, Lost};
use kahawai_store::model::{Memory, Model};
use kahawai_store::names::Epoch;

/// A mastership that nobody disputes.
struct Undisputed;

impl Hold for Undisputed {
    fn epoch(&self) -> Epoch {
        Epoch(1)
    }

    fn prove(&self) -> Result<(), Lost> {
        Ok(())
    }

    fn proof_age(&self) -> Duration {
        Duration::ZERO
    }

    fn on_lost(&self, _: Box<dyn FnOnce(Lost) + Send>) {}

    fn release(&self) {}
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let bind = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:61616".into());
    let store = Arc::new(Model::open(&Memory::default(), Epoch(1)));
    let config = BrokerConfig { bind: vec![bind], ..BrokerConfig::default() };
    let broker = Broker::start(config, store, Arc::new(Undisputed)).await?;
    for address in broker.addresses() {
        tracing::info!("ready: tcp://{address}");
    }
    tokio::signal::ctrl_c().await?;
    broker.stop().await;
    Ok(())
}
