//! The [`Login`] of mechanisms that may take their time: PBKDF2, a ticket from a KDC, credentials from an endpoint.
//! What the sender asks waits in a queue for the thread "kp-login".

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::error::Status;
use crate::secret::Secret;
use crate::security::exchange::{Exchange, Mechanism, Step};
use crate::security::login::{Asked, AttemptId, Login, Refusal, Reply};
use crate::security::mask::Mask;
use crate::sync::{Condvar, Mutex};

/// Where replies go. Called with no lock held, by any thread.
pub type Answer = Box<dyn Fn(AttemptId, Reply) + Send + Sync>;
/// The wall clock, milliseconds since 1970.
pub type WallClock = Box<dyn Fn() -> i64 + Send + Sync>;

/// What a thread of the library's own works on until it is told to end.
pub trait Work: Send + Sync {
    /// Runs on that thread.
    fn run(&self);
    /// Lets `run` return after what it is at. From any thread.
    fn end(&self);
}

/// The queue, and the mechanism that works it off.
pub struct ExchangeDesk {
    name: &'static str,
    queue: Mutex<Queue>,
    changed: Condvar,
    mechanism: Mutex<Box<dyn Mechanism>>,
    wall_ms: WallClock,
    answer: Answer,
}

#[derive(Default)]
struct Queue {
    asked: VecDeque<(AttemptId, Asked)>,
    /// As whom the exchanges speak that have begun, and what they tell in confidence.
    speakers: BTreeMap<AttemptId, (Option<String>, Vec<Secret>)>,
    is_over: bool,
}

impl ExchangeDesk {
    pub fn new(mechanism: Box<dyn Mechanism>, wall_ms: WallClock, answer: Answer) -> Arc<ExchangeDesk> {
        Arc::new(ExchangeDesk {
            name: mechanism.name(),
            queue: Mutex::default(),
            changed: Condvar::default(),
            mechanism: Mutex::new(mechanism),
            wall_ms,
            answer,
        })
    }

    fn next(&self) -> Option<(AttemptId, Asked)> {
        let mut queue = self.queue.lock();
        loop {
            if queue.is_over {
                return None;
            }
            if let Some(asked) = queue.asked.pop_front() {
                return Some(asked);
            }
            self.changed.wait(&mut queue);
        }
    }

    fn begin(&self, host: &str) -> (Option<Box<dyn Exchange>>, Reply) {
        guarded(|| {
            let mut exchange = self.mechanism.lock().exchange(host, (self.wall_ms)());
            let reply = started(exchange.as_mut());
            (Some(exchange), reply)
        })
        .unwrap_or_else(|reply| (None, reply))
    }

    /// Before the broker can have an answer to what it is told now.
    fn note(&self, attempt: AttemptId, exchange: &dyn Exchange) {
        let speaker = (exchange.principal(), exchange.secrets());
        self.queue.lock().speakers.insert(attempt, speaker);
    }
}

impl Login for ExchangeDesk {
    fn mechanism(&self) -> &'static str {
        self.name
    }

    fn principal(&self, attempt: AttemptId) -> Option<String> {
        self.queue.lock().speakers.get(&attempt)?.0.clone()
    }

    fn masked(&self, attempt: AttemptId, words: &str) -> String {
        let secrets = self.queue.lock().speakers.get(&attempt).map(|(_, secrets)| secrets.clone());
        Mask::of(&secrets.unwrap_or_default()).said(words)
    }

    fn ask(&self, attempt: AttemptId, asked: Asked) {
        let mut queue = self.queue.lock();
        if asked == Asked::End {
            queue.asked.retain(|(waiting, _)| *waiting != attempt);
        }
        queue.asked.push_back((attempt, asked));
        drop(queue);
        self.changed.notify_all();
    }
}

impl Work for ExchangeDesk {
    fn run(&self) {
        let mut exchanges: BTreeMap<AttemptId, Box<dyn Exchange>> = BTreeMap::new();
        while let Some((attempt, asked)) = self.next() {
            let reply = match asked {
                Asked::Start { host } => {
                    let (exchange, reply) = self.begin(&host);
                    if let Some(exchange) = &exchange {
                        self.note(attempt, exchange.as_ref());
                    }
                    exchanges.extend(exchange.map(|exchange| (attempt, exchange)));
                    reply
                }
                Asked::Challenge(bytes) => match exchanges.get_mut(&attempt) {
                    Some(exchange) => {
                        let reply = guarded(|| stepped(exchange.as_mut(), &bytes)).unwrap_or_else(|reply| reply);
                        self.note(attempt, exchange.as_ref());
                        reply
                    }
                    None => not_begun(),
                },
                // The next exchange takes the credentials of its moment anyway.
                Asked::Refused => continue,
                Asked::End => {
                    self.queue.lock().speakers.remove(&attempt);
                    exchanges.remove(&attempt);
                    continue;
                }
            };
            (self.answer)(attempt, reply);
        }
    }

    fn end(&self) {
        self.queue.lock().is_over = true;
        self.changed.notify_all();
    }
}

/// The first message as a reply.
pub(super) fn started(exchange: &mut dyn Exchange) -> Reply {
    match exchange.start() {
        Ok(bytes) => Reply::Send(bytes),
        Err(refusal) => Reply::Failed(refusal),
    }
}

/// The answer to a challenge as a reply.
pub(super) fn stepped(exchange: &mut dyn Exchange, challenge: &[u8]) -> Reply {
    match exchange.step(challenge) {
        Ok(Step::Send(bytes)) => Reply::Send(bytes),
        Ok(Step::Done) => Reply::Done,
        Err(refusal) => Reply::Failed(refusal),
    }
}

pub(super) fn not_begun() -> Reply {
    Reply::Failed(bug("a SASL exchange that was not begun goes on"))
}

/// A panic in a mechanism costs its exchange, not the thread. Its words are not told: a secret may be among them.
pub(super) fn guarded<R>(code: impl FnOnce() -> R) -> Result<R, Reply> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|_| Reply::Failed(bug("a SASL mechanism met a bug of its own")))
}

fn bug(text: &str) -> Refusal {
    Refusal { status: Status::INTERNAL, text: format!("internal error of the library: {text}"), is_permanent: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::credentials::{Credentials, UserPassword};
    use crate::security::plain::Plain;
    use std::sync::mpsc::{Receiver, channel};
    use std::thread;

    struct Echo;

    impl Mechanism for Echo {
        fn name(&self) -> &'static str {
            "ECHO"
        }

        fn exchange(&mut self, host: &str, now_ms: i64) -> Box<dyn Exchange> {
            Box::new(EchoExchange(format!("{host} {now_ms}")))
        }
    }

    struct EchoExchange(String);

    impl Exchange for EchoExchange {
        fn start(&mut self) -> Result<Vec<u8>, Refusal> {
            if self.0.starts_with("panic") { panic!("on purpose: s3cret") } else { Ok(self.0.clone().into_bytes()) }
        }

        fn step(&mut self, challenge: &[u8]) -> Result<Step, Refusal> {
            match challenge {
                b"" => Ok(Step::Done),
                b"bad" => Err(Refusal::of_exchange("bad")),
                more => Ok(Step::Send(more.to_vec())),
            }
        }
    }

    fn desk() -> (Arc<ExchangeDesk>, Receiver<(AttemptId, Reply)>) {
        let (sender, receiver) = channel();
        let answer = move |attempt, reply| sender.send((attempt, reply)).unwrap();
        (ExchangeDesk::new(Box::new(Echo), Box::new(|| 7), Box::new(answer)), receiver)
    }

    fn attempt(conn: u64) -> AttemptId {
        AttemptId { conn, serial: 0 }
    }

    #[test]
    fn exchanges_are_kept_apart_and_each_question_has_one_answer() {
        let (desk, replies) = desk();
        assert_eq!(desk.mechanism(), "ECHO");
        let worker = thread::spawn({
            let desk = desk.clone();
            move || desk.run()
        });
        let start = |host: &str| Asked::Start { host: host.into() };
        desk.ask(attempt(1), start("a"));
        desk.ask(attempt(2), start("panic"));
        desk.ask(attempt(1), Asked::Challenge(b"x".to_vec()));
        desk.ask(attempt(2), Asked::Challenge(b"x".to_vec()));
        desk.ask(attempt(1), Asked::Challenge(b"bad".to_vec()));
        desk.ask(attempt(1), Asked::Challenge(Vec::new()));
        let next = || replies.recv().unwrap();
        assert_eq!(next(), (attempt(1), Reply::Send(b"a 7".to_vec())));
        let (who, Reply::Failed(refusal)) = next() else { panic!("it failed") };
        assert!(who == attempt(2) && refusal.status == Status::INTERNAL && !refusal.text.contains("s3cret"));
        assert_eq!(next(), (attempt(1), Reply::Send(b"x".to_vec())));
        assert!(matches!(next(), (_, Reply::Failed(_))), "the second one has not begun");
        assert_eq!(next(), (attempt(1), Reply::Failed(Refusal::of_exchange("bad"))));
        assert_eq!(next(), (attempt(1), Reply::Done));
        desk.ask(attempt(1), Asked::End);
        desk.ask(attempt(1), Asked::Challenge(Vec::new()));
        assert!(matches!(next(), (_, Reply::Failed(_))), "it has ended");
        desk.end();
        worker.join().unwrap();
    }

    #[test]
    fn a_broker_that_repeats_the_password_is_not_repeated() {
        let credentials = Arc::new(Credentials::new(UserPassword::new("tim", "tanstaaf").unwrap()));
        let (sender, replies) = channel();
        let answer = move |attempt, reply| sender.send((attempt, reply)).unwrap();
        let desk = ExchangeDesk::new(Box::new(Plain::new(credentials)), Box::new(|| 7), Box::new(answer));
        desk.ask(attempt(1), Asked::Start { host: "a".into() });
        let worker = thread::spawn({
            let desk = desk.clone();
            move || desk.run()
        });
        replies.recv().unwrap();
        assert_eq!(desk.masked(attempt(1), "tim:tanstaaf is wrong"), "tim:*** is wrong");
        desk.end();
        worker.join().unwrap();
    }

    #[test]
    fn what_an_ended_attempt_still_waits_for_is_not_done() {
        let (desk, replies) = desk();
        desk.ask(attempt(1), Asked::Start { host: "a".into() });
        desk.ask(attempt(2), Asked::Start { host: "b".into() });
        desk.ask(attempt(1), Asked::End);
        let worker = thread::spawn({
            let desk = desk.clone();
            move || desk.run()
        });
        assert_eq!(replies.recv().unwrap().0, attempt(2));
        desk.end();
        worker.join().unwrap();
        assert!(replies.try_recv().is_err());
    }
}
