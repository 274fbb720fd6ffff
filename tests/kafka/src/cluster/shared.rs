//! One cluster for the tests of a program, since a start costs more than most tests.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{KafkaCluster, Release};
use crate::env;

static CLUSTER: Mutex<Option<KafkaCluster>> = Mutex::new(None);

/// The shared cluster, held by one test at a time.
pub struct Shared(MutexGuard<'static, Option<KafkaCluster>>);

/// The program's cluster of the newest release, or of the one that `tests/kafka/run --release` names: started by the first test
/// that asks, healed for each later one, stopped when the program ends. Another number of nodes or another release replaces it.
pub fn shared(nodes: usize) -> Shared {
    shared_of(env::release().unwrap_or(Release::Kafka4_3), nodes)
}

/// The same of a release that the test itself chooses.
pub fn shared_of(release: Release, nodes: usize) -> Shared {
    // A test that failed while holding the cluster leaves it usable: healing is what the next one does anyway.
    let mut guard = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    match guard.as_mut() {
        Some(cluster) if cluster.nodes.len() == nodes && cluster.release == release => cluster.heal(),
        _ => {
            // The old one ends before the new one starts, to keep the memory of one.
            *guard = None;
            stop_at_exit(stop);
            *guard = Some(KafkaCluster::start(i32::try_from(nodes).expect("a small number"), release));
        }
    }
    Shared(guard)
}

impl Deref for Shared {
    type Target = KafkaCluster;

    fn deref(&self) -> &KafkaCluster {
        self.0.as_ref().expect("filled by shared()")
    }
}

impl DerefMut for Shared {
    fn deref_mut(&mut self) -> &mut KafkaCluster {
        self.0.as_mut().expect("filled by shared()")
    }
}

extern "C" fn stop() {
    if let Ok(mut guard) = CLUSTER.lock() {
        *guard = None;
    }
}

/// A static is never dropped, and the test runner leaves through exit(). Harmless when asked for again.
pub(crate) fn stop_at_exit(stop: extern "C" fn()) {
    // SAFETY: the function lives as long as the program and unwinds into nothing but this frame's abort.
    assert_eq!(unsafe { libc::atexit(stop) }, 0, "an exit handler can be registered");
}
