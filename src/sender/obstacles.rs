//! What keeps records waiting while the cluster answers: flush says it at once, and once it lasts health is degraded by
//! it.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::sync::Arc;

use crate::time::{Micros, Time};

/// What fails and is tried again degrades health when it lasts longer: a leader that moves costs less.
const FAILING_LASTS: Micros = Micros::from_ms(1_000);
/// What has merely not happened yet does so later: connecting, logging in and replicating take their time.
const SILENCE_LASTS: Micros = Micros::from_ms(3_000);
/// A change of health is logged at most this often.
const LOG_PAUSE: Micros = Micros::from_ms(10_000);

/// What is wrong, of whom.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Obstacle {
    /// Records wait for a broker that cannot be reached.
    Unreached(i32),
    /// Records wait for a broker that is still being connected to.
    Connecting(i32),
    /// A broker does not answer a produce request.
    Silent(i32),
    /// A broker asks for pauses.
    Throttled(i32),
    /// Records wait for a topic, by its number, that is not there.
    Missing(u32),
    /// Records wait for a producer id that brokers do not give.
    ProducerId,
}

impl Obstacle {
    fn lasts(self) -> Micros {
        match self {
            Obstacle::Unreached(_) | Obstacle::Missing(_) | Obstacle::ProducerId => FAILING_LASTS,
            Obstacle::Connecting(_) | Obstacle::Silent(_) => SILENCE_LASTS,
            // Pauses are reported here only once they are felt.
            Obstacle::Throttled(_) => Micros::ZERO,
        }
    }
}

/// A partition whose batches are sent again.
#[derive(Debug)]
struct Retried {
    since: Time,
    /// The last error.
    cause: Option<Arc<CStr>>,
}

/// What is wrong now.
#[derive(Debug, Default)]
pub struct Findings {
    /// The first of what lasts, and how many more there are.
    pub lasting: Option<(Finding, usize)>,
    /// The first of what is there but has not lasted yet.
    pub fresh: Option<Finding>,
    /// When there will be something new by the passing of time alone.
    pub again_at: Time,
}

/// What the caller puts into words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    Obstacle(Obstacle),
    /// A partition, by its number, and its last error.
    Retried(u32, Option<Arc<CStr>>),
}

#[derive(Debug, Default)]
pub struct Obstacles {
    since: BTreeMap<Obstacle, Time>,
    retried: BTreeMap<u32, Retried>,
    logged_at: Option<Time>,
    armed_at: Option<Time>,
}

impl Obstacles {
    /// A batch of the partition will be sent again. True: it is news.
    pub fn note_retry(&mut self, now: Time, partition: u32, cause: Option<&Arc<CStr>>) -> bool {
        let is_new = !self.retried.contains_key(&partition);
        let retried = self.retried.entry(partition).or_insert(Retried { since: now, cause: None });
        retried.cause = cause.cloned();
        is_new
    }

    /// A batch of the partition has its outcome. True: it is news.
    pub fn note_outcome(&mut self, partition: u32) -> bool {
        !self.retried.is_empty() && self.retried.remove(&partition).is_some()
    }

    /// Whether an answer of this broker ends a silence.
    pub fn is_silent(&self, broker: i32) -> bool {
        self.since.contains_key(&Obstacle::Silent(broker))
    }

    /// Compares with what is wrong now, each obstacle with its beginning where that is known; without one it begins
    /// when it is first looked at.
    pub fn look(&mut self, now: Time, present: Vec<(Obstacle, Option<Time>)>) -> Findings {
        let earlier = std::mem::take(&mut self.since);
        for (obstacle, began) in present {
            let since = began.or_else(|| earlier.get(&obstacle).copied()).unwrap_or(now);
            self.since.insert(obstacle, since);
        }
        let obstacles = self.since.iter().map(|(obstacle, since)| (*since + obstacle.lasts(), *obstacle));
        let retries = self.retried.iter().map(|(partition, retried)| (retried.since + FAILING_LASTS, *partition));
        let mut findings = Findings { again_at: Time::NEVER, ..Findings::default() };
        let all = obstacles
            .map(|(at, obstacle)| (at, Finding::Obstacle(obstacle)))
            .chain(retries.map(|(at, partition)| (at, Finding::Retried(partition, self.cause_of(partition)))));
        for (lasting_at, finding) in all {
            match &mut findings.lasting {
                _ if lasting_at > now => {
                    findings.again_at = findings.again_at.min(lasting_at);
                    findings.fresh.get_or_insert(finding);
                }
                Some((_, more)) => *more += 1,
                none => *none = Some((finding, 0)),
            }
        }
        findings
    }

    fn cause_of(&self, partition: u32) -> Option<Arc<CStr>> {
        self.retried.get(&partition).and_then(|retried| retried.cause.clone())
    }

    /// Whether a timer has to be set for this moment.
    pub fn arms(&mut self, at: Time) -> bool {
        if at == Time::NEVER || self.armed_at.is_some_and(|armed| armed <= at) {
            return false;
        }
        self.armed_at = Some(at);
        true
    }

    /// The timer has come.
    pub fn disarm(&mut self) {
        self.armed_at = None;
    }

    /// Whether a change of health may be logged: one that comes and goes does not flood the log.
    pub fn may_log(&mut self, now: Time) -> bool {
        let may = self.logged_at.is_none_or(|at| now.since(at) >= LOG_PAUSE);
        if may {
            self.logged_at = Some(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::ZERO + Micros::from_ms(ms)
    }

    #[test]
    fn trouble_is_fresh_first_and_lasts_by_the_passing_of_time() {
        let mut obstacles = Obstacles::default();
        let unreached = || vec![(Obstacle::Unreached(3), None)];
        let findings = obstacles.look(at(100), unreached());
        assert_eq!((findings.lasting, findings.fresh), (None, Some(Finding::Obstacle(Obstacle::Unreached(3)))));
        assert_eq!(findings.again_at, at(1_100));
        assert!(obstacles.arms(at(1_100)) && !obstacles.arms(at(1_200)) && obstacles.arms(at(900)));
        let findings = obstacles.look(at(1_100), unreached());
        assert_eq!(findings.lasting, Some((Finding::Obstacle(Obstacle::Unreached(3)), 0)));
        assert_eq!((findings.fresh, findings.again_at), (None, Time::NEVER));
        // Over, and begun anew.
        assert_eq!(obstacles.look(at(1_200), Vec::new()).lasting, None);
        assert_eq!(obstacles.look(at(1_300), unreached()).again_at, at(2_300));
    }

    #[test]
    fn what_cannot_be_reached_comes_before_what_is_slow() {
        let mut obstacles = Obstacles::default();
        let all = vec![
            (Obstacle::Missing(0), Some(at(0))),
            (Obstacle::Throttled(1), None),
            (Obstacle::Silent(2), Some(at(0))),
            (Obstacle::Unreached(9), Some(at(0))),
            (Obstacle::Connecting(4), Some(at(9_000))),
        ];
        let findings = obstacles.look(at(10_000), all);
        assert_eq!(findings.lasting, Some((Finding::Obstacle(Obstacle::Unreached(9)), 3)));
        assert_eq!(findings.fresh, Some(Finding::Obstacle(Obstacle::Connecting(4))));
        assert_eq!(findings.again_at, at(12_000));
    }

    #[test]
    fn a_partition_that_is_sent_again_is_reported_with_its_last_error_until_it_has_an_outcome() {
        let mut obstacles = Obstacles::default();
        assert!(obstacles.note_retry(at(0), 7, Some(&Arc::from(c"first"))));
        assert!(!obstacles.note_retry(at(500), 7, Some(&Arc::from(c"second"))));
        assert_eq!(obstacles.look(at(999), Vec::new()).lasting, None);
        let findings = obstacles.look(at(1_000), Vec::new());
        assert_eq!(findings.lasting, Some((Finding::Retried(7, Some(Arc::from(c"second"))), 0)));
        assert!(!obstacles.note_outcome(8) && obstacles.note_outcome(7) && !obstacles.note_outcome(7));
        assert_eq!(obstacles.look(at(2_000), Vec::new()).lasting, None);
    }

    #[test]
    fn the_log_is_not_flooded() {
        let mut obstacles = Obstacles::default();
        let logged = (0..100).filter(|second| obstacles.may_log(at(second * 1_000))).count();
        assert_eq!(logged, 10);
    }
}
