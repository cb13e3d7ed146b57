//! The core, and the store that it asks.

use super::*;

impl Live {
    pub(super) fn turn<T>(&mut self, context: &mut Context<'_>, act: impl FnOnce(&mut Core) -> T) -> T {
        self.core.begin_turn(wall(context));
        let result = act(&mut self.core);
        self.end_turn(context);
        result
    }

    pub(super) fn end_turn(&mut self, context: &mut Context<'_>) {
        self.core.end_turn();
        let effects = self.core.take_effects();
        self.carry_out(effects, context);
    }

    pub(super) fn carry_out(&mut self, effects: Effects, context: &mut Context<'_>) {
        let now = wall(context);
        for (key, event) in effects.events {
            if let Some(served) = self.served.get_mut(&key) {
                served.event(event, now);
            }
        }
        for notice in effects.notices {
            context.note(format_args!("{}", notice.text));
        }
        for call in effects.store {
            match call {
                StoreCall::Commit(token, batch) => self.commits.push_back((token, batch)),
                StoreCall::Read(token, request) => self.reads.push_back((token, request)),
            }
        }
    }

    /// The store makes some of what it was given durable; nobody knows of it yet.
    pub(super) fn apply(&mut self, context: &mut Context<'_>) {
        let count = 1 + context.random().below(self.commits.len() as u64) as usize;
        for (token, batch) in self.commits.drain(..count.min(self.commits.len())) {
            self.answers.push_back(Answer::Commit(token, self.setup.disk.apply(batch)));
        }
        for (token, request) in self.reads.drain(..) {
            self.answers.push_back(Answer::Read(token, request));
        }
        if !self.answers.is_empty() {
            self.arm(ANSWER, Duration::ZERO, Duration::from_micros(300), context);
        }
    }

    /// The store answers.
    pub(super) fn answer(&mut self, context: &mut Context<'_>) {
        for answer in std::mem::take(&mut self.answers) {
            match answer {
                Answer::Commit(token, result) => self.turn(context, |core| core.committed(token, result)),
                Answer::Read(token, request) => {
                    let page = self.setup.disk.read(&request);
                    self.turn(context, |core| core.page(token, page));
                }
            }
        }
    }
}
