//! Code of the application that runs on a sending thread, outside any dispatch: interceptors, serializers.

use std::cell::Cell;

use super::Reports;

thread_local! {
    /// Whose code runs on this thread: the address of its reports, which do not move; 0 is nobody's.
    static CALLING: Cell<usize> = const { Cell::new(0) };
}

impl Reports {
    /// Runs it. Waits and dispatches of the same producer are refused meanwhile, on this thread: they would wait for what
    /// only this thread can end, or hand out reports in the middle of a send.
    pub fn call_out<R>(&self, code: impl FnOnce() -> R) -> R {
        struct Leave(usize);
        impl Drop for Leave {
            fn drop(&mut self) {
                CALLING.set(self.0);
            }
        }
        let _leave = Leave(CALLING.replace(self.address()));
        code()
    }

    /// Whether it runs on this thread.
    #[inline]
    pub fn is_called_out(&self) -> bool {
        CALLING.get() == self.address()
    }

    /// Interceptors hear of every record. Said before the first is sent.
    pub fn hear_of_all(&self) {
        self.rich.hear_of_all();
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}
