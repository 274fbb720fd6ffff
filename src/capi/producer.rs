//! The producer's handle: made, passed into every call, closed.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::sync::{Mutex, MutexGuard};

use crate::capi::boundary::{call, keep_panics_quiet, out_arg, timeout_arg};
use crate::capi::config::{config_arg, producer_config_t};
use crate::capi::fork;
use crate::capi::gate::{self, Gate, Pass};
use crate::capi::handle::{Kind, forget_address, is_no_address, know_address, wrong};
use crate::capi::hooks::Hooks;
use crate::capi::oauth::TokenCallback;
use crate::capi::report::{self, Hearing};
use crate::capi::status::producer_status_t;
use crate::capi::topic;
use crate::config::DeliveryDispatch;
use crate::error::{Error, Result, Status};
use crate::producer::Producer;
use crate::reports::UndeliveredTo;
use crate::reports::{Handed, Item};

/// A producer: opaque, made by producer_new, ended by producer_close. It may be used from any number of threads at once.
#[allow(non_camel_case_types)]
pub struct producer_t {
    _opaque: [u8; 0],
}

/// What a handle points to.
#[repr(C)]
pub(super) struct Shell {
    /// Tells a handle from another address of ours, whose first word it is too. First, so that it is no further away.
    magic: u64,
    /// The process that made it, counted in forks.
    generation: u32,
    gate: Gate,
    hearing: Arc<Hearing>,
    /// As `hearing` has them: here they are one look away for every record.
    hooks: Option<Box<Hooks>>,
    /// Taken out by the call that closes, when the gate has let everybody out.
    producer: UnsafeCell<Option<Box<Producer>>>,
}

// SAFETY: `producer` is only read by threads that the gate let in, and only taken when it has let all of them out.
unsafe impl Sync for Shell {}
// SAFETY: nothing in it belongs to one thread; the callbacks say the same of their pointers.
unsafe impl Send for Shell {}

impl Shell {
    pub(super) fn hearing(&self) -> &Hearing {
        &self.hearing
    }
}

const MAGIC: u64 = 0x6b70_726f_6475_6365;
/// Closed handles kept so that a late call finds a closed producer and not freed memory.
const QUARANTINE_MAX: usize = 16_384;
/// How long closing waits for other threads' calls to come back.
const OTHERS_WAIT: Duration = Duration::from_secs(1);

/// A closed handle. Not a `Box`: a late call of another thread may be looking at it at any time.
pub(super) struct ClosedShell(*mut Shell);

// SAFETY: it is only moved; what it points to is `Send` and `Sync`.
unsafe impl Send for ClosedShell {}

/// Closed shells, oldest first.
static QUARANTINE: Mutex<VecDeque<ClosedShell>> = Mutex::new(VecDeque::new());

pub(super) type ForkLock = MutexGuard<'static, VecDeque<ClosedShell>>;

/// Takes the list of closed shells across a fork.
pub(super) fn lock_for_fork() -> ForkLock {
    QUARANTINE.lock()
}

/// Makes a producer from a configuration and starts it: one thread of its own that connects to the bootstrap servers.
///
/// `config`: the settings; borrows until return, and may be changed, reused or freed afterwards. `producer`: receives the
/// handle, to be ended with producer_close.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument; PRODUCER_ERR_CONFIG_CONFLICT when settings
/// are missing or contradict each other: producer_last_error names all of them; PRODUCER_ERR_NOT_FOUND, PRODUCER_ERR_IO and
/// PRODUCER_ERR_INVALID_PROPERTY when a file of certificates or keys is not there, cannot be read or cannot be used, or when such a
/// text cannot: producer_last_error names property, file and remedy; PRODUCER_ERR_NO_RESOURCES when the operating system refuses a
/// thread or a descriptor.
/// Waits for no network: no broker has answered when it returns, and none needs to be there yet. With TLS it blocks for as long as
/// the files of certificates and keys take to be read. The environment is read here (SSL_CERT_FILE, SSL_CERT_DIR; for tokens also
/// the proxies' and AWS's variables), and not later.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_new(
    config: *const producer_config_t,
    producer: *mut *mut producer_t,
) -> producer_status_t {
    call(|| {
        keep_panics_quiet();
        fork::watch();
        let config = config_arg(config)?;
        let out = out_arg(producer, "producer")?;
        let (builder, callbacks) = config.parts();
        let mut config = builder.build()?;
        if callbacks.log.is_none() {
            // Nobody listens: no line is made.
            config.log_level = -1;
        }
        let on_thread = config.delivery_dispatch == DeliveryDispatch::Thread;
        if callbacks.stats.is_none() {
            config.statistics_interval_ms = 0;
        }
        let made = Producer::with_tokens(config, callbacks.tokens.map(TokenCallback::getter))?;
        if let Some(partitioner) = callbacks.partitioner {
            made.set_partitioning(Arc::new(partitioner.of(made.id())));
        }
        if callbacks.hooks.as_ref().is_some_and(|hooks| hooks.hear()) {
            made.hear_of_all();
        }
        let hooks = callbacks.hooks.clone();
        let hearing = Arc::new(Hearing::new(made.id(), callbacks));
        let mut started = Ok(());
        if on_thread {
            let hearing = hearing.clone();
            started = made.start_dispatch(move |item| report::hand_on_own_thread(&hearing, &item));
        }
        if let Err(why) = started.and_then(|()| made.start_login()) {
            // Its I/O thread runs already. Nothing was sent: there is nothing to hear of its end.
            let _ = made.close(0, |_| Handed::All);
            return Err(why);
        }
        let shell = Box::new(Shell {
            magic: MAGIC,
            generation: fork::generation(),
            gate: Gate::new(made.id()),
            hearing,
            hooks,
            producer: UnsafeCell::new(Some(Box::new(made))),
        });
        let handle: *mut producer_t = Box::into_raw(shell).cast();
        know_address(handle, Kind::Producer);
        // SAFETY: not NULL, and the caller's to be written.
        unsafe { *out = handle };
        Ok(())
    })
}

/// Ends a producer: refuses new records, sends what is buffered, waits, fails what is left, runs every callback that is
/// due, and frees everything. An open transaction is aborted; a commit or an abort that is pending is finished, if there is
/// time; otherwise, and with a `timeout_ms` of 0, the transaction is left to its coordinator, which aborts one that is open
/// after transaction.timeout.ms or when its transactional.id is initialized again.
///
/// `producer`: takes; whatever is returned, except PRODUCER_ERR_INVALID_ARGUMENT and PRODUCER_ERR_IN_CALLBACK, the handle
/// is closed. `timeout_ms`: how long to wait for deliveries; 0 does not wait, -1 waits for ever (each record's delivery
/// time still ends).
/// Returns PRODUCER_OK when every accepted record had its outcome in time; PRODUCER_ERR_TIMED_OUT when the rest was failed
/// with PRODUCER_ERR_CLOSED, each with its report, a transaction was not ended in time, or a callback did not return; the status of its end, fatal ones
/// like PRODUCER_ERR_PRODUCER_FENCED and PRODUCER_ERR_FATAL too, when the producer had failed before; PRODUCER_ERR_CLOSED when
/// it was closed before, or is being closed by another thread; PRODUCER_ERR_IN_CALLBACK from one of this producer's own
/// callbacks; PRODUCER_ERR_FORKED; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_INTERNAL after a bug of the library.
/// Blocks for `timeout_ms` and little more, whatever the brokers do. Calls of other threads on the producer return
/// PRODUCER_ERR_CLOSED. No callback runs after it has returned, with one exception: when another thread is in a callback
/// that does not return within a second, PRODUCER_ERR_TIMED_OUT is answered and that thread runs those that are left; the token
/// callback and a partitioner that do not return within that second are not called again. Callbacks
/// of a future that another thread has awaited run on that thread, which is not waited for.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_close(producer: *mut producer_t, timeout_ms: i32) -> producer_status_t {
    // SAFETY: as the caller promises.
    unsafe { close(producer, timeout_ms, None) }
}

/// Ends a producer; `undelivered` is handed what is not delivered from now on.
///
/// # Safety
/// `producer` is NULL or a handle from `producer_new`.
pub(super) unsafe fn close(
    producer: *mut producer_t,
    timeout_ms: i32,
    undelivered: Option<UndeliveredTo>,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let shell = unsafe { shell_arg(producer) }?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        {
            // SAFETY: as above.
            let inside = unsafe { enter(producer) }?;
            if inside.in_callback() {
                let text = "producer_close was called from a callback of the same producer; call it elsewhere";
                return Err(Error::new(Status::IN_CALLBACK, text));
            }
        }
        if !shell.gate.shut() {
            return Err(closed());
        }
        // SAFETY: only the thread that shut the gate gets here, and the producer is taken out further below at the
        // earliest: until then it is only read, here and by those still inside.
        let inner = unsafe { &*shell.producer.get() }.as_ref().ok_or_else(closed)?;
        if let Some(to) = undelivered {
            inner.hand_undelivered_to(to);
        }
        inner.refuse_sends();
        shell.gate.wait_for_passes();
        // A callback that does not return does not end this: the producer is closed when its thread ends, or when what it has
        // thrown goes on.
        let ended = inner.close(timeout_ms, |item| report::hand_and_stay(&shell.hearing, &item));
        if shell.gate.wait_for_others(OTHERS_WAIT) && inner.dispatch_has_ended() {
            // What nobody has handed out of what closing had to leave to others.
            inner.hand_rest(|item| report::hand_and_stay(&shell.hearing, &item));
            if shell.hooks.as_ref().is_some_and(|hooks| hooks.hear()) {
                inner.hand_kept(|item| report::hand_to_interceptors(&shell.hearing, &item));
            }
            // SAFETY: the gate is shut and everybody is out.
            drop(unsafe { &mut *shell.producer.get() }.take());
            topic::retire_handles(shell.gate.id());
            if let Some(hooks) = &shell.hooks {
                report::in_callback_of(shell.gate.id(), || hooks.on_close());
            }
        }
        // Otherwise another thread, the library's own perhaps, is in a callback that does not return: its producer stays, idle, with the shell.
        quarantine(producer.cast());
        ended
    })
}

/// Keeps the closed shell, and lets the oldest go when there are very many.
fn quarantine(producer: *mut Shell) {
    let mut shells = QUARANTINE.lock();
    shells.push_back(ClosedShell(producer));
    let oldest = if shells.len() > QUARANTINE_MAX { shells.pop_front() } else { None };
    drop(shells);
    if let Some(oldest) = oldest {
        // SAFETY: the list owns it, and nobody has been let in since it was shut.
        if unsafe { &*(*oldest.0).producer.get() }.is_none() {
            forget_address(oldest.0);
            // SAFETY: made by `Box::into_raw` in `producer_new`, and put in the list once: by the thread that shut the gate.
            drop(unsafe { Box::from_raw(oldest.0) });
        }
        // Otherwise somebody may still be inside: better a leak than a crash.
    }
}

/// A call that is inside a producer: the producer stays alive until this is dropped.
pub(super) struct Inside<'a> {
    shell: &'a Shell,
    _pass: Pass<'a>,
}

/// One that may take its time, and may be dispatching: then it ends what a closing thread did not wait for. A type of its own, so
/// that leaving costs nothing for a record.
pub(super) struct Call<'a>(Inside<'a>);

impl<'a> Deref for Call<'a> {
    type Target = Inside<'a>;

    fn deref(&self) -> &Inside<'a> {
        &self.0
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.hand_left();
    }
}

impl Inside<'_> {
    /// The application's functions that records pass, when there are any.
    #[inline]
    pub fn hooks(&self) -> Option<&Hooks> {
        self.shell.hooks.as_deref()
    }

    /// Who hears of this producer.
    pub fn hearing(&self) -> &Hearing {
        &self.shell.hearing
    }

    fn hand_left(&self) {
        // After a panic others go on, or nobody: it was a bug.
        if self.shell.gate.is_shut() && !std::thread::panicking() {
            Producer::hand_left(self, |item| report::hand_and_stay(&self.shell.hearing, &item));
        }
    }

    /// Hands reports and log lines to the application.
    pub fn dispatcher(&self) -> impl FnMut(Item<'_>) -> Handed {
        |item| report::hand(&self.shell.hearing, &item)
    }
}

impl Deref for Inside<'_> {
    type Target = Producer;

    #[inline]
    fn deref(&self) -> &Producer {
        // SAFETY: the gate let this call in, so the producer is there and is not taken before the call has left.
        let producer = unsafe { &*self.shell.producer.get() };
        producer.as_ref().expect("the gate lets nobody in after the producer is gone")
    }
}

/// Goes in for one record.
///
/// # Safety
/// `producer` is NULL or a handle from `producer_new`.
#[inline(always)]
pub(super) unsafe fn pass<'a>(producer: *mut producer_t) -> Result<Inside<'a>> {
    // SAFETY: as the caller promises.
    let shell = unsafe { shell_arg(producer) }?;
    let pass = shell.gate.pass().ok_or_else(|| closed_or_choosing(shell))?;
    Ok(Inside { shell, _pass: pass })
}

/// Goes in for a call that may take its time.
///
/// # Safety
/// `producer` is NULL or a handle from `producer_new`.
pub(super) unsafe fn enter<'a>(producer: *mut producer_t) -> Result<Call<'a>> {
    // SAFETY: as the caller promises.
    let shell = unsafe { shell_arg(producer) }?;
    if gate::is_choosing(shell.gate.id()) {
        return Err(choosing());
    }
    let pass = shell.gate.enter().ok_or_else(|| closed_or_calling_back(shell))?;
    Ok(Call(Inside { shell, _pass: pass }))
}

#[inline]
pub(super) unsafe fn shell_arg<'a>(producer: *mut producer_t) -> Result<&'a Shell> {
    if is_no_address(producer) {
        return Err(wrong(producer, "producer", Kind::Producer));
    }
    // SAFETY: the caller's promise about an address: a shell, which lives on in quarantine after it was closed, or what `topic` has
    // given out, which is as readable.
    let magic = unsafe { producer.cast::<u64>().read() };
    if magic != MAGIC {
        return Err(wrong(producer, "producer", Kind::Producer));
    }
    // SAFETY: nothing else begins so.
    let shell = unsafe { &*producer.cast::<Shell>() };
    if shell.generation != fork::generation() {
        return Err(forked());
    }
    Ok(shell)
}

/// While a producer is being closed its callbacks still run, and what they may not call is named as always.
#[cold]
fn closed_or_calling_back(shell: &Shell) -> Error {
    if report::is_dispatching(shell.gate.id()) {
        let text = "called from a callback of the same producer, which is being closed; call it elsewhere";
        return Error::new(Status::IN_CALLBACK, text);
    }
    closed()
}

#[cold]
fn closed_or_choosing(shell: &Shell) -> Error {
    if gate::is_choosing(shell.gate.id()) { choosing() } else { closed() }
}

#[cold]
fn choosing() -> Error {
    let text =
        "called from the partitioner of the same producer, which may only look at what it is given; call it elsewhere";
    Error::new(Status::IN_CALLBACK, text)
}

#[cold]
fn closed() -> Error {
    Error::new(Status::CLOSED, "the producer is closed; make a new one with producer_new")
}

#[cold]
fn forked() -> Error {
    let text = "this producer belongs to the parent process: threads do not survive fork(); make a new one here";
    Error::new(Status::FORKED, text)
}
