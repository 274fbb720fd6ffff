//! The crossing from application threads to the I/O thread: what happened to batches, and commands. One wake-up at most,
//! and only when the I/O thread sleeps past the moment it is needed.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::Mutex;

use super::calls::{CallReply, TransactionCall};
use super::door::Door;
use super::metadata::{MetadataReply, Question};
use super::partition::Placed;
use crate::reports::Completion;
use crate::security::login::{AttemptId, Reply};
use crate::time::Time;

/// Something the sender has to know about a batch or a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A partition's first record since the last batch was sealed: linger and delivery time start.
    Opened { partition: u32, batch: u64, due_at: Time, deadline: Time },
    /// A batch is full: it can go now.
    Sealed { partition: u32 },
    /// A record's own deadline made its batch's deadline earlier.
    Deadline { partition: u32, deadline: Time },
    /// A record waits for its topic's metadata.
    Parked { topic: u32, deadline: Time },
    /// The last record of a batch that was not taken has been cancelled: the batch is gone.
    Emptied { partition: u32, batch: u64 },
    /// The last record that waited for a topic's metadata has been cancelled.
    Unparked { topic: u32 },
    /// `buffer.memory` is full: lingering batches should go now.
    Pressure,
    /// The partitions of this leader have their share of it: their lingering batches should go now.
    Crowded { leader: i32 },
}

/// What an application thread asks of the sender.
#[derive(Debug)]
pub enum Command {
    /// Everything sent before, to the topic or to all of them, goes now: what is parked, and batches with a smaller number than
    /// `before`. `started` follows at once, `done` the last of it. Made by `Inbox::flush`.
    Flush { topic: Option<u32>, before: u64, started: Arc<Completion>, done: Arc<Completion> },
    /// Somebody waits for a record, of this topic if that is known: what it waits in does not linger.
    Hurry { topic: Option<u32>, placed: Placed },
    /// Fails what is queued, in flight, or both.
    Purge { queued: bool, in_flight: bool, done: Arc<Completion> },
    /// One of the five calls of transactions.
    Transaction { call: TransactionCall, reply: Arc<CallReply> },
    /// What the cluster says of topics, or what is known of them.
    Metadata { question: Question, reply: Arc<MetadataReply> },
    /// The topic's metadata and a connection to each of its leaders before the first record.
    WarmUp { topic: u32, reply: Arc<CallReply> },
    /// What the thread "kp-login" answers to an exchange of the sender's.
    Login { attempt: AttemptId, reply: Reply },
    /// There are other credentials, or certificates: brokers that refused us are asked again at once.
    CredentialsChanged,
    /// What is left to tell of metrics is told when `Abort` comes: there is time for it.
    LastPush,
    /// The application's partitioner has chosen for the topic's parked records.
    Chosen { topic: u32 },
    /// Fails everything that is left and ends.
    Abort,
}

/// Both lists in the order in which they came.
#[derive(Debug, Default)]
pub struct Letters {
    pub events: Vec<Event>,
    pub commands: Vec<Command>,
    /// Every batch with a smaller id has had its `Opened` event.
    pub next_batch: u64,
}

pub struct Inbox {
    letters: Mutex<Letters>,
    /// The moment until which the I/O thread sleeps, 0 while it is awake. Set by the I/O thread, cleared by whoever wakes it.
    asleep_until: AtomicU64,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Default for Inbox {
    fn default() -> Inbox {
        Inbox { letters: Mutex::new(Letters::default()), asleep_until: AtomicU64::new(0), wake: OnceLock::new() }
    }
}

impl Inbox {
    /// Sets how the I/O thread is woken; without it (simulator) nobody needs waking.
    pub fn set_wake(&self, wake: impl Fn() + Send + Sync + 'static) {
        // A second call would come from a second I/O thread, which no producer has.
        let _ = self.wake.set(Box::new(wake));
    }

    /// Tells of a new batch and gives it its number; `sealed` tells that the partition's previous one is full. `None`: the
    /// door is shut. It is looked at in the place that orders all batches: none gets a number behind the one that
    /// `next_batch` gives to who has shut it.
    pub fn opened(
        &self,
        door: Option<&Door>,
        partition: u32,
        deadline: Time,
        due_at: Time,
        sealed: bool,
    ) -> Option<u64> {
        let batch = {
            let mut letters = self.letters.lock();
            if door.is_some_and(Door::is_shut) {
                return None;
            }
            let batch = letters.next_batch;
            letters.next_batch += 1;
            if sealed {
                letters.events.push(Event::Sealed { partition });
            }
            letters.events.push(Event::Opened { partition, batch, due_at, deadline });
            batch
        };
        // A record's own deadline may come before its batch is due.
        self.wake_before(if sealed { Time::ZERO } else { due_at.min(deadline) });
        Some(batch)
    }

    /// Tells of an event that needs the sender at `at` at the latest.
    pub fn tell(&self, event: Event, at: Time) {
        self.letters.lock().events.push(event);
        self.wake_before(at);
    }

    pub fn command(&self, command: Command) {
        self.letters.lock().commands.push(command);
        self.wake_before(Time::ZERO);
    }

    /// Asks for a flush of what was sent so far. What is sent from now on opens batches that do not belong to it.
    pub fn flush(&self, topic: Option<u32>, started: Arc<Completion>, done: Arc<Completion>) {
        {
            let mut letters = self.letters.lock();
            let before = letters.next_batch;
            letters.commands.push(Command::Flush { topic, before, started, done });
        }
        self.wake_before(Time::ZERO);
    }

    /// Whether `Command::CredentialsChanged` waits to be taken.
    pub fn has_new_credentials(&self) -> bool {
        self.letters.lock().commands.iter().any(|command| matches!(command, Command::CredentialsChanged))
    }

    /// Every batch opened so far has a smaller number.
    pub fn next_batch(&self) -> u64 {
        self.letters.lock().next_batch
    }

    /// The sender takes everything; `spare` lends its emptied buffers back.
    pub fn take(&self, spare: &mut Letters) {
        spare.events.clear();
        spare.commands.clear();
        let mut letters = self.letters.lock();
        spare.next_batch = letters.next_batch;
        std::mem::swap(&mut *letters, spare);
        letters.next_batch = spare.next_batch;
    }

    /// The I/O thread is about to sleep until `until`; true when it must not, because something came in.
    pub fn before_sleep(&self, until: Time) -> bool {
        self.asleep_until.store(until.0.max(1), Ordering::SeqCst);
        let letters = self.letters.lock();
        let busy = !letters.events.is_empty() || !letters.commands.is_empty();
        if busy {
            self.asleep_until.store(0, Ordering::SeqCst);
        }
        busy
    }

    pub fn after_sleep(&self) {
        self.asleep_until.store(0, Ordering::SeqCst);
    }

    fn wake_before(&self, at: Time) {
        // Pairs with `before_sleep`: either it sees our letter, or we see that it sleeps.
        let until = self.asleep_until.load(Ordering::SeqCst);
        if at.0 < until
            && self.asleep_until.swap(0, Ordering::SeqCst) != 0
            && let Some(wake) = self.wake.get()
        {
            wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn one_wake_up_and_only_when_it_is_needed_earlier_than_planned() {
        let inbox = Inbox::default();
        let wakes = Arc::new(AtomicUsize::new(0));
        let count = wakes.clone();
        inbox.set_wake(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        inbox.tell(Event::Pressure, Time::ZERO);
        assert_eq!(wakes.load(Ordering::SeqCst), 0, "it is awake");
        assert!(inbox.before_sleep(Time(100)), "a letter waits");
        let mut letters = Letters::default();
        inbox.take(&mut letters);
        assert!(!inbox.before_sleep(Time(100)));
        assert_eq!(inbox.opened(None, 1, Time::NEVER, Time(200), false), Some(0));
        assert_eq!(wakes.load(Ordering::SeqCst), 0, "it wakes in time by itself");
        inbox.opened(None, 1, Time::NEVER, Time(50), false);
        inbox.opened(None, 1, Time::NEVER, Time(50), true);
        assert_eq!(wakes.load(Ordering::SeqCst), 1);
        inbox.take(&mut letters);
        assert_eq!(letters.events.len(), 4);
        assert_eq!(letters.next_batch, 3);
    }

    #[test]
    fn behind_a_shut_door_no_batch_gets_a_number() {
        let (inbox, door) = (Inbox::default(), Door::default());
        let open = |door| inbox.opened(door, 1, Time::NEVER, Time(50), true);
        assert_eq!(open(Some(&door)), Some(0));
        door.shut(crate::error::Error::new(crate::error::Status::STATE, "not now"));
        assert_eq!((open(Some(&door)), inbox.next_batch()), (None, 1));
        assert_eq!(open(None), Some(1), "what is inside already passes");
        let mut letters = Letters::default();
        inbox.take(&mut letters);
        assert_eq!(letters.events.len(), 4);
    }
}
