//! The bound, by simulation: a log of segments that knows only sizes, and adversaries who choose what dies.

use std::collections::{BTreeMap, VecDeque};

use super::*;

const SEGMENT: u64 = 64 << 10;
/// What a record takes beside the message in it, and what an acknowledgement takes.
const RECORD: u64 = 80;
const ACKNOWLEDGEMENT: u64 = 112;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

#[derive(Default)]
struct Filled {
    number: u64,
    used: u64,
    /// In the order in which they stand: message, its size.
    messages: VecDeque<(u64, u64)>,
    sealed: bool,
    overhead: u64,
}

/// A log and its cleaner, by sizes alone.
struct Simulated {
    segments: VecDeque<Filled>,
    /// Message to its segment and size.
    live: BTreeMap<u64, (u64, u64)>,
    live_in: BTreeMap<u64, u64>,
    live_bytes: u64,
    appended: u64,
    relocated: u64,
    overhead: u64,
    id_next: u64,
    pace: Pace,
    /// Bytes of the head that were read.
    head_read: u64,
    most_owed: f64,
}

fn weight(size: u64) -> u64 {
    size + 40
}

impl Simulated {
    fn new() -> Self {
        let mut this = Self {
            segments: VecDeque::new(),
            live: BTreeMap::new(),
            live_in: BTreeMap::new(),
            live_bytes: 0,
            appended: 0,
            relocated: 0,
            overhead: 0,
            id_next: 0,
            pace: Pace::default(),
            head_read: 0,
            most_owed: 0.0,
        };
        this.roll();
        this.overhead = 500;
        this
    }

    fn roll(&mut self) {
        let number = self.segments.back().map_or(1, |last| last.number + 1);
        if let Some(last) = self.segments.back_mut() {
            last.sealed = true;
            let waste = SEGMENT - last.used;
            last.used = SEGMENT;
            last.overhead += waste;
            self.appended += waste + 500;
            self.overhead += waste + 500;
        }
        self.segments.push_back(Filled { number, used: 500, overhead: 500, ..Filled::default() });
    }

    fn room(&mut self, bytes: u64) -> &mut Filled {
        if self.segments.back().is_some_and(|last| last.used + bytes > SEGMENT) {
            self.roll();
        }
        let last = self.segments.back_mut().expect("one is there");
        last.used += bytes;
        last
    }

    fn place(&mut self, id: u64, size: u64, bytes: u64) {
        let last = self.room(bytes);
        last.messages.push_back((id, size));
        let number = last.number;
        if let Some((before, _)) = self.live.insert(id, (number, size)) {
            *self.live_in.entry(before).or_default() -= weight(size);
        } else {
            self.live_bytes += weight(size);
        }
        *self.live_in.entry(number).or_default() += weight(size);
    }

    fn send(&mut self, size: u64) -> u64 {
        self.id_next += 1;
        self.appended += size + RECORD;
        self.place(self.id_next, size, size + RECORD);
        self.settle();
        self.id_next
    }

    fn acknowledge(&mut self, ids: &[u64]) {
        self.appended += ACKNOWLEDGEMENT;
        self.room(ACKNOWLEDGEMENT);
        for id in ids {
            let Some((number, size)) = self.live.remove(id) else { continue };
            *self.live_in.entry(number).or_default() -= weight(size);
            self.live_bytes -= weight(size);
        }
        self.settle();
    }

    fn log(&self) -> u64 {
        self.segments.iter().map(|segment| segment.used).sum()
    }

    fn holding(&self) -> Holding {
        let head = self.segments.front().filter(|head| head.sealed);
        Holding {
            segment: SEGMENT,
            log: self.log(),
            overhead: self.overhead,
            others: 2000,
            live: self.live_bytes,
            appended: self.appended,
            head: head.map(|head| (SEGMENT, self.live_in.get(&head.number).copied().unwrap_or_default())),
            is_full: false,
        }
    }

    fn release(&mut self) {
        while self.segments.front().is_some_and(|head| {
            head.sealed && self.live_in.get(&head.number).copied().unwrap_or_default() == 0
        }) {
            let head = self.segments.pop_front().expect("one is there");
            self.live_in.remove(&head.number);
            self.overhead -= head.overhead;
            self.pace.read(SEGMENT - self.head_read.min(SEGMENT));
            self.head_read = 0;
        }
    }

    /// Cleans what is owed, and checks the bound.
    fn settle(&mut self) {
        self.release();
        loop {
            self.pace.observe(&self.holding());
            self.most_owed = self.most_owed.max(self.pace.owed() as f64);
            if self.pace.owed() == 0 {
                break;
            }
            while self.pace.owed() > 0 {
                self.clean_one();
            }
        }
        let prepared = 3 * SEGMENT + (SEGMENT - self.segments.back().map_or(0, |last| last.used));
        let held = self.log() + prepared + 2000;
        let bound = 2 * self.live_bytes + SEGMENTS_BOUND * SEGMENT;
        assert!(
            held <= bound,
            "{held} held and {} live: {bound} allowed; {:?}, {:?}",
            self.live_bytes,
            self.pace,
            self.holding()
        );
    }

    /// Reads the next message of the head and writes it again if it lives.
    fn clean_one(&mut self) {
        let Some(head) = self.segments.front_mut().filter(|head| head.sealed) else {
            return self.pace.read(u64::MAX);
        };
        let number = head.number;
        match head.messages.pop_front() {
            Some((id, size)) => {
                self.pace.read(size + 40);
                self.head_read += size + 40;
                if self.live.get(&id).is_some_and(|(place, _)| *place == number) {
                    self.relocated += size + 35;
                    self.pace.relocated(weight(size), size + 35);
                    self.place(id, size, size + 35);
                }
            }
            None => {
                assert_eq!(self.live_in.get(&number).copied().unwrap_or_default(), 0);
                self.release();
            }
        }
    }
}

/// What an adversary does with what it sent.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    /// One message of each segment stays for good, the others go at once.
    OneStuck,
    /// A backlog that is never touched, and churn behind it.
    ColdBacklog,
    /// A backlog, then any of it dies, one after another.
    RandomDrain,
    /// Every second of a backlog dies, then of what is left, and so on.
    Alternate,
    /// The youngest dies first.
    LastInFirstOut,
    /// What was written last by the cleaner dies first.
    AfterTheCleaner,
    /// A backlog dies in large lots.
    Lots,
    /// All of it by turns.
    Mixed,
}

fn run(pattern: Pattern, seed: u64, size: u64, backlog: u64) -> Simulated {
    let mut random = Random(seed | 1);
    let mut log = Simulated::new();
    let size_of = move |random: &mut Random| if size > 0 { size } else { 10 + random.below(4000) };
    match pattern {
        Pattern::OneStuck => {
            for round in 0..backlog * 4 {
                let id = log.send(size_of(&mut random));
                if round % (SEGMENT / size.max(500)) != 0 {
                    log.acknowledge(&[id]);
                }
            }
        }
        Pattern::ColdBacklog => {
            for _ in 0..backlog {
                log.send(size_of(&mut random));
            }
            for _ in 0..backlog * 6 {
                let id = log.send(size_of(&mut random));
                log.acknowledge(&[id]);
            }
        }
        Pattern::RandomDrain => {
            for _ in 0..3 {
                for _ in 0..backlog {
                    log.send(size_of(&mut random));
                }
                let mut ids: Vec<u64> = log.live.keys().copied().collect();
                while !ids.is_empty() {
                    let at = random.below(ids.len() as u64) as usize;
                    log.acknowledge(&[ids.swap_remove(at)]);
                }
            }
        }
        Pattern::Alternate => {
            for _ in 0..backlog {
                log.send(size_of(&mut random));
            }
            while log.live.len() > 1 {
                for id in log.live.keys().copied().step_by(2).collect::<Vec<_>>() {
                    log.acknowledge(&[id]);
                }
            }
        }
        Pattern::LastInFirstOut => {
            for _ in 0..backlog {
                log.send(size_of(&mut random));
            }
            for id in log.live.keys().copied().rev().collect::<Vec<_>>() {
                log.acknowledge(&[id]);
            }
        }
        Pattern::AfterTheCleaner => {
            for _ in 0..backlog {
                log.send(size_of(&mut random));
            }
            for _ in 0..backlog * 6 {
                let last = log.segments.iter().rev().flat_map(|segment| segment.messages.iter().rev());
                let victim = last.map(|(id, _)| *id).find(|id| log.live.contains_key(id));
                if let Some(id) = victim {
                    log.acknowledge(&[id]);
                }
                if (log.live.len() as u64) < backlog / 2 {
                    log.send(size_of(&mut random));
                }
            }
        }
        Pattern::Lots => {
            for _ in 0..10 {
                for _ in 0..backlog {
                    log.send(size_of(&mut random));
                }
                let ids: Vec<u64> = log.live.keys().copied().collect();
                let keep = random.below(20) + 2;
                let lots: Vec<u64> = ids.iter().copied().filter(|id| id % keep != 0).collect();
                for lot in lots.chunks(1 + random.below(500) as usize) {
                    log.acknowledge(lot);
                }
            }
        }
        Pattern::Mixed => {
            for _ in 0..backlog * 8 {
                let ids = log.live.len() as u64;
                match random.below(10) {
                    0..6 => {
                        log.send(size_of(&mut random));
                    }
                    6 if ids > backlog => {
                        let id = log.live.keys().next().copied().unwrap_or_default();
                        log.acknowledge(&[id]);
                    }
                    7 if ids > backlog => {
                        let id = log.live.keys().next_back().copied().unwrap_or_default();
                        log.acknowledge(&[id]);
                    }
                    _ => {
                        let from = random.below(log.id_next + 1);
                        let id = log.live.range(from..).next().map(|(id, _)| *id);
                        log.acknowledge(&id.into_iter().collect::<Vec<_>>());
                    }
                }
            }
        }
    }
    log
}

#[test]
fn whatever_dies_the_disk_stays_below_two_times_what_lives_and_eight_segments() {
    let mut worst: f64 = 0.0;
    for pattern in [
        Pattern::OneStuck,
        Pattern::ColdBacklog,
        Pattern::RandomDrain,
        Pattern::Alternate,
        Pattern::LastInFirstOut,
        Pattern::AfterTheCleaner,
        Pattern::Lots,
        Pattern::Mixed,
    ] {
        for (seed, size) in [(1, 1000), (2, 100), (3, 4000), (4, 0), (5, 8000)] {
            let log = run(pattern, seed, size, 3000);
            let amplification = (log.appended + log.relocated) as f64 / log.appended as f64;
            worst = worst.max(amplification);
            println!(
                "{pattern:?}, {size} bytes: written {amplification:.2} times, at most {:.1} segments owed at once",
                log.most_owed / SEGMENT as f64
            );
        }
    }
    assert!(worst < 3.6, "{worst}");
}
