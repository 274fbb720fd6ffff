//! Code of the application that runs on a sending thread, outside any dispatch: interceptors, serializers.

use std::cell::Cell;

use super::Reports;

/// Producers in whose code one thread is at a time, one called from the other, and known by name.
const DEPTH_MAX: usize = 16;

/// Whose code runs on this thread: the addresses of their reports, which do not move.
#[derive(Clone, Copy)]
struct Chain {
    depth: usize,
    callers: [usize; DEPTH_MAX],
}

thread_local! {
    // Without a destructor: threads that are ending may well send.
    static CHAIN: Cell<Chain> = const { Cell::new(Chain { depth: 0, callers: [0; DEPTH_MAX] }) };
}

impl Reports {
    /// Runs it. Waits and dispatches of the same producer are refused meanwhile, on this thread, also from the code of another
    /// producer that it sends with: they would wait for what only this thread can end, or hand out reports in the middle of a
    /// send.
    pub fn call_out<R>(&self, code: impl FnOnce() -> R) -> R {
        struct Leave;
        impl Drop for Leave {
            fn drop(&mut self) {
                let chain = CHAIN.get();
                CHAIN.set(Chain { depth: chain.depth - 1, ..chain });
            }
        }
        let mut chain = CHAIN.get();
        if let Some(caller) = chain.callers.get_mut(chain.depth) {
            *caller = self.address();
        }
        chain.depth += 1;
        CHAIN.set(chain);
        let _leave = Leave;
        code()
    }

    /// Whether it runs on this thread.
    #[inline]
    pub fn is_called_out(&self) -> bool {
        let chain = CHAIN.get();
        // Deeper than any program goes on purpose: all are taken to be among them, so that it ends.
        chain.depth > DEPTH_MAX || chain.callers[..chain.depth].contains(&self.address())
    }

    /// Interceptors hear of every record. Said before the first is sent.
    pub fn hear_of_all(&self) {
        self.rich.hear_of_all();
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_producer_is_recognised_behind_another() {
        let (a, b) = (Reports::new(10, 6), Reports::new(10, 6));
        assert!(!a.is_called_out());
        a.call_out(|| {
            b.call_out(|| assert!(a.is_called_out() && b.is_called_out() && a.in_callback()));
            assert!(a.is_called_out() && !b.is_called_out());
        });
        assert!(!a.is_called_out() && !b.is_called_out());
    }

    #[test]
    fn too_deep_a_chain_ends() {
        let all: Vec<Reports> = (0..DEPTH_MAX + 2).map(|_| Reports::new(10, 6)).collect();
        fn descend(all: &[Reports]) -> usize {
            match all {
                [first, rest @ ..] if !first.is_called_out() => first.call_out(|| 1 + descend(rest)),
                _ => 0,
            }
        }
        assert_eq!(descend(&all), DEPTH_MAX + 1);
        assert!(!all[0].is_called_out());
    }
}
