//! Waiting for a database that is away: how long between tries, and what is said of it.

use std::time::{Duration, Instant};

use kahawai_store::contract::StoreError;

use crate::fault::Fault;

const FIRST: Duration = Duration::from_millis(20);
const LAST: Duration = Duration::from_millis(500);
/// How often it is said again that we still wait.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// How long beginning something waits for a database that is away.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tries until it is done, for as long as the database is away, within reason. Errors name the database, which begins with `scheme`.
pub(crate) fn patiently<T>(
    database: &str,
    scheme: &str,
    mut attempt: impl FnMut() -> Result<T, Fault>,
) -> Result<T, StoreError> {
    let mut pause = Pause::new("the database", database.to_owned());
    let deadline = Instant::now() + PATIENCE;
    let done = loop {
        match attempt() {
            Err(Fault::Passing(why)) if Instant::now() < deadline => {
                std::thread::sleep(pause.next(&why));
            }
            done => break done,
        }
    };
    done.map_err(|fault| match fault.told() {
        StoreError::Failed(reason) if !reason.contains(scheme) => {
            StoreError::Failed(format!("{database}: {reason}").into())
        }
        error => error,
    })
}

/// One time that a database is away.
#[derive(Debug)]
pub(crate) struct Pause {
    what: &'static str,
    database: String,
    since: Instant,
    delay: Duration,
    said: Option<Instant>,
}

impl Pause {
    /// Begins, without a word: it may be over at the first try.
    pub(crate) fn new(what: &'static str, database: String) -> Self {
        Self { what, database, since: Instant::now(), delay: FIRST, said: None }
    }

    /// How long to wait before the next try. Says why, at first and now and then.
    pub(crate) fn next(&mut self, why: &str) -> Duration {
        if self.said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
            let Self { what, database, .. } = self;
            tracing::warn!(
                "{what} is away ({database}): {why}. Nothing is lost: senders are held back, and we go on when it is there again"
            );
            self.said = Some(Instant::now());
        }
        let delay = self.delay;
        self.delay = (delay * 2).min(LAST);
        delay
    }

    /// Says that it is over, where it was said to have begun.
    pub(crate) fn is_over(&self) {
        if self.said.is_some() {
            tracing::warn!("{} is there again after {} ms", self.what, self.since.elapsed().as_millis());
        }
    }
}
