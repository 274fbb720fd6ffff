//! A virtual clock: nobody waits, the thread's turns are taken by hand.

use super::*;
use crate::secret::Secret;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};

type Got = std::result::Result<Token, Refusal>;

/// Gives what was put there for it; the moments at which it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Got>>,
    asked_at: Mutex<Vec<i64>>,
}

struct Scripted(Arc<Script>);

impl TokenGetter for Scripted {
    fn get(&mut self, now_ms: i64) -> Got {
        self.0.asked_at.lock().push(now_ms);
        self.0.answers.lock().pop_front().expect("an answer was prepared")
    }
}

struct Scene {
    desk: Arc<TokenDesk>,
    clock: Arc<AtomicI64>,
    script: Arc<Script>,
    replies: Arc<Mutex<Vec<(AttemptId, Reply)>>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    fn new(with_getter: bool) -> Scene {
        let clock = Arc::new(AtomicI64::new(0));
        let (script, replies, lines) = (Arc::<Script>::default(), Arc::<Mutex<Vec<_>>>::default(), Arc::default());
        let getter = with_getter.then(|| Box::new(Scripted(script.clone())) as Box<dyn TokenGetter>);
        let settings = RefreshSettings { window_jitter_permille: 0, ..RefreshSettings::default() };
        let (now, into, told) = (clock.clone(), replies.clone(), Arc::<Mutex<Vec<String>>>::clone(&lines));
        let desk = TokenDesk::new(
            getter,
            settings,
            2_500,
            Box::new(move || now.load(Ordering::SeqCst)),
            Box::new(move |attempt, reply| into.lock().push((attempt, reply))),
            Box::new(move |_, line| told.lock().push(line)),
        );
        Scene { desk, clock, script, replies, lines }
    }

    fn will(&self, got: Got) {
        self.script.answers.lock().push_back(got);
    }

    /// Lets the thread do what is due at this moment; answers how long it would sleep.
    fn at(&self, now_ms: i64) -> i64 {
        self.clock.store(now_ms, Ordering::SeqCst);
        loop {
            let mut replies = Vec::new();
            let idle = {
                let mut state = self.desk.state.lock();
                self.desk.turn(&mut state, &mut replies)
            };
            self.desk.reply(replies);
            match idle {
                Some(idle_ms) => return idle_ms,
                None => self.desk.fetch(self.desk.getter.as_ref().expect("only a getter is due")),
            }
        }
    }

    fn start(&self, conn: u64) {
        self.desk.ask(attempt(conn), Asked::Start { host: "broker".into() });
    }

    /// What was replied since the last look, in words.
    fn replied(&self) -> Vec<String> {
        let words = |(attempt, reply): (AttemptId, Reply)| match reply {
            Reply::Send(bytes) => {
                format!("{} sends {}", attempt.conn, String::from_utf8_lossy(&bytes).replace('\x01', "|"))
            }
            Reply::Done => format!("{} is done", attempt.conn),
            Reply::Failed(refusal) => format!("{} failed: {}", attempt.conn, refusal.text),
        };
        std::mem::take(&mut *self.replies.lock()).into_iter().map(words).collect()
    }
}

fn attempt(conn: u64) -> AttemptId {
    AttemptId { conn, serial: 0 }
}

fn token(value: &str, expires_at_ms: i64) -> Token {
    Token { value: Secret::from(value), expires_at_ms, principal: String::new(), extensions: Vec::new() }
}

fn refusal(text: &str) -> Refusal {
    Refusal { status: Status::CREDENTIALS, text: text.into(), is_permanent: false }
}

#[test]
fn the_first_token_is_got_before_anybody_asks_and_the_next_ahead_of_its_end() {
    let scene = Scene::new(true);
    scene.will(Ok(token("one", 10_000)));
    assert_eq!(scene.at(0), 8_000);
    scene.start(1);
    assert_eq!(scene.replied(), ["1 sends n,,|auth=Bearer one||"]);
    scene.desk.ask(attempt(1), Asked::Challenge(Vec::new()));
    assert_eq!(scene.replied(), ["1 is done"]);
    scene.will(Ok(token("two", 20_000)));
    assert_eq!(scene.at(8_000), 9_600, "0.8 of the twelve seconds left");
    scene.start(2);
    assert_eq!(scene.replied(), ["2 sends n,,|auth=Bearer two||"]);
    assert_eq!(*scene.script.asked_at.lock(), [0, 8_000]);
    assert!(scene.lines.lock().is_empty(), "nothing to tell");
}

#[test]
fn while_the_old_token_lives_failures_harm_nobody_and_are_tried_again() {
    let scene = Scene::new(true);
    scene.will(Ok(token("one", 10_000)));
    scene.at(0);
    scene.will(Err(refusal("the endpoint is away")));
    let idle_ms = scene.at(8_000);
    assert!((50..=100).contains(&idle_ms), "{idle_ms}");
    scene.start(1);
    assert_eq!(scene.replied(), ["1 sends n,,|auth=Bearer one||"]);
    scene.will(Err(refusal("the endpoint is away")));
    let idle_ms = scene.at(8_100);
    assert!((100..=200).contains(&idle_ms), "{idle_ms}");
    scene.will(Ok(token("two", 18_000)));
    scene.at(8_300);
    scene.start(2);
    assert_eq!(scene.replied(), ["2 sends n,,|auth=Bearer two||"]);
    let lines = scene.lines.lock();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("the endpoint is away") && lines[0].contains("good for 2 s more"), "{lines:?}");
}

#[test]
fn who_asks_before_there_is_a_token_waits_for_it_and_hears_why_there_is_none() {
    let scene = Scene::new(true);
    scene.start(1);
    assert!(scene.replied().is_empty());
    scene.will(Err(refusal("no right")));
    scene.at(0);
    assert_eq!(scene.replied(), ["1 failed: no right"]);
    scene.start(2);
    assert_eq!(scene.replied(), ["2 failed: no right"], "between two attempts there is nothing to wait for");
    scene.will(Ok(token("one", 10_000)));
    scene.clock.store(100, Ordering::SeqCst);
    scene.start(3);
    assert!(scene.replied().is_empty(), "the next attempt is due");
    scene.at(100);
    assert_eq!(scene.replied(), ["3 sends n,,|auth=Bearer one||"]);
}

#[test]
fn an_expired_token_is_not_shown_and_a_new_one_is_got_at_once() {
    let scene = Scene::new(true);
    scene.will(Ok(token("one", 10_000)));
    scene.at(0);
    // The machine slept.
    scene.clock.store(50_000, Ordering::SeqCst);
    scene.start(1);
    assert!(scene.replied().is_empty());
    scene.will(Ok(token("two", 60_000)));
    scene.at(50_000);
    assert_eq!(scene.replied(), ["1 sends n,,|auth=Bearer two||"]);
}

#[test]
fn a_token_that_is_of_no_use_is_a_failure_with_its_reason() {
    let scene = Scene::new(true);
    scene.start(1);
    scene.will(Ok(token("s3cret token", 10_000)));
    scene.at(0);
    let replied = scene.replied();
    assert!(replied[0].contains("the token that was got is of no use: token holds white space"), "{replied:?}");
    scene.will(Ok(token("old", 100)));
    scene.at(100);
    let lines = scene.lines.lock();
    assert!(lines[1].contains("has been expired for 0 s"), "{lines:?}");
    assert!(!lines.iter().chain(&replied).any(|line| line.contains("s3cret")));
}

#[test]
fn a_token_that_the_application_sets_serves_who_waits() {
    let scene = Scene::new(false);
    assert_eq!(scene.at(0), i64::MAX);
    scene.start(1);
    scene.start(2);
    assert_eq!(scene.at(0), 2_500);
    scene.desk.ask(attempt(2), Asked::End);
    scene.desk.set_token(token("pushed", 5_000)).unwrap();
    assert_eq!(scene.replied(), ["1 sends n,,|auth=Bearer pushed||"], "who has gone gets nothing");
    assert!(scene.desk.set_token(token("old", 0)).unwrap_err().message.contains("expired"));
    scene.clock.store(6_000, Ordering::SeqCst);
    scene.start(3);
    assert_eq!(scene.at(6_000), 2_500);
    scene.at(8_500);
    let replied = scene.replied();
    assert!(replied[0].contains("3 failed: there is no token") && replied[0].contains("producer_set_oauth_token"));
}

#[test]
fn what_was_asked_for_before_a_token_was_set_does_not_replace_it() {
    struct Pushing(Arc<Mutex<Option<Arc<TokenDesk>>>>);
    impl TokenGetter for Pushing {
        fn get(&mut self, _now_ms: i64) -> Got {
            let desk = self.0.lock().clone().expect("it is there");
            desk.set_token(token("pushed", 9_000)).unwrap();
            Ok(token("older", 9_000))
        }
    }
    let (slot, replies) = (Arc::<Mutex<Option<Arc<TokenDesk>>>>::default(), Arc::<Mutex<Vec<Reply>>>::default());
    let into = replies.clone();
    let desk = TokenDesk::new(
        Some(Box::new(Pushing(slot.clone()))),
        RefreshSettings::default(),
        2_500,
        Box::new(|| 0),
        Box::new(move |_, reply| into.lock().push(reply)),
        Box::new(|_, _| {}),
    );
    *slot.lock() = Some(desk.clone());
    desk.fetch(desk.getter.as_ref().unwrap());
    desk.ask(attempt(1), Asked::Start { host: String::new() });
    assert_eq!(*replies.lock(), [Reply::Send(b"n,,\x01auth=Bearer pushed\x01\x01".to_vec())]);
    slot.lock().take();
}

#[test]
fn a_getter_that_panics_is_a_failure_and_its_words_are_kept_back() {
    struct Panics;
    impl TokenGetter for Panics {
        fn get(&mut self, _now_ms: i64) -> Got {
            panic!("on purpose: s3cret")
        }
    }
    let replies = Arc::<Mutex<Vec<Reply>>>::default();
    let into = replies.clone();
    let desk = TokenDesk::new(
        Some(Box::new(Panics)),
        RefreshSettings::default(),
        2_500,
        Box::new(|| 0),
        Box::new(move |_, reply| into.lock().push(reply)),
        Box::new(|_, _| {}),
    );
    desk.ask(attempt(1), Asked::Start { host: String::new() });
    desk.fetch(desk.getter.as_ref().unwrap());
    let replies = replies.lock();
    let Some(Reply::Failed(refusal)) = replies.first() else { panic!("{replies:?}") };
    assert!(refusal.status == Status::INTERNAL && !refusal.text.contains("s3cret"));
}

#[test]
fn the_thread_ends_when_it_is_told_also_while_it_waits() {
    let scene = Scene::new(false);
    let desk = scene.desk.clone();
    let thread = std::thread::spawn(move || desk.run());
    scene.desk.end();
    thread.join().unwrap();
}

#[test]
fn a_token_that_a_broker_refuses_is_replaced_at_once_but_not_in_a_loop() {
    let scene = Scene::new(true);
    scene.will(Ok(token("revoked", i64::MAX)));
    assert_eq!(scene.at(0), i64::MAX);
    for conn in [1, 2] {
        scene.start(conn);
    }
    let refuse = |conn: u64| {
        scene.desk.ask(attempt(conn), Asked::Refused);
        scene.desk.ask(attempt(conn), Asked::End);
    };
    scene.clock.store(5_000, Ordering::SeqCst);
    refuse(1);
    scene.will(Ok(token("still-bad", 1_000_000)));
    scene.at(5_000);
    assert_eq!(*scene.script.asked_at.lock(), [0, 5_000]);
    // The second one had shown the old token: that says nothing about the new one.
    refuse(2);
    let idle_ms = scene.at(5_001);
    assert!(idle_ms > 10_000, "{idle_ms}");
    // A new token that is refused again is replaced after a back-off that grows.
    scene.start(3);
    refuse(3);
    scene.will(Ok(token("good", 1_000_000)));
    let idle_ms = scene.at(5_010);
    assert!((1..=200).contains(&idle_ms), "{idle_ms}");
    scene.at(5_010 + idle_ms);
    assert_eq!(scene.script.asked_at.lock().len(), 3);
    scene.start(4);
    scene.desk.ask(attempt(4), Asked::Challenge(Vec::new()));
    assert_eq!(scene.replied().last().unwrap(), "4 is done");
    assert_eq!(scene.desk.state.lock().refusals, 0);
}
