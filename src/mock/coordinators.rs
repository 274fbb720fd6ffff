//! Which broker coordinates a transactional id or a group. As in Kafka it stays where it is while that broker is up, and a broker
//! that takes over has to load first.

use std::collections::BTreeMap;

use crate::error::{self, Error, Status};
use crate::time::{Micros, Time};

use super::cluster::Cluster;
use super::code;

/// What is coordinated; the numbers are FindCoordinator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CoordinatorKind {
    Group = 0,
    Transaction = 1,
}

impl CoordinatorKind {
    pub(super) fn of_key_type(key_type: i8) -> Option<CoordinatorKind> {
        match key_type {
            0 => Some(CoordinatorKind::Group),
            1 => Some(CoordinatorKind::Transaction),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Placement {
    broker: Option<i32>,
    /// A test has put it there: no election moves it.
    is_held: bool,
    /// Counts the brokers that have had it; end markers carry it.
    epoch: i32,
    loading_until: Time,
}

#[derive(Default)]
pub(super) struct Coordinators {
    placements: BTreeMap<(CoordinatorKind, String), Placement>,
    load_time: Micros,
}

/// FNV-1a, so that a key has the same coordinator in every run.
fn hash(kind: CoordinatorKind, key: &str) -> u64 {
    let bytes = std::iter::once(kind as u8).chain(key.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

impl Coordinators {
    /// Moves what the brokers that went down had, and places what no broker had.
    pub(super) fn elect(&mut self, up: &[bool], now: Time) {
        for ((kind, key), placement) in &mut self.placements {
            let is_up = |id: i32| usize::try_from(id - 1).ok().and_then(|index| up.get(index)) == Some(&true);
            if placement.is_held || placement.broker.is_some_and(is_up) {
                continue;
            }
            let elected = elect(*kind, key, up);
            if elected != placement.broker {
                placement.broker = elected;
                placement.epoch += 1;
                placement.loading_until = now + self.load_time;
            }
        }
    }
}

/// The key's own broker, or the next one that is up.
fn elect(kind: CoordinatorKind, key: &str, up: &[bool]) -> Option<i32> {
    let home = (hash(kind, key) % up.len().max(1) as u64) as usize;
    let index = (0..up.len()).map(|step| (home + step) % up.len()).find(|&index| up[index])?;
    i32::try_from(index + 1).ok()
}

impl Cluster {
    fn placement(&mut self, kind: CoordinatorKind, key: &str) -> &mut Placement {
        let up = self.brokers_up();
        self.coordinators.placements.entry((kind, key.to_owned())).or_insert_with(|| Placement {
            broker: elect(kind, key, &up),
            is_held: false,
            epoch: 0,
            loading_until: Time::ZERO,
        })
    }

    /// The broker that coordinates this transactional id or group; `None` while there is none that is up.
    pub fn coordinator(&mut self, kind: CoordinatorKind, key: &str) -> Option<i32> {
        let broker = self.placement(kind, key).broker?;
        self.is_up(broker).then_some(broker)
    }

    /// Makes another broker the coordinator of a transactional id or group. `None` takes the coordinator away until it is set
    /// again. The broker may be down, then nobody coordinates.
    pub fn coordinator_move(&mut self, kind: CoordinatorKind, key: &str, broker: Option<i32>) -> error::Result<()> {
        if let Some(id) = broker.filter(|&id| !self.has_broker(id)) {
            return Err(Error::new(Status::NOT_FOUND, format!("the mock cluster has no broker {id}")));
        }
        let loading_until = self.now + self.coordinators.load_time;
        let placement = self.placement(kind, key);
        *placement = Placement { broker, is_held: true, epoch: placement.epoch + 1, loading_until };
        Ok(())
    }

    /// How long a broker that becomes a coordinator answers COORDINATOR_LOAD_IN_PROGRESS; 0 at first.
    pub fn set_coordinator_load_ms(&mut self, load_ms: u32) {
        self.coordinators.load_time = Micros::from_ms(load_ms.into());
    }

    /// Whether `broker` may answer for the key, and the error if not.
    pub(super) fn coordinates(&mut self, kind: CoordinatorKind, key: &str, broker: i32) -> Result<(), i16> {
        let now = self.now;
        let placement = self.placement(kind, key);
        match placement.broker {
            Some(coordinator) if coordinator != broker => Err(code::NOT_COORDINATOR),
            None => Err(code::NOT_COORDINATOR),
            Some(_) if now < placement.loading_until => Err(code::COORDINATOR_LOAD_IN_PROGRESS),
            Some(_) => Ok(()),
        }
    }

    /// As `coordinates`, for a question that a broker asks the coordinator itself.
    pub(super) fn coordinator_ready(&mut self, kind: CoordinatorKind, key: &str) -> Result<(), i16> {
        let broker = self.coordinator(kind, key).ok_or(code::COORDINATOR_NOT_AVAILABLE)?;
        self.coordinates(kind, key, broker)
    }

    pub(super) fn coordinator_epoch(&mut self, kind: CoordinatorKind, key: &str) -> i32 {
        self.placement(kind, key).epoch
    }
}
