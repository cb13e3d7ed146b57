//! The threads of the generator, and the tasks on them.

use std::future::Future;
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::connect;
use crate::exit::{Exit, Failure};

/// Threads with a runtime each: the caller's own, and those beyond. Tasks are dealt out in turn.
///
/// A connection is opened on the thread that it is to be served on, so that a producer and its socket are never on two.
#[derive(Debug)]
pub(super) struct Workers {
    handles: Vec<Handle>,
    ends: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
    next: usize,
}

impl Workers {
    /// So many threads, this one counted. Called on a runtime.
    ///
    /// # Errors
    /// Where the system has no means left.
    pub(super) fn start(threads: u32) -> Result<Self, Failure> {
        let mut workers = Self { handles: vec![Handle::current()], ends: Vec::new(), next: 0 };
        for number in 1..threads {
            let runtime = connect::runtime()?;
            workers.handles.push(runtime.handle().clone());
            let (end, is_over) = oneshot::channel();
            let thread = std::thread::Builder::new()
                .name(format!("load-{number}"))
                .spawn(move || {
                    // Over when told so, or when nobody is left to tell.
                    let _ = runtime.block_on(is_over);
                })
                .map_err(|error| Failure::new(Exit::Other, format!("cannot start a thread: {error}")))?;
            workers.ends.push((end, thread));
        }
        Ok(workers)
    }

    /// The next task's thread.
    fn turn(&mut self) -> Handle {
        self.next = (self.next + 1) % self.handles.len();
        self.handles[self.next].clone()
    }

    /// Opens something on the next thread, and then runs something with it there.
    ///
    /// # Errors
    /// Of opening.
    pub(super) async fn open<O, T, R>(
        &mut self,
        opening: impl Future<Output = kahawai_client::Result<O>> + Send + 'static,
        tasks: &mut JoinSet<R>,
        then: impl FnOnce(O) -> T,
    ) -> Result<(), Failure>
    where
        O: Send + 'static,
        T: Future<Output = R> + Send + 'static,
        R: Send + 'static,
    {
        let handle = self.turn();
        let opened = handle.spawn(opening).await;
        let opened = opened.map_err(|error| Failure::new(Exit::Other, error))??;
        tasks.spawn_on(then(opened), &handle);
        Ok(())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for (end, thread) in self.ends.drain(..) {
            let _ = end.send(());
            // It runs nothing that could panic but what has told of it already.
            let _ = thread.join();
        }
    }
}
