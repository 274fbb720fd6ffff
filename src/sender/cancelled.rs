//! What the sender does when the application has cancelled the last record of something: application threads do the rest.

use super::Sender;

impl Sender {
    /// A batch is gone before it was taken. It never was in the log, costs no transaction and has no report of its own.
    pub(super) fn batch_emptied(&mut self, dense: u32, batch: u64) {
        self.some_finished = true;
        self.window.finish(batch);
        self.leave_leaderless(dense);
    }

    /// Nothing waits for the topic's metadata any more, unless something came meanwhile.
    pub(super) fn topic_unparked(&mut self, id: u32) {
        let topic = self.accumulator.topics.by_id(id);
        if self.accumulator.parked_since(&topic).is_some() {
            return;
        }
        self.window.unparked(id, 0);
        if let Some(state) = self.cluster.topics.get_mut(&id) {
            // The next record for it gets a grace of its own.
            state.missing = None;
        }
    }
}
