//! The threads that compress batches ("kp-compress").

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::accumulator::{Accumulator, HANDED_BYTES_MIN};
use crate::codec::Codec;
use crate::config::Config;
use crate::error::Result;
use crate::io::start_thread;
use crate::sync::{Condvar, Mutex};

/// The threads of one producer, started when its first topic wants compression.
#[derive(Default)]
pub(super) struct Packers {
    threads: Mutex<Vec<JoinHandle<()>>>,
    alive: Arc<Alive>,
}

/// How many of them are at work still; `JoinHandle::join` alone has no timeout.
#[derive(Default)]
struct Alive {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Packers {
    /// Starts them if a configuration, the producer's or a topic's, wants compression. On an error none is left, and batches
    /// would be compressed where requests are made.
    pub fn start(&self, config: &Config, wanted: Codec, accumulator: &Arc<Accumulator>) -> Result<()> {
        let mut threads = self.threads.lock();
        if wanted == Codec::None || config.compression_threads == 0 || !threads.is_empty() {
            return Ok(());
        }
        for _ in 0..config.compression_threads {
            *self.alive.count.lock() += 1;
            // Dropped where the thread ends, or where it cannot be had.
            let leaving = Leaving(self.alive.clone(), accumulator.clone());
            let started = start_thread("kp-compress", move || leaving.1.pack_in_line());
            match started {
                Ok(thread) => threads.push(thread),
                Err(error) if threads.is_empty() => return Err(error),
                // Those that run are enough, if slower.
                Err(_) => break,
            }
        }
        accumulator.packing.open(HANDED_BYTES_MIN);
        Ok(())
    }

    /// Ends them and waits for them; false when one is not done within `timeout`: it ends when it is.
    pub fn end(&self, accumulator: &Accumulator, timeout: Duration) -> bool {
        accumulator.packing.end();
        let deadline = Instant::now() + timeout;
        let mut count = self.alive.count.lock();
        while *count > 0 {
            if self.alive.changed.wait_until(&mut count, deadline).timed_out() && *count > 0 {
                return false;
            }
        }
        drop(count);
        for thread in self.threads.lock().drain(..) {
            // A panic was caught where it could happen; the thread is gone whatever ended it.
            let _ = thread.join();
        }
        true
    }
}

/// One thread's part in the count.
struct Leaving(Arc<Alive>, Arc<Accumulator>);

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut count = self.0.count.lock();
        *count -= 1;
        let is_last = *count == 0;
        drop(count);
        if is_last && std::thread::panicking() {
            self.1.packers_gone();
        }
        self.0.changed.notify_all();
    }
}
