//! Threads that compress, in virtual time: each batch takes a time of its own, so that they are done in any order.

use super::hands::scenario;
use super::{Happening, Sim};
use crate::accumulator::{Command, PackingJob};
use crate::codec::{Codec, Compression};
use crate::error::Status;
use crate::reports::{Completion, Persisted};

impl Sim {
    /// Threads that have nothing to do begin with what is in line.
    pub(super) fn begin_packing(&mut self) {
        while self.packers_busy < self.plan.packers
            && let Some(job) = self.accumulator.next_packing()
        {
            self.packers_busy += 1;
            self.note(52, self.packers_busy as u64, 0, || format!("{job:?} begins"));
            let takes = self.random.micros(0, self.plan.packing_us);
            self.schedule(self.now + takes, Happening::Packed(job));
        }
    }

    pub(super) fn packed(&mut self, job: PackingJob) {
        self.packers_busy -= 1;
        self.note(53, self.packers_busy as u64, 0, || format!("{job:?} is done"));
        self.accumulator.finish_packing(job, &mut self.packing_tools);
        self.after_application();
    }
}

fn compressing(packers: usize, packing_us: u64, batch_size: usize) -> Sim {
    scenario(|plan| {
        plan.config.compression = Compression { codec: Codec::Zstd, level: 1 };
        plan.config.batch_size = batch_size;
        plan.config.enable_idempotence = true;
        plan.packers = packers;
        plan.packing_us = packing_us;
    })
}

fn noise(len: usize, mut state: u64) -> Vec<u8> {
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn a_partition_keeps_its_order_while_its_batches_are_compressed_out_of_order() {
    let mut sim = compressing(4, 50_000, 400);
    let values: Vec<Vec<u8>> = (0..200u8).map(|n| vec![n; 100]).collect();
    for value in &values {
        sim.say(0, 0, value);
        sim.run_for(1);
    }
    sim.run_for(5_000);
    assert_eq!(sim.values(0), values);
    sim.finish();
}

#[test]
fn a_purge_does_not_wait_for_what_is_being_compressed() {
    let mut sim = compressing(1, 0, 400);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    sim.plan.packing_us = u64::MAX / 4;
    let records: Vec<usize> = (0..20u8).map(|n| sim.say(0, 0, &[n; 150])).collect();
    sim.run_for(10);
    assert_eq!(sim.packers_busy, 1);
    let done = std::sync::Arc::new(Completion::default());
    sim.accumulator.inbox.command(Command::Purge { queued: true, in_flight: true, done: done.clone() });
    sim.after_application();
    sim.run_for(10);
    assert!(done.is_complete());
    for index in records {
        let report = sim.report(index);
        assert_eq!((report.status, report.persisted), (Status::PURGED, Persisted::No));
    }
    sim.plan.packing_us = 0;
    sim.end_packing();
    let after = sim.say(0, 0, b"after");
    sim.run_for(100);
    assert!(sim.is_delivered(after));
    sim.finish();
}

#[test]
fn records_that_expire_while_they_are_compressed_are_certainly_not_in_the_log() {
    let mut sim = scenario(|plan| {
        plan.config.compression = Compression { codec: Codec::Lz4, level: 1 };
        plan.config.delivery_timeout_ms = 300;
        plan.packers = 1;
        plan.packing_us = u64::MAX / 4;
    });
    let index = sim.say(0, 0, &[7; 500]);
    sim.run_for(1_000);
    let report = sim.report(index).clone();
    assert_eq!((report.status, report.persisted), (Status::DELIVERY_TIMED_OUT, Persisted::No));
    assert!(report.cause.contains("waiting to be compressed"), "{}", report.cause);
    sim.end_packing();
    assert_eq!(sim.accumulator.memory.used(), 0);
    sim.finish();
}

#[test]
fn a_compressed_batch_that_the_broker_finds_too_large_goes_in_parts_in_order() {
    let mut sim = compressing(2, 300, 4_000);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    sim.cluster.set_message_max_bytes(1_000);
    let values: Vec<Vec<u8>> = (0..40).map(|n| noise(150, n)).collect();
    let records: Vec<usize> = values.iter().map(|value| sim.say(0, 0, value)).collect();
    sim.run_for(5_000);
    assert!(records.iter().all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.values(0)[1..], values);
    assert!(sim.accumulator.numbers.batch_splits.get() > 0);
    sim.finish();
}

#[test]
fn a_batch_filled_for_compression_that_fails_it_is_cut_before_it_is_sent() {
    for packers in [0, 2] {
        let mut sim = scenario(|plan| {
            plan.config.compression = Compression { codec: Codec::Zstd, level: 1 };
            (plan.config.batch_size, plan.config.max_request_size) = (4_000, 4_000);
            plan.config.enable_idempotence = true;
            (plan.packers, plan.packing_us) = (packers, 300);
        });
        sim.cluster.set_message_max_bytes(4_100);
        for _ in 0..300 {
            sim.say(0, 0, &[b'a'; 200]);
        }
        sim.run_for(1_000);
        let topic = sim.app.topics[0].clone();
        assert_eq!(topic.settings().fill_size(), 16_000, "it compresses well");
        let values: Vec<Vec<u8>> = (0..100).map(|n| noise(200, n)).collect();
        let records: Vec<usize> = values.iter().map(|value| sim.say(0, 0, value)).collect();
        sim.run_for(5_000);
        assert!(records.iter().all(|index| sim.is_delivered(*index)));
        assert!(records.iter().all(|index| sim.report(*index).attempts == 1), "no broker had to refuse it");
        assert_eq!(sim.values(0)[300..], values);
        assert!(sim.accumulator.numbers.batch_splits.get() > 0);
        assert_eq!(topic.settings().fill_size(), 4_000, "that was learned");
        sim.finish();
    }
}

impl Sim {
    /// What would take for ever is done.
    fn end_packing(&mut self) {
        let ends = |happening: &Happening| matches!(happening, Happening::Packed(_));
        let keys: Vec<_> = self.queue.iter().filter(|(_, happening)| ends(happening)).map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(happening) = self.queue.remove(&key) {
                self.schedule(self.now, happening);
            }
        }
        self.run_for(1);
    }
}
