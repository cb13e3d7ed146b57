//! A mastership that asks the disk, as a real one does at each proof: for tests in which another takes over.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kahawai_store::election::{Hold, Lost};
use kahawai_store::names::Epoch;

use crate::disk::{Disk, KeptFile};
use crate::election;
use crate::format::claim::encode_claim;
use crate::format::name::FileName;

/// An epoch that was claimed.
pub(super) struct Claimed {
    disk: Arc<dyn Disk>,
    epoch: Epoch,
    claim: Box<dyn KeptFile>,
    lost: OnceLock<Lost>,
}

impl Claimed {
    /// Claims an epoch for one of several who might; `None` where another has it.
    pub(super) fn new(disk: &Arc<dyn Disk>, epoch: Epoch, who: u8) -> Option<Arc<Self>> {
        let name = FileName::Claim(epoch);
        let is_ours = disk.publish(name, &encode_claim(epoch, &[who; 16])).ok()?;
        let claim = is_ours.then(|| disk.keep(name).ok()).flatten()?;
        Some(Arc::new(Self { disk: Arc::clone(disk), epoch, claim, lost: OnceLock::new() }))
    }
}

impl Hold for Claimed {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn prove(&self) -> Result<(), Lost> {
        if let Some(lost) = self.lost.get() {
            return Err(lost.clone());
        }
        let reason = match election::ask(self.disk.as_ref(), self.epoch, self.claim.as_ref()) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(reason)) => reason.into(),
            Err(error) => error.to_string().into(),
        };
        // Lost once is lost for good.
        Err(self.lost.get_or_init(|| Lost { epoch: self.epoch, reason }).clone())
    }

    fn proof_age(&self) -> Duration {
        Duration::ZERO
    }

    fn on_lost(&self, _notice: Box<dyn FnOnce(Lost) + Send>) {}

    fn release(&self) {}
}
