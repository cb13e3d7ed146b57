//! A mastership by the row.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use kahawai_store::election::{Hold, Lost};
use kahawai_store::names::Epoch;

use super::row::{LockRow, RowError};
use crate::pause::Pause;

/// How long a release may take before it is left to the lease.
const RELEASE_PATIENCE: Duration = Duration::from_secs(2);

type Notice = Box<dyn FnOnce(Lost) + Send>;

/// A mastership by the row: renewed by a thread of its own, and by every transaction.
pub struct RowHold {
    epoch: Epoch,
    lease: Duration,
    started: Instant,
    /// When the youngest successful proof was begun, in nanoseconds since `started`.
    proven_at: AtomicU64,
    ended: AtomicBool,
    state: Mutex<State>,
    asks: Mutex<Sender<Ask>>,
}

#[derive(Default)]
struct State {
    lost: Option<Lost>,
    released: bool,
    notices: Vec<Notice>,
}

/// What the thread is asked for.
enum Ask {
    Prove(SyncSender<Result<(), Lost>>),
    Release(SyncSender<()>),
}

impl RowHold {
    /// Holds an epoch that was just claimed.
    pub(super) fn begin(row: Box<dyn LockRow>, epoch: Epoch, lease: Duration) -> io::Result<Arc<Self>> {
        let (asks, asked) = channel();
        let hold = Arc::new(Self {
            epoch,
            lease,
            started: Instant::now(),
            proven_at: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            state: Mutex::default(),
            asks: Mutex::new(asks),
        });
        let held = Arc::downgrade(&hold);
        thread::Builder::new()
            .name("kahawai-lease".into())
            .spawn(move || keep(row, &held, &asked, epoch, lease))?;
        Ok(hold)
    }

    /// Notes a proof from elsewhere: a transaction that was begun then, updated the row and committed.
    ///
    /// # Errors
    /// Where the mastership was known to be lost, or was released.
    pub(crate) fn was_proven(&self, begun: Instant) -> Result<(), Lost> {
        if self.ended.load(Ordering::Acquire) {
            return Err(self.why_ended());
        }
        let begun = begun.saturating_duration_since(self.started);
        self.proven_at.fetch_max(begun.as_nanos() as u64, Ordering::AcqRel);
        Ok(())
    }

    fn why_ended(&self) -> Lost {
        let released = || Lost { epoch: self.epoch, reason: "it was released".into() };
        self.state().lost.clone().unwrap_or_else(released)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, ask: Ask) -> bool {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner).send(ask).is_ok()
    }

    fn lose(&self, reason: String) -> Lost {
        let mut state = self.state();
        if let Some(lost) = &state.lost {
            return lost.clone();
        }
        let lost = Lost { epoch: self.epoch, reason: reason.into() };
        state.lost = Some(lost.clone());
        let notices = std::mem::take(&mut state.notices);
        self.ended.store(true, Ordering::Release);
        drop(state);
        for notice in notices {
            notice(lost.clone());
        }
        lost
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

impl Hold for RowHold {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Renews the lease. Waits for a database that is away: until it is back nobody can say who is master, and nobody is answered.
    fn prove(&self) -> Result<(), Lost> {
        if self.has_ended() {
            return Err(self.why_ended());
        }
        let (sender, answer) = sync_channel(1);
        if self.ask(Ask::Prove(sender))
            && let Ok(answer) = answer.recv()
        {
            return answer;
        }
        Err(self.lose("the thread that renews the lease has ended".to_owned()))
    }

    fn proof_age(&self) -> Duration {
        let proven_at = Duration::from_nanos(self.proven_at.load(Ordering::Acquire));
        self.started.elapsed().saturating_sub(proven_at)
    }

    fn on_lost(&self, notice: Notice) {
        let mut state = self.state();
        match state.lost.clone() {
            _ if state.released => {}
            None => state.notices.push(notice),
            Some(lost) => {
                drop(state);
                notice(lost);
            }
        }
    }

    fn release(&self) {
        let mut state = self.state();
        if state.released || state.lost.is_some() {
            return;
        }
        state.released = true;
        state.notices.clear();
        self.ended.store(true, Ordering::Release);
        drop(state);
        let (sender, done) = sync_channel(1);
        if !self.ask(Ask::Release(sender)) || done.recv_timeout(RELEASE_PATIENCE).is_err() {
            tracing::warn!(
                "cannot note the release in the database; a slave will follow when the lease of {} ms is out",
                self.lease.as_millis()
            );
        }
    }
}

impl std::fmt::Debug for RowHold {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RowHold({})", self.epoch)
    }
}

/// Renews for as long as the hold is there. The row goes with the thread, and with it the session that shows the holder alive.
fn keep(
    mut row: Box<dyn LockRow>,
    hold: &Weak<RowHold>,
    asked: &Receiver<Ask>,
    epoch: Epoch,
    lease: Duration,
) {
    let interval = lease / 4;
    loop {
        let ask = asked.recv_timeout(interval);
        let Some(held) = hold.upgrade() else { return };
        match ask {
            Ok(Ask::Release(done)) => {
                match row.release(epoch) {
                    Ok(()) => drop(done.send(())),
                    Err(RowError::Away(why) | RowError::Failed(why)) => {
                        tracing::warn!("the release could not be noted: {why}");
                    }
                }
                return;
            }
            Ok(Ask::Prove(answer)) => {
                let result = renew(row.as_mut(), &held, epoch);
                let _ = answer.send(result.clone());
                if result.is_err() {
                    return;
                }
            }
            // A transaction has done it.
            Err(RecvTimeoutError::Timeout) if held.proof_age() < interval => {}
            Err(RecvTimeoutError::Timeout) => {
                if renew(row.as_mut(), &held, epoch).is_err() {
                    return;
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Renews once, for as long as it takes to be answered.
fn renew(row: &mut dyn LockRow, hold: &RowHold, epoch: Epoch) -> Result<(), Lost> {
    let mut pause = Pause::new("the database", row.description());
    loop {
        // Released meanwhile: that is what is to be done next.
        if hold.has_ended() {
            return hold.state().released.then_some(()).ok_or_else(|| hold.why_ended());
        }
        let begun = Instant::now();
        match row.renew(epoch) {
            Ok(found) if found == epoch => {
                pause.is_over();
                return hold.was_proven(begun);
            }
            Ok(found) => return Err(hold.lose(format!("the database is held by epoch {found}"))),
            Err(RowError::Away(why)) => thread::sleep(pause.next(&why)),
            Err(RowError::Failed(why)) => {
                return Err(hold.lose(format!("the lease cannot be renewed: {why}")));
            }
        }
    }
}
