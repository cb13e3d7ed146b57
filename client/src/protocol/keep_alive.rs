//! Whether the peer lives, and showing it that we do.
//!
//! As in ActiveMQ's inactivity monitor: with an agreed duration D, each side sends something every D/3, and takes the
//! other for dead when nothing came for D. Neither looks before the agreed initial delay has passed, so the first
//! silence that counts begins there.

use std::time::{Duration, Instant};

use kahawai_openwire::negotiation::Negotiated;

/// How much of the agreed duration may pass in silence before we say something.
const SPEAK_EVERY_PART: u32 = 3;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet.
    Nothing,
    /// Something must be sent.
    Speak,
    /// The peer is dead; it was silent for this long at least.
    PeerDead(Duration),
}

/// The clocks of one connection whose wire format is agreed on.
#[derive(Debug)]
pub(super) struct KeepAlive {
    duration: Option<Duration>,
    heard: Instant,
    spoke: Instant,
}

impl KeepAlive {
    pub(super) fn new(negotiated: &Negotiated, now: Instant) -> Self {
        let first_check = now.checked_add(negotiated.max_inactivity_duration_initial_delay);
        Self {
            // A delay beyond what a clock can say never ends.
            duration: negotiated.max_inactivity_duration.filter(|_| first_check.is_some()),
            heard: first_check.unwrap_or(now),
            spoke: now,
        }
    }

    /// Bytes came.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = self.heard.max(now);
    }

    /// Bytes were made to be sent.
    pub(super) fn spoke(&mut self, now: Instant) {
        self.spoke = now;
    }

    /// When to ask [`Self::due`] again; it may turn out that nothing is due yet.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let duration = self.duration?;
        let speak = self.spoke.checked_add(duration / SPEAK_EVERY_PART);
        let dead = self.heard.checked_add(duration);
        [speak, dead].into_iter().flatten().min()
    }

    pub(super) fn due(&self, now: Instant) -> Due {
        let Some(duration) = self.duration else { return Due::Nothing };
        if now.saturating_duration_since(self.heard) >= duration {
            Due::PeerDead(duration)
        } else if now.saturating_duration_since(self.spoke) >= duration / SPEAK_EVERY_PART {
            Due::Speak
        } else {
            Due::Nothing
        }
    }
}
