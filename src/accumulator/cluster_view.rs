//! The cluster as application threads see it: published whole by the I/O thread whenever metadata or a connection changes it.

use std::ffi::CStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::RwLock;

/// Never changed after it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterView {
    /// `None` until a broker has told.
    pub cluster_id: Option<Arc<CStr>>,
    /// -1 when unknown.
    pub controller_id: i32,
    /// In the order of their ids; empty until a broker has told.
    pub brokers: Vec<BrokerView>,
    /// Grows with every change.
    pub generation: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerView {
    pub id: i32,
    pub host: Arc<CStr>,
    pub port: i32,
    pub rack: Option<Arc<CStr>>,
    /// Whether requests can be sent to it now.
    pub connected: bool,
}

impl ClusterView {
    pub fn broker(&self, id: i32) -> Option<&BrokerView> {
        self.brokers.binary_search_by_key(&id, |broker| broker.id).ok().map(|at| &self.brokers[at])
    }
}

/// The latest view.
#[derive(Debug)]
pub struct ClusterCell {
    view: RwLock<Arc<ClusterView>>,
    generation: AtomicU64,
}

impl Default for ClusterCell {
    fn default() -> ClusterCell {
        let view = ClusterView { cluster_id: None, controller_id: -1, brokers: Vec::new(), generation: 0 };
        ClusterCell { view: RwLock::new(Arc::new(view)), generation: AtomicU64::new(0) }
    }
}

impl ClusterCell {
    pub fn load(&self) -> Arc<ClusterView> {
        self.view.read().clone()
    }

    /// Tells without a lock whether a view that somebody keeps is still the latest.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The I/O thread has another view; its generation is given here. The same view again changes nothing.
    pub fn publish(&self, cluster_id: Option<Arc<CStr>>, controller_id: i32, brokers: Vec<BrokerView>) {
        let mut view = self.view.write();
        if view.cluster_id == cluster_id && view.controller_id == controller_id && view.brokers == brokers {
            return;
        }
        let generation = view.generation + 1;
        *view = Arc::new(ClusterView { cluster_id, controller_id, brokers, generation });
        self.generation.store(generation, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_has_a_new_generation_when_something_changed_and_only_then() {
        let cell = ClusterCell::default();
        let first = cell.load();
        assert_eq!((first.generation, first.controller_id, cell.generation()), (0, -1, 0));
        let broker = |id, connected| BrokerView { id, host: c"h".into(), port: 9092, rack: None, connected };
        cell.publish(Some(c"x".into()), 1, vec![broker(1, false), broker(7, false)]);
        cell.publish(Some(c"x".into()), 1, vec![broker(1, false), broker(7, false)]);
        assert_eq!(cell.generation(), 1);
        cell.publish(Some(c"x".into()), 1, vec![broker(1, false), broker(7, true)]);
        let view = cell.load();
        assert_eq!((view.generation, view.broker(7).map(|b| b.connected)), (2, Some(true)));
        assert!(view.broker(2).is_none() && first.brokers.is_empty());
    }
}
