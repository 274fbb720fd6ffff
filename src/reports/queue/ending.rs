//! The end of the queue: what closing hands out, and what it leaves to others.

use std::time::Instant;

use super::{Dispatch, Handed, Item, Reports, View};

impl Reports {
    /// Whether nothing will be pushed any more.
    pub fn is_shut(&self) -> bool {
        self.state.lock().shut
    }

    /// Nothing will be pushed any more: threads that wait in `poll` return.
    pub fn shut(&self) {
        let mut state = self.state.lock();
        state.shut = true;
        state.show();
        self.changed.notify_all();
    }

    /// Dispatches everything that is left, or waits until the library's own thread has; false when another thread's callback
    /// did not return before the deadline: that thread has to call `hand_left` when it leaves.
    pub fn drain_all(&self, deadline: Option<Instant>, mut hand: impl FnMut(Item<'_>) -> Handed) -> bool {
        let mut state = self.state.lock();
        loop {
            let free = state.dispatcher.is_none();
            if free && !state.has_callbacks_due() {
                return true;
            }
            if free && !state.threaded {
                self.drain(state, View::Callbacks, &mut hand);
                state = self.state.lock();
            } else if !self.wait(&mut state, deadline) && (state.dispatcher.is_some() || state.threaded) {
                // Under the lock: its turn ends after this, and then it sees it.
                state.abandoned = true;
                return false;
            }
        }
    }

    /// Hands out what closing has left to this thread, if it has: called by threads that leave a closed producer, after any turn
    /// of theirs.
    pub fn hand_left(&self, mut hand: impl FnMut(Item<'_>) -> Handed) {
        // Another thread that has a turn comes by here too.
        while self.is_abandoned() && matches!(self.poll_now(&mut hand), Dispatch::Done(_)) {}
    }

    fn is_abandoned(&self) -> bool {
        self.state.lock().abandoned
    }

    /// Hands out whatever is left that callbacks want, also after `drain_all` has given up. Nobody else is here any more.
    pub fn hand_rest(&self, mut hand: impl FnMut(Item<'_>) -> Handed) {
        while matches!(self.poll_now(&mut hand), Dispatch::Done(_)) {}
    }

    /// The producer is closed: its descriptors are, too, even when it has to stay because a callback does not return.
    pub fn close_descriptors(&self) {
        self.state.lock().level = None;
        self.room.close_descriptor();
    }
}
