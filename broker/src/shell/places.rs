//! Who may connect: how many, and with which descriptors.
//!
//! Every connection takes a descriptor. So does every segment of a journal, and a sign of life needs one for a moment: a store that gets none
//! fails, and the mastership is gone with everybody's connection. So a part of the descriptors is kept from connections. How
//! many are left need not be counted: the system gives the lowest number that is free, so that a new connection's tells how many are taken.

use std::fmt;

/// What is kept for the store of a process that may open few files.
const KEPT_MIN: u64 = 32;
/// What is kept of the most.
const KEPT_MAX: u64 = 16 << 10;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    most: usize,
    open_files_max: u64,
    /// A connection with this descriptor or a higher one takes what is kept.
    kept_from: u64,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There are as many as the configuration allows.
    Connections(usize),
    /// Of the open files that the system allows, those that are left are the store's.
    OpenFiles(u64),
}

impl Places {
    pub(crate) fn new(maximum_connections: usize, open_files_max: u64) -> Self {
        let kept = (open_files_max / 4).clamp(KEPT_MIN, KEPT_MAX);
        Self { most: maximum_connections, open_files_max, kept_from: open_files_max.saturating_sub(kept) }
    }

    /// How many there may be where the next descriptor is this one, if that is less than what is configured.
    pub(crate) fn lowered(&self, next_descriptor: u64) -> Option<u64> {
        let places = self.kept_from.saturating_sub(next_descriptor);
        (places < self.most as u64).then_some(places)
    }

    /// Takes or refuses a connection with this descriptor, which makes them so many.
    pub(crate) fn take(&self, open: usize, descriptor: u64) -> Result<(), Refusal> {
        if open > self.most {
            return Err(Refusal::Connections(self.most));
        }
        if descriptor >= self.kept_from {
            return Err(Refusal::OpenFiles(self.open_files_max));
        }
        Ok(())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connections(most) => write!(formatter, "{most} are open (maximumConnections)"),
            Self::OpenFiles(most) => write!(
                formatter,
                "what is left of the {most} open files that the system allows is the store's (ulimit -n, LimitNOFILE)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_descriptors_is_kept_from_connections() {
        for (open_files, kept_from) in
            [(0, 0), (32, 0), (64, 32), (256, 192), (1024, 768), (1 << 20, (1 << 20) - KEPT_MAX)]
        {
            let places = Places::new(usize::MAX, open_files);
            assert_eq!(places.kept_from, kept_from, "{open_files}");
            assert_eq!(places.take(1, kept_from), Err(Refusal::OpenFiles(open_files)));
            if kept_from > 0 {
                assert_eq!(places.take(1, kept_from - 1), Ok(()));
            }
        }
    }

    #[test]
    fn what_is_configured_holds_where_there_are_descriptors_enough() {
        let places = Places::new(500, 1024);
        assert_eq!(places.take(500, 520), Ok(()));
        assert_eq!(places.take(501, 521), Err(Refusal::Connections(500)));
        assert_eq!(places.lowered(20), None);
        // A journal of many segments leaves fewer.
        assert_eq!(places.lowered(300), Some(468));
        assert_eq!(places.lowered(2000), Some(0));
    }
}
