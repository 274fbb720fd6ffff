//! Who we are, in a run: a login that answers after drawn delays, wrongly or never in drawn cases, and brokers that end the
//! sessions that are not renewed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::random::Random;
use super::{Happening, Sim};
use crate::accumulator::Command;
use crate::error::Status;
use crate::mock::api_key;
use crate::security::login::{Asked, AttemptId, Login, Refusal, Reply};
use crate::sync::Mutex;
use crate::time::{Micros, Time};

const TOKEN: &str = "who we are";

/// Of a run whose brokers want to know who is at the other end. Chances are per mille, per exchange.
#[derive(Clone, Debug, Default)]
pub(super) struct LoginPlan {
    /// How long sessions last; 0 is for ever.
    pub lifetime_ms: u64,
    /// How long the login takes for a message, at most.
    pub delay_us: u64,
    pub wrong: u32,
    /// It has no credentials at the moment.
    pub fails: u32,
    /// And says that there will be none.
    pub lacks: u32,
    pub hangs: u32,
}

impl LoginPlan {
    pub fn draw(random: &mut Random) -> LoginPlan {
        let mut rate = |most: u64| if random.percent(50) { 0 } else { random.between(1, most) as u32 };
        let (wrong, fails, lacks, hangs) = (rate(200), rate(200), rate(100), rate(100));
        LoginPlan {
            lifetime_ms: random.pick(&[0, 150, 400, 1_000, 10_000]),
            delay_us: random.pick(&[0, 100, 5_000, 300_000]),
            wrong,
            fails,
            lacks,
            hangs,
        }
    }
}

/// Notes what it is asked; the run answers.
#[derive(Default)]
struct Noting(Mutex<Vec<(AttemptId, Asked)>>);

impl Login for Noting {
    fn mechanism(&self) -> &'static str {
        "OAUTHBEARER"
    }

    fn ask(&self, attempt: AttemptId, asked: Asked) {
        self.0.lock().push((attempt, asked));
    }
}

/// The login of a run, and what is watched of it.
pub(super) struct Logins {
    login: Arc<Noting>,
    pub plan: LoginPlan,
    /// Of its own: runs without logins draw as before.
    random: Random,
    open: BTreeSet<AttemptId>,
    seen: BTreeSet<AttemptId>,
    /// A broker has let us in: the first request that is neither a greeting nor a login.
    pub let_in_at: Time,
}

impl Sim {
    /// From the start on, brokers let nobody in who does not know the token.
    pub(super) fn demand_logins(&mut self, plan: LoginPlan, seed: u64) {
        let set = self.cluster.set_sasl(Some("OAUTHBEARER"), "", TOKEN, plan.lifetime_ms);
        debug_assert!(set.is_ok(), "the mechanism is known");
        let login = Arc::new(Noting::default());
        self.sender.set_login(login.clone());
        self.logins = Some(Logins {
            login,
            plan,
            random: Random::new(seed),
            open: BTreeSet::new(),
            seen: BTreeSet::new(),
            let_in_at: Time::NEVER,
        });
    }

    /// The login answers what it was asked meanwhile.
    pub(super) fn hear_logins(&mut self) {
        let Some(logins) = &self.logins else { return };
        let asked = std::mem::take(&mut *logins.login.0.lock());
        for (attempt, asked) in asked {
            self.note(60, attempt.conn, attempt.serial.into(), || {
                format!("the login of {attempt:?} is asked {asked:?}")
            });
            let are_over = self.faults.are_over;
            let Some(logins) = &mut self.logins else { return };
            let is_new = matches!(asked, Asked::Start { .. });
            let was_open = if is_new { !logins.seen.insert(attempt) } else { logins.open.contains(&attempt) };
            if is_new == was_open {
                self.fail(format!(
                    "{asked:?} of {attempt:?}, which is {}",
                    if is_new { "not new" } else { "not open" }
                ));
                return;
            }
            let Some(reply) = logins.reply(attempt, &asked, are_over) else { continue };
            let most = if are_over { logins.plan.delay_us.min(5_000) } else { logins.plan.delay_us };
            let delay = Micros(logins.random.below(most + 1));
            self.schedule(self.now + delay, Happening::Login(attempt, reply));
        }
    }

    /// A reply of the login is in the inbox.
    pub(super) fn login_replied(&mut self, attempt: AttemptId, reply: Reply) {
        self.note(61, attempt.conn, attempt.serial.into(), || format!("the login says {reply:?} to {attempt:?}"));
        self.accumulator.inbox.command(Command::Login { attempt, reply });
        self.after_application();
    }

    /// A request is written.
    pub(super) fn note_let_in(&mut self, key: i16) {
        let is_greeting = [api_key::API_VERSIONS, api_key::SASL_HANDSHAKE, api_key::SASL_AUTHENTICATE].contains(&key);
        let now = self.now;
        if let Some(logins) = self.logins.as_mut().filter(|_| !is_greeting) {
            logins.let_in_at = logins.let_in_at.min(now);
        }
    }

    /// Exchanges that nobody has ended, requests that brokers took for those of a stranger.
    pub(super) fn check_logins(&self) -> Option<String> {
        let logins = self.logins.as_ref()?;
        if let Some(attempt) = logins.open.first() {
            return Some(format!("the login was never told of the end of {attempt:?}"));
        }
        let rates = &self.plan.rates;
        let is_legible = rates.response_garbage + rates.response_repeated + rates.response_truncated == 0;
        let denied = self.cluster.denied_requests();
        (denied > 0 && is_legible).then(|| format!("{denied} requests came before their connection was authenticated"))
    }

    /// Whether records may fail for who we are at this time.
    pub(super) fn may_be_refused(&self, at: Time) -> bool {
        self.logins.as_ref().is_some_and(|logins| at <= logins.let_in_at)
    }
}

pub(super) fn is_refusal(status: Status) -> bool {
    [Status::SASL_AUTHENTICATION_FAILED, Status::CREDENTIALS].contains(&status)
}

impl Logins {
    fn reply(&mut self, attempt: AttemptId, asked: &Asked, are_over: bool) -> Option<Reply> {
        let mut draw = |rate: u32| !are_over && self.random.per_mille(rate);
        let refusal = |status, is_permanent| {
            Some(Reply::Failed(Refusal { status, text: "the run wants it".into(), is_permanent }))
        };
        match asked {
            Asked::End => {
                self.open.remove(&attempt);
                None
            }
            Asked::Refused => None,
            // A wrong token is explained first.
            Asked::Challenge(bytes) if !bytes.is_empty() => Some(Reply::Send(vec![1])),
            Asked::Challenge(_) => Some(Reply::Done),
            Asked::Start { .. } => {
                self.open.insert(attempt);
                match () {
                    () if draw(self.plan.hangs) => None,
                    () if draw(self.plan.lacks) => refusal(Status::CREDENTIALS, true),
                    () if draw(self.plan.fails) => refusal(Status::CREDENTIALS, false),
                    () if draw(self.plan.wrong) => Some(Reply::Send(b"n,,\x01auth=Bearer wrong\x01\x01".to_vec())),
                    () => Some(Reply::Send(format!("n,,\u{1}auth=Bearer {TOKEN}\u{1}\u{1}").into_bytes())),
                }
            }
        }
    }
}
