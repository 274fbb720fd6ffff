//! Records that closing hands back: those of a failed batch, with their bytes, on their way to who asked for them.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{FinishedBatch, RICH, RichTag, Slot};
use crate::record::Record;

/// Who is handed them: address of the callback and its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UndeliveredTo {
    pub callback: usize,
    pub opaque: usize,
}

/// Records whose bytes are still there.
pub trait KeptRecords: Debug + Send + Sync {
    /// Hands out each with its place in its batch, in order.
    fn each(&self, take: &mut dyn FnMut(u32, &Record<'_>));
}

/// The records of one failed batch.
#[derive(Debug)]
pub struct Undelivered {
    pub to: UndeliveredTo,
    records: Box<dyn KeptRecords>,
    /// So many records at the beginning were one batch of the application's, with this argument for its report.
    direct: Option<(u32, usize)>,
    is_handed: AtomicBool,
}

impl Undelivered {
    /// `direct`: so many records at the beginning have one report between them.
    pub fn new(to: UndeliveredTo, records: Box<dyn KeptRecords>, direct: Option<(u32, usize)>) -> Arc<Undelivered> {
        Arc::new(Undelivered { to, records, direct, is_handed: AtomicBool::new(false) })
    }

    /// The records, for the first who asks: a batch may be handed out in several goes.
    pub fn take(&self) -> Option<&dyn KeptRecords> {
        if self.is_handed.swap(true, Ordering::Relaxed) { None } else { Some(&*self.records) }
    }

    /// What was given with the record at `place` for its report; 0 when it wants none.
    pub fn opaque_of(&self, batch: &FinishedBatch, place: u32) -> usize {
        if let Some((count, opaque)) = self.direct
            && place < count
        {
            return opaque;
        }
        let Ok(at) = batch.slots.binary_search_by_key(&place, |slot| slot.offset_delta) else { return 0 };
        let slot: &Slot = &batch.slots[at];
        match batch.rich_tag(slot) {
            Some(RichTag::Ticketed { opaque, .. } | RichTag::Direct { opaque, .. }) => *opaque,
            Some(RichTag::Future(_)) => 0,
            None if slot.callback == RICH => 0,
            None => slot.opaque,
        }
    }
}
