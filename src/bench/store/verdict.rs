//! What the figures mean, in words: how far from the floor, and what bounds it.

use crate::figures::{bytes, microseconds, number};

/// From this on a device that changed while it was measured says little.
const UNSTEADY: f64 = 2.0;

/// What is known of one engine with one number of writers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) writers: u32,
    /// Messages a second.
    pub(super) rate: f64,
    /// Flushes a second of one message's bytes.
    pub(super) flushes_of_one: f64,
    /// Flushes a second of all writers' messages at once.
    pub(super) flushes_of_all: f64,
    /// The device's bandwidth, bytes a second.
    pub(super) bandwidth: f64,
    /// Bytes written for each message, and messages for each flush, by the device's own count; where that is known.
    pub(super) written: Option<f64>,
    pub(super) per_flush: Option<f64>,
    /// How many times faster the device was before than after, or after than before.
    pub(super) changed: f64,
    /// Processor time a second, in cores.
    pub(super) cores: f64,
}

impl Facts {
    /// What the device would do for these writers if the engine cost nothing: every flush takes all of them along.
    pub(super) fn floor(&self) -> f64 {
        self.flushes_of_all * f64::from(self.writers)
    }

    /// How near the engine comes to that.
    pub(super) fn share(&self) -> f64 {
        self.rate / self.floor()
    }

    /// What bounds it, as far as figures tell.
    pub(super) fn bound(&self) -> Bound {
        let bandwidth_share = self.written.unwrap_or(0.0) * self.rate / self.bandwidth;
        match () {
            () if self.changed >= UNSTEADY => Bound::Unsteady,
            () if self.share() >= 0.75 => Bound::Flush,
            () if bandwidth_share >= 0.6 => Bound::Bandwidth,
            () if self.cores >= 0.85 => Bound::Processor,
            () if self.share() >= 0.5 => Bound::Flush,
            () => Bound::Engine,
        }
    }

    /// In words.
    pub(super) fn verdict(&self) -> String {
        let share = self.share() * 100.0;
        let bound = match self.bound() {
            Bound::Unsteady => format!(
                "no verdict, measure again (the device itself was {:.0} times faster at one end of it than at the other)",
                self.changed
            ),
            Bound::Flush => "the device's flush bounds it".to_owned(),
            Bound::Bandwidth => "the device's bandwidth bounds it".to_owned(),
            Bound::Processor => format!("the processor bounds it ({:.1} cores busy)", self.cores),
            Bound::Engine => {
                "the engine's own order of work bounds it (more than one flush for each answer, or waiting between threads)"
                    .to_owned()
            }
        };
        let mut told = format!("{share:.0} % of the floor; {bound}");
        if self.writers == 1 {
            let (took, flush) = (1e6 / self.rate, 1e6 / self.flushes_of_one);
            told.push_str(&format!(
                ": of {} a message {} are one flush",
                microseconds(took),
                microseconds(flush.min(took))
            ));
        } else if let Some(per_flush) = self.per_flush {
            told.push_str(&format!(
                ": {} messages shared each flush, of {} that could",
                number(per_flush),
                self.writers
            ));
        }
        if let Some(written) = self.written {
            told.push_str(&format!("; the device wrote {} for each", bytes(written)));
        }
        told
    }
}

/// What bounds an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Bound {
    Flush,
    Bandwidth,
    Processor,
    Engine,
    /// The device changed too much to tell.
    Unsteady,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: Facts = Facts {
        writers: 32,
        rate: 0.0,
        flushes_of_one: 3_000.0,
        flushes_of_all: 2_000.0,
        bandwidth: 400e6,
        written: Some(2_000.0),
        per_flush: Some(20.0),
        changed: 1.1,
        cores: 0.3,
    };

    #[test]
    fn what_bounds_it_follows_from_the_figures() {
        assert_eq!(Facts { rate: 60_000.0, ..DEVICE }.bound(), Bound::Flush);
        assert_eq!(Facts { rate: 40_000.0, cores: 1.2, ..DEVICE }.bound(), Bound::Processor);
        assert_eq!(Facts { rate: 10_000.0, written: Some(30_000.0), ..DEVICE }.bound(), Bound::Bandwidth);
        assert_eq!(Facts { rate: 10_000.0, ..DEVICE }.bound(), Bound::Engine);
        assert_eq!(Facts { rate: 60_000.0, changed: 3.0, ..DEVICE }.bound(), Bound::Unsteady);
    }

    #[test]
    fn one_writer_is_told_where_its_time_goes() {
        let facts = Facts { writers: 1, rate: 2_500.0, flushes_of_all: 3_000.0, ..DEVICE };
        let told = facts.verdict();
        assert!(told.starts_with("83 % of the floor; the device's flush bounds it"), "{told}");
        assert!(told.contains("of 400 µs a message 333 µs are one flush"), "{told}");
    }
}
