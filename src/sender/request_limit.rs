//! How large a request one broker takes. Kafka's `socket.request.max.bytes`, Redpanda's `kafka_request_max_bytes` and services like
//! Event Hubs end the connection when a request is larger than they allow, without a word: nothing but the size of the
//! request that was unanswered then tells. From then on half as much is put into one request; should the hang-up have been an
//! accident, requests grow again.

/// Smaller requests are taken by everyone: a hang-up after one means something else.
const LARGE_BYTES: usize = 16 << 10;
/// After so many requests of about the bound's size have been answered, twice as much is tried.
const GROWS_AFTER: u32 = 64;
/// Growing is tried again after so many hang-ups: what has happened once more is no accident.
const ACCIDENTS_MAX: u32 = 1;

/// What a broker's connections have shown so far: survives them.
#[derive(Debug, Default)]
pub struct RequestLimit {
    bound: Option<usize>,
    /// The largest request that was answered.
    answered_max: usize,
    /// Hang-ups after a request larger than all that were answered.
    hang_ups: u32,
    /// Requests of more than half the bound that were answered since the bound was set.
    answered_near: u32,
}

impl RequestLimit {
    /// Most bytes to put into one request, of which one batch may make more.
    pub fn bytes_max(&self) -> usize {
        self.bound.unwrap_or(usize::MAX)
    }

    /// A request of so many bytes was answered.
    pub fn answered(&mut self, len: usize) {
        self.answered_max = self.answered_max.max(len);
        let Some(bound) = self.bound else { return };
        if len <= bound / 2 || self.hang_ups > ACCIDENTS_MAX {
            return;
        }
        self.answered_near += 1;
        if self.answered_near >= GROWS_AFTER {
            self.answered_near = 0;
            self.bound = bound.checked_mul(2);
        }
    }

    /// The broker ended the connection when the oldest request without an answer had so many bytes: if they may be the reason,
    /// how many a request has at most from now on.
    pub fn hung_up(&mut self, len: usize) -> Option<usize> {
        if len <= LARGE_BYTES.max(self.answered_max) {
            return None;
        }
        self.hang_ups += 1;
        self.answered_near = 0;
        let bound = (len / 2).max(LARGE_BYTES).min(self.bytes_max());
        self.bound = Some(bound);
        Some(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn a_hang_up_after_the_largest_request_so_far_halves_the_next_ones() {
        let mut limit = RequestLimit::default();
        assert_eq!(limit.bytes_max(), usize::MAX);
        limit.answered(100_000);
        assert_eq!(limit.hung_up(100_000), None, "one of that size was answered");
        assert_eq!(limit.hung_up(8 * MIB), Some(4 * MIB));
        assert_eq!(limit.hung_up(4 * MIB), Some(2 * MIB));
        // A batch that is larger by itself is sent alone, again and again: that says nothing new.
        for _ in 0..10 {
            assert_eq!(limit.hung_up(6 * MIB), Some(2 * MIB));
        }
        assert_eq!(limit.bytes_max(), 2 * MIB);
    }

    #[test]
    fn small_requests_are_never_the_reason() {
        let mut limit = RequestLimit::default();
        for len in [0, 100, LARGE_BYTES] {
            assert_eq!(limit.hung_up(len), None);
        }
        for _ in 0..40 {
            limit.hung_up(limit.bytes_max().min(MIB));
        }
        assert_eq!(limit.bytes_max(), LARGE_BYTES);
    }

    #[test]
    fn after_one_accident_requests_grow_again_and_after_two_hang_ups_they_do_not() {
        let mut limit = RequestLimit::default();
        limit.hung_up(MIB);
        for _ in 0..GROWS_AFTER {
            assert_eq!(limit.bytes_max(), MIB / 2);
            // Small ones show nothing.
            limit.answered(1_000);
            limit.answered(MIB / 2);
        }
        assert_eq!(limit.bytes_max(), MIB);
        assert_eq!(limit.hung_up(MIB), Some(MIB / 2));
        for _ in 0..10 * GROWS_AFTER {
            limit.answered(MIB / 2);
        }
        assert_eq!(limit.bytes_max(), MIB / 2);
    }
}
