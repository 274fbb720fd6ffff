//! Who is inside a producer: closing waits for them. `producer_send` passes without a lock, an atomic read-modify-write or
//! a reference count: each thread announces itself in a slot of its own, and the closing thread makes sure with one
//! `membarrier` system call that it sees every announcement. Where that call is missing, a fence does it per record.

use std::cell::Cell;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, compiler_fence, fence};
use std::time::Duration;

use crate::sync::{Condvar, Mutex, MutexGuard};

const OPEN: u32 = 0;
const CLOSING: u32 = 1;

/// Guards one producer.
#[derive(Debug)]
pub struct Gate {
    /// Of the producer; never 0, never reused.
    id: u64,
    state: AtomicU32,
    /// Callers other than the hot one.
    others: AtomicUsize,
    /// Those that are inside for a record and have no slot to say so.
    slotless: AtomicUsize,
    exit: Mutex<()>,
    left: Condvar,
}

/// The name of a slot whose thread is in a partitioner without being inside for a record: no producer has this number.
const CHOOSING_ONLY: u64 = u64::MAX;

/// Where one thread announces the producer it is in; 0 is none. Every record writes it twice: two threads must not share
/// a cache line, nor the pair of lines that processors fetch together.
#[repr(align(128))]
pub struct Slot {
    busy: AtomicU64,
    taken: AtomicBool,
}

/// Every slot ever made; a thread that ends leaves its slot to the next.
static SLOTS: Mutex<Vec<&'static Slot>> = Mutex::new(Vec::new());
/// Whether `membarrier` does the fence for us.
static BARRIER: AtomicBool = AtomicBool::new(false);

thread_local! {
    static SLOT: Cell<*const Slot> = const { Cell::new(ptr::null()) };
    static RELEASE: Release = const { Release };
    /// The producer whose partitioner runs on this thread; 0 is none.
    static CHOOSING: Cell<u64> = const { Cell::new(0) };
}

/// Whether this thread is in the partitioner of the producer with this id.
pub fn is_choosing(producer: u64) -> bool {
    CHOOSING.try_with(Cell::get) == Ok(producer)
}

/// A partitioner's call. As long as it is there, the thread does not get into its producer.
pub struct InPartitioner {
    outer: u64,
    slot: Option<&'static Slot>,
}

impl InPartitioner {
    pub fn begin(producer: u64) -> InPartitioner {
        let outer = CHOOSING.try_with(|choosing| choosing.replace(producer)).unwrap_or(0);
        // A thread that is not sending has to look busy: then its next pass takes the way on which it is asked.
        let slot = SLOT.try_with(Cell::get).unwrap_or(ptr::null());
        // SAFETY: slots are never freed.
        let slot = unsafe { slot.as_ref() }.or_else(own_slot);
        let slot = slot.filter(|slot| slot.busy.load(Ordering::Relaxed) == 0);
        if let Some(slot) = slot {
            slot.busy.store(CHOOSING_ONLY, Ordering::Relaxed);
        }
        InPartitioner { outer, slot }
    }
}

impl Drop for InPartitioner {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            slot.busy.store(0, Ordering::Relaxed);
        }
        // A thread that is ending has nothing to give back.
        let _ = CHOOSING.try_with(|choosing| choosing.set(self.outer));
    }
}

/// Gives the thread's slot back when the thread ends.
struct Release;

impl Drop for Release {
    fn drop(&mut self) {
        let slot = SLOT.replace(ptr::null());
        // SAFETY: slots are never freed.
        if let Some(slot) = unsafe { slot.as_ref() } {
            slot.busy.store(0, Ordering::Release);
            slot.taken.store(false, Ordering::Release);
        }
    }
}

/// Being inside for one record.
pub struct Pass<'a> {
    gate: &'a Gate,
    way: Way,
}

/// How somebody inside has been announced.
enum Way {
    Slot(&'static Slot),
    Slotless,
    Other,
}

impl Gate {
    pub fn new(id: u64) -> Gate {
        register_barrier();
        Gate {
            id,
            state: AtomicU32::new(OPEN),
            others: AtomicUsize::new(0),
            slotless: AtomicUsize::new(0),
            exit: Mutex::new(()),
            left: Condvar::new(),
        }
    }

    /// Of the producer that it guards.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Goes in for one record; `None` when the producer is closed or closing.
    #[inline]
    pub fn pass(&self) -> Option<Pass<'_>> {
        let slot = SLOT.get();
        // SAFETY: slots are never freed.
        let Some(slot) = (unsafe { slot.as_ref() }) else { return self.pass_first() };
        if slot.busy.load(Ordering::Relaxed) != 0 {
            // A send inside a send, from a partitioner or interceptor: rare enough to be counted.
            return self.pass_counted();
        }
        slot.busy.store(self.id, Ordering::Relaxed);
        light_fence();
        if self.state.load(Ordering::Relaxed) != OPEN {
            self.leave(slot);
            return None;
        }
        Some(Pass { gate: self, way: Way::Slot(slot) })
    }

    #[cold]
    fn pass_first(&self) -> Option<Pass<'_>> {
        match own_slot() {
            Some(_) => self.pass(),
            // A thread that is ending: its slot is gone already.
            None => self.pass_counted(),
        }
    }

    #[cold]
    fn pass_counted(&self) -> Option<Pass<'_>> {
        if is_choosing(self.id) {
            return None;
        }
        self.slotless.fetch_add(1, Ordering::SeqCst);
        // Dropped below when the gate is shut, and so counted out again.
        let pass = Pass { gate: self, way: Way::Slotless };
        (self.state.load(Ordering::SeqCst) == OPEN).then_some(pass)
    }

    /// Goes in for a call that may take its time.
    pub fn enter(&self) -> Option<Pass<'_>> {
        self.others.fetch_add(1, Ordering::SeqCst);
        if self.state.load(Ordering::SeqCst) != OPEN {
            self.leave_counted(&self.others);
            return None;
        }
        Some(Pass { gate: self, way: Way::Other })
    }

    /// Shuts the gate; false when somebody else did.
    pub fn shut(&self) -> bool {
        let first = self.state.compare_exchange(OPEN, CLOSING, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if first {
            heavy_fence();
        }
        first
    }

    /// Waits until nobody is inside for a record. Everything that could hold them up must have been released before.
    pub fn wait_for_passes(&self) {
        let mut exit = self.exit.lock();
        while self.has_passes() {
            self.left.wait(&mut exit);
        }
    }

    /// Whether it was shut.
    pub fn is_shut(&self) -> bool {
        self.state.load(Ordering::SeqCst) != OPEN
    }

    /// Waits until nobody is inside at all; false when that takes longer than `timeout`: a callback that does not return.
    pub fn wait_for_others(&self, timeout: Duration) -> bool {
        let mut exit = self.exit.lock();
        let inside = |_: &mut ()| self.others.load(Ordering::SeqCst) > 0;
        !self.left.wait_while_for(&mut exit, inside, timeout).timed_out()
    }

    fn has_passes(&self) -> bool {
        self.slotless.load(Ordering::SeqCst) > 0
            || SLOTS.lock().iter().any(|slot| slot.busy.load(Ordering::Acquire) == self.id)
    }

    #[inline]
    fn leave(&self, slot: &Slot) {
        slot.busy.store(0, Ordering::Release);
        light_fence();
        // Either the closing thread sees that the slot is free, or we see that it is closing and wake it.
        if self.state.load(Ordering::Relaxed) != OPEN {
            self.tell_closer();
        }
    }

    fn leave_counted(&self, count: &AtomicUsize) {
        if count.fetch_sub(1, Ordering::SeqCst) == 1 && self.state.load(Ordering::SeqCst) != OPEN {
            self.tell_closer();
        }
    }

    #[cold]
    fn tell_closer(&self) {
        let _exit = self.exit.lock();
        self.left.notify_all();
    }
}

impl Drop for Pass<'_> {
    #[inline]
    fn drop(&mut self) {
        match self.way {
            Way::Slot(slot) => self.gate.leave(slot),
            Way::Slotless => self.gate.leave_counted(&self.gate.slotless),
            Way::Other => self.gate.leave_counted(&self.gate.others),
        }
    }
}

/// This thread's slot, made or taken over at its first call. `None` when the thread is ending.
fn own_slot() -> Option<&'static Slot> {
    // Arranges for the slot to be given back; fails when the thread is past that.
    RELEASE.try_with(|_| ()).ok()?;
    let mut slots = SLOTS.lock();
    let free =
        |slot: &&&'static Slot| slot.taken.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    let slot = match slots.iter().find(free) {
        Some(slot) => *slot,
        None => {
            let slot: &'static Slot =
                Box::leak(Box::new(Slot { busy: AtomicU64::new(0), taken: AtomicBool::new(true) }));
            slots.push(slot);
            slot
        }
    };
    SLOT.set(slot);
    Some(slot)
}

/// Whether this thread is inside a producer for a record.
pub fn is_passing() -> bool {
    let slot = SLOT.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: slots are never freed.
    unsafe { slot.as_ref() }.is_some_and(|slot| slot.busy.load(Ordering::Relaxed) != 0)
}

#[inline]
fn light_fence() {
    if BARRIER.load(Ordering::Relaxed) {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

fn heavy_fence() {
    if BARRIER.load(Ordering::Relaxed) {
        membarrier(MEMBARRIER_PRIVATE_EXPEDITED);
    }
    fence(Ordering::SeqCst);
}

const MEMBARRIER_PRIVATE_EXPEDITED: i32 = 1 << 3;
const MEMBARRIER_REGISTER_PRIVATE_EXPEDITED: i32 = 1 << 4;

fn register_barrier() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        BARRIER.store(membarrier(MEMBARRIER_REGISTER_PRIVATE_EXPEDITED), Ordering::SeqCst);
    });
}

#[cfg(target_os = "linux")]
fn membarrier(command: i32) -> bool {
    // SAFETY: membarrier(2) takes three integers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn membarrier(_command: i32) -> bool {
    false
}

pub type ForkLock = MutexGuard<'static, Vec<&'static Slot>>;

/// Takes the list of slots so that a fork does not copy it locked by a thread that the child does not have.
pub fn lock_for_fork() -> ForkLock {
    SLOTS.lock()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_shut_gate_lets_nobody_in_and_only_one_thread_shuts_it() {
        let gate = Gate::new(1 << 40);
        drop(gate.pass().expect("open"));
        assert!(gate.shut());
        assert!(!gate.shut());
        assert!(gate.pass().is_none());
        assert!(gate.enter().is_none());
        gate.wait_for_passes();
        assert!(gate.wait_for_others(Duration::ZERO));
    }

    #[test]
    fn a_pass_inside_a_pass_is_counted() {
        let gate = Gate::new(1 << 41);
        let outer = gate.pass().expect("open");
        let inner = gate.pass().expect("open");
        drop(outer);
        assert!(gate.has_passes(), "a send inside a send is waited for like any other");
        drop(inner);
        assert!(!gate.has_passes());
        assert!(gate.shut());
        assert!(gate.pass_counted().is_none());
        assert!(!gate.has_passes());
    }

    #[test]
    fn a_partitioner_does_not_get_into_its_own_producer_but_into_others() {
        let (gate, other) = (Gate::new(1 << 43), Gate::new((1 << 43) + 1));
        for sends in [true, false] {
            let pass = sends.then(|| gate.pass().expect("open"));
            {
                let _choosing = InPartitioner::begin(1 << 43);
                assert!(is_choosing(1 << 43) && !is_choosing((1 << 43) + 1));
                assert!(gate.pass().is_none());
                drop(other.pass().expect("it is another producer's partitioner"));
            }
            drop(pass);
            drop(gate.pass().expect("the partitioner has returned"));
        }
        assert!(!gate.has_passes() && gate.shut());
    }

    #[test]
    fn threads_do_not_share_a_cache_line() {
        assert_eq!((size_of::<Slot>(), align_of::<Slot>()), (128, 128));
    }

    #[test]
    fn closing_waits_for_every_thread_that_is_inside() {
        for round in 0..200 {
            let gate = Arc::new(Gate::new((1 << 42) + round));
            let inside = Arc::new(AtomicUsize::new(0));
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let (gate, inside) = (gate.clone(), inside.clone());
                    std::thread::spawn(move || {
                        while let Some(pass) = gate.pass() {
                            inside.fetch_add(1, Ordering::SeqCst);
                            std::hint::spin_loop();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            drop(pass);
                        }
                    })
                })
                .collect();
            std::thread::yield_now();
            assert!(gate.shut());
            gate.wait_for_passes();
            assert_eq!(inside.load(Ordering::SeqCst), 0);
            for thread in threads {
                thread.join().expect("no panic");
            }
        }
    }
}
