//! When to clean and how much: what keeps the disk below two times what lives and eight segments.
//!
//! Plain and synchronous: what the store holds goes in after each round, bytes of the head to be read come out.
//!
//! **The argument.** Let `L` be the live bytes and `S` everything in the directory. The *margin* is what is left up to the bound,
//! `2 L + 8 segments - S`. An appended byte takes one from it; a byte that dies takes two; nothing else does, since cleaning
//! appends no more than it gives up (two segments of delay are put aside for that). When the log exceeds 1.4 `L` and a segment, a
//! *lap* begins: all of the log as it stands is to be read once, from the head on, and what lives there appended. After a lap the log holds
//! what lived when it was read, and what came since. For each byte that the margin loses, so many bytes are *owed* as the rest
//! of the lap has for each byte of the margin's rest: so the lap ends before the margin does, whatever dies, wherever. At the
//! beginning of a lap there are at most about four bytes of log for each byte of margin, so that what is owed for a byte
//! appended or dead stays small. A lap ends early when enough was given up, and what is not owed is cleaned when there is time.
//!
//! What is written twice for that: a lap copies at most `L`, and begins only when at least 0.4 `L` is there to be won. So in the
//! long run at most 2.5 bytes are copied for each byte that is appended, and nothing where messages go in the order in which they came.

/// What a store holds at a moment, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holding {
    /// The length of a segment.
    pub(crate) segment: u64,
    /// The log: the segments that are full, whole, and the one being written as far as it is written.
    pub(crate) log: u64,
    /// What of the log can hold no message: headers, snapshots, and ends too short for the next record.
    pub(crate) overhead: u64,
    /// What else is in the directory, but for segments prepared for later: index, checkpoints, small files.
    pub(crate) others: u64,
    /// What lives, each message with what a relocation record takes for it.
    pub(crate) live: u64,
    /// Everything ever appended that was not relocated.
    pub(crate) appended: u64,
    /// The length of the head of the log, and what lives in it; nothing where it is being written.
    pub(crate) head: Option<(u64, u64)>,
    /// Whether the disk is full: then every segment that can be won counts.
    pub(crate) is_full: bool,
}

/// Segments that are there whatever the log holds: what is left of the one being written, one prepared, the reserve of batches that make
/// room, and the cleaner's.
const SEGMENTS_PREPARED: u64 = 4;

/// What is promised: two times what lives and this many segments.
pub(crate) const SEGMENTS_BOUND: u64 = 8;

impl Holding {
    /// What can be appended, with two for each byte that dies, until the bound is reached.
    fn margin(&self) -> i128 {
        // Two segments aside: the head stays until the last of it is written again, and one that is empty until the next round.
        let prepared = SEGMENTS_PREPARED + 2;
        let allowed = 2 * i128::from(self.live) + i128::from((SEGMENTS_BOUND - prepared) * self.segment);
        allowed - i128::from(self.log) - i128::from(self.others)
    }

    /// What of the log could be won, were all of it cleaned.
    fn garbage(&self) -> u64 {
        self.log.saturating_sub(self.overhead).saturating_sub(self.live)
    }

    /// Whether a lap is worth while. `tight` is what a lap would not win though it does not count as living.
    fn is_due(&self, tight: u64) -> bool {
        let garbage = self.garbage().saturating_sub(tight);
        let held = (self.log + self.others).saturating_sub(self.overhead + tight);
        if self.is_full {
            // A head that lives is copied only for what it holds back: otherwise the last room would go for nothing, and what is
            // consumed in order would stand in disorder.
            let head_pays = self.head.is_some_and(|(length, live)| live <= length - length / 4);
            return garbage > self.segment / 8 && (head_pays || garbage > 2 * self.segment);
        }
        held > self.live + self.live * 2 / 5 + self.segment && garbage > self.live / 7 + self.segment
    }

    /// Whether the head alone is: little of it lives.
    fn is_head_cheap(&self, tight: u64) -> bool {
        let garbage = self.garbage().saturating_sub(tight);
        self.head.is_some_and(|(length, live)| live < length / 4)
            && garbage > self.live / 10 + self.segment * 3 / 2
    }
}

/// Where the cleaning stands.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// The bytes of the log that this lap has still to read; 0 between laps.
    lap: u64,
    /// How many of them before anything more is taken.
    owed: u64,
    /// What was appended and what lived when last looked.
    before: Option<(u64, u64)>,
    /// What relocated messages took beyond what they count as living, in this lap and the last.
    tight: [u64; 2],
}

impl Pace {
    /// Looks at what is held after something was appended or died.
    pub(crate) fn observe(&mut self, holding: &Holding) {
        let now = (holding.appended, holding.live);
        let (appended, live) = self.before.replace(now).unwrap_or(now);
        let spent = i128::from(now.0) - i128::from(appended) + 2 * (i128::from(live) - i128::from(now.1));
        let spent = spent.max(0);
        let tight = self.tight[0].max(self.tight[1]);
        let is_due = holding.is_due(tight);
        if self.lap > 0 && !is_due && !holding.is_head_cheap(tight) {
            // Enough was won, or went by itself.
            (self.lap, self.owed) = (0, 0);
        }
        if self.lap == 0 {
            if is_due {
                self.lap = holding.log;
                self.tight = [0, self.tight[0]];
            } else if holding.is_head_cheap(tight) {
                self.lap = holding.head.map_or(0, |(length, _)| length);
            }
        }
        if self.lap > 0 && is_due {
            let margin = holding.margin() + spent;
            let lap = i128::from(self.lap);
            let owed = if spent >= margin { lap } else { (spent * lap + margin - 1) / margin };
            // Never more than the lap, so it fits.
            self.owed = (i128::from(self.owed) + owed).min(lap) as u64;
        }
    }

    /// Whether cleaning wins something, however dearly: for those who wait for it.
    pub(crate) fn wins(&self, holding: &Holding) -> bool {
        holding.garbage().saturating_sub(self.tight[0].max(self.tight[1])) > holding.segment / 8
    }

    /// Whether there is something to clean.
    pub(crate) fn is_wanted(&self) -> bool {
        self.lap > 0
    }

    /// How many bytes of the head are to be read before more is taken.
    pub(crate) fn owed(&self) -> u64 {
        self.owed
    }

    /// Bytes of the head were read, or given up without.
    pub(crate) fn read(&mut self, bytes: u64) {
        self.lap = self.lap.saturating_sub(bytes);
        self.owed = self.owed.saturating_sub(bytes).min(self.lap);
    }

    /// Messages that count as so many living bytes took so many when they were relocated.
    pub(crate) fn relocated(&mut self, live: u64, taken: u64) {
        self.tight[0] = self.tight[0].saturating_add(taken.saturating_sub(live));
    }
}

#[cfg(test)]
mod tests;
