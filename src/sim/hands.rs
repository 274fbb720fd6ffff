//! What named scenarios do with a run: say a record, let time pass, look at what became of it.

use super::Sim;
use super::driver::Report;
use super::network::Link;
use super::plan::Plan;
use super::random::Random;
use crate::error::Status;
use crate::mock::api_key;
use crate::time::{Micros, Time};

pub(super) fn scenario(edit: impl FnOnce(&mut Plan)) -> Sim {
    let mut plan = Plan::calm();
    edit(&mut plan);
    // Scenarios make their own faults: order is then promised with one request in flight only.
    plan.faults_span_us = 1;
    Sim::new(plan, Random::new(7), true)
}

impl Sim {
    pub(super) fn run_for(&mut self, ms: u64) {
        let until = self.now + Micros::from_ms(ms);
        while self.violation.is_none() && self.step(until) {}
        self.now = until;
        self.steps_at_once = 0;
        self.take_reports();
        let trace: Vec<String> = self.trace.iter().cloned().collect();
        assert_eq!(self.violation, None, "\n{}", trace.join("\n"));
    }

    /// Runs until something is so, a minute at most.
    pub(super) fn run_until(&mut self, is_so: impl Fn(&Sim) -> bool) {
        let until = self.now + Micros::from_ms(60_000);
        while self.violation.is_none() && !is_so(self) && self.step(until) {
            self.take_reports();
        }
        let trace: Vec<String> = self.trace.iter().cloned().collect();
        assert_eq!(self.violation, None, "\n{}", trace.join("\n"));
        assert!(is_so(self), "a minute has passed\n{}", trace.join("\n"));
    }

    pub(super) fn say(&mut self, topic: usize, partition: u32, value: &[u8]) -> usize {
        self.say_within(topic, partition, value, None)
    }

    pub(super) fn say_within(&mut self, topic: usize, partition: u32, value: &[u8], own_ms: Option<u64>) -> usize {
        let own = own_ms.map(Micros::from_ms);
        self.plan.own_deadlines |= own.is_some();
        let sent = self.record(topic, Some(partition), None, Some(value.to_vec()), Vec::new(), own, true);
        assert!(self.send(sent, 0), "there is memory");
        self.app.sent.len() - 1
    }

    pub(super) fn report(&self, index: usize) -> &Report {
        let trace: Vec<String> = self.trace.iter().cloned().collect();
        let report = self.app.sent[index].report.as_ref();
        report.unwrap_or_else(|| panic!("record {index} has no report\n{}", trace.join("\n")))
    }

    pub(super) fn report_of(&self, index: usize) -> Option<&Report> {
        self.app.sent[index].report.as_ref()
    }

    pub(super) fn is_delivered(&self, index: usize) -> bool {
        self.app.sent[index].report.as_ref().is_some_and(|report| report.status == Status::OK)
    }

    /// Closes and checks everything that holds of every run.
    pub(super) fn finish(mut self) {
        self.abort();
        self.faults.are_over = true;
        while self.violation.is_none()
            && (!self.sender.is_finished() || !self.has_nothing_ahead())
            && self.step(Time::NEVER)
        {}
        self.check_end();
        let trace: Vec<String> = self.trace.iter().cloned().collect();
        assert_eq!(self.violation, None, "\n{}", trace.join("\n"));
    }

    /// The next `count` produce requests are refused with this code.
    pub(super) fn refuse(&mut self, code: i16, count: u32) {
        self.plan.codes.push(code);
        self.cluster.push_error(api_key::PRODUCE, code, count);
    }

    pub(super) fn requests(&self, key: i16) -> u64 {
        self.cluster.stats().requests(key)
    }

    pub(super) fn values(&self, partition: i32) -> Vec<Vec<u8>> {
        let records = self.cluster.records("t0", partition).expect("the partition exists");
        records.into_iter().map(|record| record.value.unwrap_or_default()).collect()
    }

    pub(super) fn leader(&self, partition: i32) -> i32 {
        let (leader, _) = self.cluster.partition_leader("t0", partition).expect("the partition exists");
        leader.expect("it has a leader")
    }

    pub(super) fn move_leader(&mut self, partition: i32) -> i32 {
        let to = 3 - self.leader(partition);
        self.cluster.partition_set_leader("t0", partition, Some(to)).expect("both exist");
        to
    }

    pub(super) fn open_links(&self) -> Vec<&Link> {
        self.net.links.values().filter(|link| link.client_open && link.is_connected).collect()
    }
}
