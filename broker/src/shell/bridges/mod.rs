//! Carries bridges: dials the other broker, opens a connection to this one from inside, and waits before the next try.
//!
//! | module | what it does |
//! |---|---|
//! | [`chance`] | numbers that nobody foresees |
//! | [`dial`] | one try, and the bridge that comes of it |
//! | [`find`] | bridges to whoever is found |
//! | [`line`] | OpenWire over one of the lines, without the line |
//! | [`names`] | what it is called |
//! | [`inside`] | connections to this broker, from inside |
//! | [`drive`] | a bridge over its lines, until it ends |
//! | [`respond`] | the other end of a duplex bridge that another broker began |

mod chance;
mod dial;
mod drive;
mod find;
mod inside;
mod line;
mod names;
pub(super) mod respond;

use std::sync::Arc;

use tokio::time::Instant;

use super::hub::{Hub, Phase};
use crate::bridge::{Candidates, NetworkConnector, Retry, Target};
use chance::chance;
use drive::Ended;
pub(super) use find::find;
use names::us;

/// Bridges to one target of a connector's, again and again, until this broker stops.
pub(super) async fn run(hub: Arc<Hub>, connector: Arc<NetworkConnector>, target: Target) {
    let us = us(&hub);
    let name = &connector.name;
    let began = Instant::now();
    let mut retry = Retry::new(target.retry.clone().unwrap_or_else(|| connector.retry.clone()));
    let mut candidates = Candidates::new(&target);
    let reporter = hub.reports.open(name, target.to_string());
    let mut phase = hub.phase();
    loop {
        candidates.begin(chance());
        while let Some(one) = candidates.take() {
            let Some(remote) = target.candidates.get(one) else { continue };
            let mut stood = false;
            let mut stands = |other: &str| {
                stood = true;
                let since =
                    retry.stands(began.elapsed()).map_or_else(String::new, |text| format!(", {text}"));
                reporter.stands(other, &remote.to_string());
                tracing::info!("network connector {name}: the bridge to {other} at {remote} stands{since}");
            };
            let (why, for_good) = match dial::attempt(
                &hub,
                &connector,
                remote,
                us.clone(),
                reporter.meter(),
                &mut stands,
            )
            .await
            {
                Ended::Stopped => return,
                Ended::Failed { why, for_good } => (why, for_good),
            };
            if !stood {
                candidates.failed(one, why, for_good);
                continue;
            }
            reporter.broke(&why);
            let was_long = retry.broke(began.elapsed());
            if target.candidates.len() > 1 {
                tracing::warn!(
                    "network connector {name}: the bridge at {remote} broke: {why}; the others are tried"
                );
            }
            candidates.broke(one, why, for_good, was_long, chance());
        }
        let (why, for_good) = candidates.in_vain(&target);
        reporter.in_vain(&why);
        let next = retry.failed(began.elapsed(), &why, for_good);
        if let Some(text) = next.say {
            tracing::warn!("network connector {name}: there is no bridge to {target}: {text}");
        }
        let Some(wait) = next.wait else { return };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
        }
    }
}
