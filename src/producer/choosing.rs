//! The application's own partitioner: it runs on the threads that send, and for records that waited for metadata on the
//! thread "kp-partition", because the I/O thread waits for nobody. That thread lives only while there is something to choose.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use super::Producer;
use crate::accumulator::{Accumulator, Partitioning, Topic};
use crate::io::Clock;
use crate::sync::{Condvar, Mutex};
use crate::threads;

/// Chooses for parked records.
pub(super) struct Chooser {
    /// Not a count of its own: the accumulator has one of this.
    accumulator: Weak<Accumulator>,
    clock: Clock,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    /// Topics whose records wait for their choice.
    topics: VecDeque<Arc<Topic>>,
    is_running: bool,
    is_over: bool,
}

impl Producer {
    /// Lets the application choose partitions. Before the first record; once.
    pub fn set_partitioning(&self, partitioning: Arc<dyn Partitioning>) {
        let chooser = Arc::new(Chooser {
            accumulator: Arc::downgrade(&self.accumulator),
            clock: self.clock,
            state: Mutex::default(),
            ended: Condvar::default(),
        });
        if self.chooser.set(chooser.clone()).is_ok() {
            self.accumulator.set_partitioning(partitioning, move |topic| chooser.begin(topic));
        }
    }
}

impl Chooser {
    /// Has the topic's parked records chosen for; false when the operating system refuses the thread.
    fn begin(self: &Arc<Chooser>, topic: &Arc<Topic>) -> bool {
        let mut state = self.state.lock();
        state.topics.push_back(topic.clone());
        if !state.is_running {
            let chooser = self.clone();
            let started = threads::spawn("kp-partition", move || chooser.run());
            if started.is_err() {
                state.topics.pop_back();
                return false;
            }
            state.is_running = true;
        }
        true
    }

    fn run(&self) {
        let _running = Running(self);
        loop {
            let topic = {
                let mut state = self.state.lock();
                match state.topics.pop_front() {
                    Some(topic) if !state.is_over => topic,
                    _ => {
                        // Under the lock: who comes later starts another thread.
                        state.is_running = false;
                        return;
                    }
                }
            };
            let Some(accumulator) = self.accumulator.upgrade() else { return };
            accumulator.choose_parked(&topic, || self.clock.now(), || self.state.lock().is_over);
        }
    }

    /// Lets the thread end after the choice that it is at.
    pub fn tell_end(&self) {
        self.state.lock().is_over = true;
    }

    /// Ends the thread after the choice that it is at; false when that takes longer than `timeout`.
    pub fn end(&self, timeout: Duration) -> bool {
        self.tell_end();
        let mut state = self.state.lock();
        !self.ended.wait_while_for(&mut state, |state| state.is_running, timeout).timed_out()
    }
}

/// Tells of the thread's end, also when a panic ended it.
struct Running<'a>(&'a Chooser);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if thread::panicking() {
            state.is_running = false;
        }
        self.0.ended.notify_all();
    }
}
