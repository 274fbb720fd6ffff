//! The sender core as the I/O thread drives it.

use std::sync::Arc;

use crate::accumulator::Accumulator;
use crate::io::{Clock, Core};
use crate::sender::{Action, Closed, ConnId, Sender};
use crate::time::Time;

pub(super) struct Driver {
    pub sender: Sender,
    pub accumulator: Arc<Accumulator>,
    pub clock: Clock,
}

impl Core for Driver {
    fn handle_wakeup(&mut self, now: Time) {
        self.sender.handle_wakeup(now);
    }

    fn handle_connected(&mut self, now: Time, conn: ConnId) {
        self.sender.handle_connected(now, conn);
    }

    fn handle_bytes(&mut self, now: Time, conn: ConnId, bytes: &[u8]) {
        self.sender.handle_bytes(now, conn, bytes);
    }

    fn handle_written(&mut self, now: Time, conn: ConnId, bytes: usize, through: usize) {
        self.sender.handle_written(now, conn, bytes, through);
    }

    fn handle_closed(&mut self, now: Time, conn: ConnId, closed: Closed) {
        self.sender.handle_closed(now, conn, closed);
    }

    fn handle_timeout(&mut self, now: Time) {
        // The coarse clock costs nanoseconds; metrics are pushed from here, and it may have been set meanwhile.
        self.sender.set_wall_clock(now, self.clock.wall_ms());
        self.sender.handle_timeout(now);
    }

    fn poll_action(&mut self, now: Time) -> Option<Action> {
        self.sender.poll_action(now)
    }

    fn poll_timeout(&self) -> Time {
        self.sender.poll_timeout()
    }

    fn poll_deadline(&self) -> Time {
        self.sender.poll_deadline()
    }

    fn before_sleep(&mut self, _now: Time, until: Time) -> bool {
        self.accumulator.inbox.before_sleep(until)
    }

    fn after_sleep(&mut self) {
        self.accumulator.inbox.after_sleep();
    }

    fn is_finished(&self) -> bool {
        self.sender.is_finished()
    }

    fn handle_panic(&mut self, message: &str) {
        self.sender.handle_panic(self.clock.now(), message);
    }
}
