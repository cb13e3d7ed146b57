//! What the operator reads: each subject at most once a second, with a count of what was left out, so that no client and
//! no disk can flood the log.

use super::effects::Notice;
use super::spec::NotYet;
use super::state::Core;
use super::state::said::Subject;

/// How long a subject is silent after a line, in milliseconds.
const SILENCE: i64 = 1000;

impl Core {
    /// Says something to the operator, unless much the same was said within the last second.
    pub(crate) fn say(&mut self, subject: Subject, text: impl FnOnce() -> String) {
        let last = &mut self.said.subjects[subject as usize];
        // A clock that was set back silences nobody.
        if last.at.is_some_and(|at| (at..at.saturating_add(SILENCE)).contains(&self.now)) {
            last.left_out += 1;
            return;
        }
        last.at = Some(self.now);
        let mut text = text();
        match std::mem::take(&mut last.left_out) {
            0 => {}
            more => text.push_str(&format!(" (and {more} more like it since the last line)")),
        }
        self.effects.notices.push(Notice { text });
    }

    /// Says that something is not done which a client asks for: once while this broker is master, as every client may ask.
    pub(crate) fn say_not_yet(&mut self, what: NotYet, text: impl FnOnce() -> String) {
        if !std::mem::replace(&mut self.said.not_yet[what as usize], true) {
            self.effects.notices.push(Notice { text: text() });
        }
    }
}
