//! Work beside the rounds: each piece on a thread of its own, or, for tests that want one order of events, in place.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread::{self, JoinHandle};

/// Where work is done.
#[derive(Debug)]
pub(super) struct Background {
    threaded: bool,
}

/// Work that was begun. Dropping it waits for its end: nothing is written behind the back of who follows.
#[derive(Debug)]
pub(super) struct Task<T> {
    result: Arc<Mutex<Option<T>>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    pub(super) fn new(threaded: bool) -> Self {
        Self { threaded }
    }

    /// Begins some work; where there is no thread to be had, it is done at once.
    pub(super) fn start<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
        let result = Arc::new(Mutex::new(None));
        let work = Arc::new(Mutex::new(Some(work)));
        let run = {
            let result = Arc::clone(&result);
            let work = Arc::clone(&work);
            move || {
                let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(work) = work {
                    let done = work();
                    *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
                }
            }
        };
        let thread = if self.threaded {
            thread::Builder::new().name("kahawai-index".into()).spawn(run.clone()).ok()
        } else {
            None
        };
        if thread.is_none() {
            run();
        }
        Task { result, thread }
    }

    /// Drops something that takes long to free.
    pub(super) fn drop_elsewhere<T: Send + 'static>(&self, what: T) {
        if self.threaded {
            // Where there is no thread to be had, it is freed here.
            let _ = thread::Builder::new().name("kahawai-free".into()).spawn(move || drop(what));
        }
    }
}

impl<T> Task<T> {
    /// The result, once there is one. A panic of the work is passed on.
    pub(super) fn poll(&mut self) -> Option<T> {
        if self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return None;
        }
        self.wait();
        self.result.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits for the end.
    pub(super) fn wait(&mut self) {
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
