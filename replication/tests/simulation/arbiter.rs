//! The arbiter, reached over the network; and whoever takes a step there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kahawai_replication::record::{Member, Record};
use kahawai_simulation::event::Event;
use kahawai_simulation::node::Node;
use kahawai_simulation::{ConnectionId, Context};

use super::frames::{Frames, Kind, frame};

pub(crate) const ARBITER: &str = "arbiter";
const ARBITER_PORT: u16 = 7000;

/// What it holds: durable, whatever becomes of its process.
pub(crate) type Kept = Arc<Mutex<(u64, Bytes)>>;

pub(crate) struct ArbiterNode {
    kept: Kept,
    frames: std::collections::BTreeMap<ConnectionId, Frames>,
}

impl ArbiterNode {
    pub(crate) fn new(kept: Kept) -> Self {
        Self { kept, frames: std::collections::BTreeMap::new() }
    }
}

impl ArbiterNode {
    /// How many are in the set.
    pub(crate) fn in_sync(&self) -> usize {
        let kept = self.kept.lock().expect("nobody panicked");
        Record::decode(&kept.1).map_or(0, |record| record.in_sync.len())
    }
}

impl Node for ArbiterNode {
    fn handle(&mut self, event: Event, context: &mut Context<'_>) {
        match event {
            Event::Started => context.listen(ARBITER_PORT),
            Event::Accepted { connection, .. } => drop(self.frames.insert(connection, Frames::default())),
            Event::Ended { connection, .. } => drop(self.frames.remove(&connection)),
            Event::Received { connection, bytes } => {
                let frames = self.frames.entry(connection).or_default();
                frames.push(&bytes);
                while let Some((kind, number, body)) = frames.next() {
                    let mut kept = self.kept.lock().expect("nobody panicked");
                    let answer = match kind {
                        Kind::Read => frame(Kind::Held, kept.0, &kept.1),
                        _ if number == kept.0 => {
                            *kept = (number + 1, body);
                            frame(Kind::Replaced, 1, &[])
                        }
                        _ => frame(Kind::Replaced, 0, &[]),
                    };
                    context.send(connection, answer);
                }
            }
            _ => unreachable!("it asks nobody"),
        }
    }
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// By what the store says, where the arbiter holds nothing.
    Promote(Option<Record>),
    Admit {
        record: Record,
        slave: Member,
    },
    CutOff {
        record: Record,
        slave: Member,
    },
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) enum Came {
    Taken(Record),
    Refused(String),
    Unreachable,
}

/// Takes one step at a time.
pub(crate) struct Asker {
    me: Member,
    patience: Duration,
    timer: u64,
    step: Option<(Step, ConnectionId)>,
    frames: Frames,
    /// What is to stand there.
    next: Option<Record>,
}

impl Asker {
    pub(crate) fn new(me: Member, patience: Duration, timer: u64) -> Self {
        Self { me, patience, timer, step: None, frames: Frames::default(), next: None }
    }

    /// Gives up the step before: what it still does fails, as this one reads after it.
    pub(crate) fn begin(&mut self, step: Step, context: &mut Context<'_>) {
        self.end(context);
        let connection = context.connect(ARBITER, ARBITER_PORT);
        self.step = Some((step, connection));
        self.frames = Frames::default();
        context.set_timer(self.timer, self.patience);
    }

    fn end(&mut self, context: &mut Context<'_>) -> Option<Step> {
        let (step, connection) = self.step.take()?;
        context.close(connection);
        context.cancel_timer(self.timer);
        Some(step)
    }

    /// What came of the step, and whether the event was about it.
    pub(crate) fn handle(
        &mut self,
        event: &Event,
        context: &mut Context<'_>,
    ) -> (bool, Option<(Step, Came)>) {
        let Some((_, mine)) = &self.step else { return (false, None) };
        let mine = *mine;
        match event {
            Event::Connected(connection) if *connection == mine => {
                context.send(mine, frame(Kind::Read, 0, &[]));
                (true, None)
            }
            Event::Refused(connection) if *connection == mine => {
                (true, self.over(Came::Unreachable, context))
            }
            Event::Ended { connection, .. } if *connection == mine => {
                (true, self.over(Came::Unreachable, context))
            }
            Event::Timer(timer) if *timer == self.timer => (true, self.over(Came::Unreachable, context)),
            Event::Received { connection, bytes } if *connection == mine => {
                self.frames.push(bytes);
                while let Some((kind, number, body)) = self.frames.next() {
                    if let Some(came) = self.answered(mine, kind, number, &body, context) {
                        return (true, self.over(came, context));
                    }
                }
                (true, None)
            }
            _ => (false, None),
        }
    }

    fn over(&mut self, came: Came, context: &mut Context<'_>) -> Option<(Step, Came)> {
        Some((self.end(context)?, came))
    }

    fn answered(
        &mut self,
        mine: ConnectionId,
        kind: Kind,
        number: u64,
        body: &Bytes,
        context: &mut Context<'_>,
    ) -> Option<Came> {
        let (step, _) = self.step.as_ref()?;
        match (kind, number) {
            (Kind::Held, version) => {
                let held = (!body.is_empty()).then(|| Record::decode(body).expect("it was written so"));
                // Who was in sync by its own store began it, where nobody was ever let in.
                let next = match (step, held) {
                    (Step::Promote(here), held) => match held.as_ref().or(here.as_ref()) {
                        Some(record) => record.promote(self.me),
                        None => return Some(Came::Refused("it holds nothing".to_owned())),
                    },
                    (Step::Admit { record, slave }, held) => {
                        held.as_ref().unwrap_or(record).admit(self.me, record.term, *slave)
                    }
                    (Step::CutOff { record, slave }, held) => {
                        held.as_ref().unwrap_or(record).cut_off(self.me, record.term, *slave)
                    }
                };
                let next = match next {
                    Ok(next) => next,
                    Err(refused) => return Some(Came::Refused(refused.to_string())),
                };
                context.send(mine, frame(Kind::Replace, version, &next.encode()));
                self.next = Some(next);
                None
            }
            (_, 1) => self.next.take().map(Came::Taken),
            _ => {
                context.send(mine, frame(Kind::Read, 0, &[]));
                None
            }
        }
    }
}
