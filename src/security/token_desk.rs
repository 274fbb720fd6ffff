//! The [`Login`] of OAUTHBEARER: one current token, from which every exchange is answered at once, also while the next
//! one is being got. The thread "kp-login" does nothing but get tokens, ahead of their end, so that a slow endpoint
//! holds up nobody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

use crate::config::RefreshSettings;
use crate::error::{Result, Status};
use crate::security::desk::{Answer, WallClock, Work, guarded, not_begun, started, stepped};
use crate::security::exchange::Exchange;
use crate::security::login::{Asked, AttemptId, Login, Refusal, Reply};
use crate::security::mask::Mask;
use crate::security::oauthbearer::{Bearer, check_token};
use crate::security::refresh::{refresh_at_ms, retry_after_ms};
use crate::security::token::{Token, TokenGetter};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Writes a line to the log: syslog's level, and the text.
pub type Tell = Box<dyn Fn(i32, String) + Send + Sync>;

/// The wall clock may be set, and it stands still in the eyes of a wait while the machine sleeps: it is looked at now
/// and then.
const IDLE_MAX: Duration = Duration::from_secs(60);
const WARNING: i32 = 4;
const INFO: i32 = 6;

pub struct TokenDesk {
    state: Mutex<State>,
    changed: Condvar,
    /// `None`: the application pushes tokens.
    getter: Option<Mutex<Box<dyn TokenGetter>>>,
    settings: RefreshSettings,
    /// How long an exchange waits for a token before it is told that there is none.
    patience_ms: i64,
    wall_ms: WallClock,
    answer: Answer,
    tell: Tell,
}

#[derive(Default)]
struct State {
    current: Option<Token>,
    /// When the getter is asked next.
    due_at_ms: i64,
    /// In a row; the last one's words.
    failures: u32,
    failure: Option<Refusal>,
    is_fetching: bool,
    /// Counts tokens that were taken into use.
    number: u64,
    taken_at_ms: i64,
    /// Tokens in a row that brokers refused, the current one included once it was.
    refusals: u32,
    is_refused: bool,
    /// Counts tokens of the application: one that was pushed meanwhile is newer than one that was asked for before.
    pushed: u64,
    /// Who waits for a token, and until when.
    waiting: BTreeMap<AttemptId, i64>,
    /// With the number of the token that is shown in it.
    exchanges: BTreeMap<AttemptId, (u64, Bearer)>,
    /// Whom the exchanges' tokens stand for, where that is known.
    principals: BTreeMap<AttemptId, String>,
    is_over: bool,
}

impl TokenDesk {
    pub fn new(
        getter: Option<Box<dyn TokenGetter>>,
        settings: RefreshSettings,
        patience_ms: u64,
        wall_ms: WallClock,
        answer: Answer,
        tell: Tell,
    ) -> Arc<TokenDesk> {
        let due_at_ms = if getter.is_some() { i64::MIN } else { i64::MAX };
        Arc::new(TokenDesk {
            state: Mutex::new(State { due_at_ms, ..State::default() }),
            changed: Condvar::default(),
            getter: getter.map(Mutex::new),
            settings,
            patience_ms: i64::try_from(patience_ms).unwrap_or(i64::MAX),
            wall_ms,
            answer,
            tell,
        })
    }

    /// Takes a token of the application into use: exchanges from now on show it.
    pub fn set_token(&self, token: Token) -> Result<()> {
        let now_ms = (self.wall_ms)();
        check_token(&token, now_ms)?;
        let mut state = self.state.lock();
        state.pushed += 1;
        let replies = self.take(&mut state, token, now_ms);
        drop(state);
        self.changed.notify_all();
        self.reply(replies);
        Ok(())
    }

    /// The token is the current one from now on; who waited gets his first message.
    fn take(&self, state: &mut State, token: Token, now_ms: i64) -> Vec<(AttemptId, Reply)> {
        state.due_at_ms = match self.getter {
            Some(_) => refresh_at_ms(&self.settings, now_ms, token.expires_at_ms, random()),
            None => i64::MAX,
        };
        (state.failures, state.failure) = (0, None);
        (state.number, state.taken_at_ms, state.is_refused) = (state.number + 1, now_ms, false);
        let waiting = std::mem::take(&mut state.waiting);
        let replies = waiting.into_keys().map(|attempt| (attempt, state.begin(attempt, &token))).collect();
        state.current = Some(token);
        replies
    }

    fn reply(&self, replies: Vec<(AttemptId, Reply)>) {
        for (attempt, reply) in replies {
            (self.answer)(attempt, reply);
        }
    }

    /// What is due by the clock. Answers how long there is nothing to do; `None`: a token is to be got.
    fn turn(&self, state: &mut MutexGuard<'_, State>, replies: &mut Vec<(AttemptId, Reply)>) -> Option<i64> {
        let now_ms = (self.wall_ms)();
        let all = std::mem::take(&mut state.waiting);
        let (late, waiting): (BTreeMap<_, _>, _) = all.into_iter().partition(|(_, until)| *until <= now_ms);
        state.waiting = waiting;
        replies.extend(late.into_keys().map(|attempt| (attempt, Reply::Failed(self.no_token(state)))));
        if state.due_at_ms <= now_ms {
            return None;
        }
        let next_ms = state.waiting.values().copied().chain([state.due_at_ms]).min().unwrap_or(i64::MAX);
        Some(next_ms.saturating_sub(now_ms))
    }

    /// Asks the getter, with no lock held but its own.
    fn fetch(&self, getter: &Mutex<Box<dyn TokenGetter>>) {
        let pushed = {
            let mut state = self.state.lock();
            state.is_fetching = true;
            state.pushed
        };
        let asked_at_ms = (self.wall_ms)();
        let got = guarded(|| getter.lock().get(asked_at_ms)).unwrap_or_else(|reply| match reply {
            Reply::Failed(refusal) => Err(refusal),
            Reply::Send(_) | Reply::Done => Err(nobody_has_set_one()),
        });
        let now_ms = (self.wall_ms)();
        let got = got.and_then(|token| match check_token(&token, now_ms) {
            Ok(()) => Ok(token),
            Err(why) => Err(Refusal {
                status: Status::CREDENTIALS,
                text: format!("the token that was got is of no use: {}", why.message),
                is_permanent: false,
            }),
        });
        let mut state = self.state.lock();
        state.is_fetching = false;
        if state.pushed != pushed {
            return;
        }
        let replies = match got {
            Ok(token) => {
                let recovered = state.failures > 0;
                let replies = self.take(&mut state, token, now_ms);
                drop(state);
                if recovered {
                    (self.tell)(INFO, "a token for OAUTHBEARER was got after all".to_owned());
                }
                replies
            }
            Err(refusal) => {
                let line = self.note_failure(&mut state, &refusal, now_ms);
                let waiting = match state.has_valid(now_ms) {
                    true => BTreeMap::new(),
                    false => std::mem::take(&mut state.waiting),
                };
                drop(state);
                if let Some(line) = line {
                    (self.tell)(WARNING, line);
                }
                waiting.into_keys().map(|attempt| (attempt, Reply::Failed(refusal.clone()))).collect()
            }
        };
        self.reply(replies);
    }

    /// Plans the next attempt. A line for the log, when there is news: the first failure in a row, and each after which
    /// there is no token left.
    fn note_failure(&self, state: &mut State, refusal: &Refusal, now_ms: i64) -> Option<String> {
        state.failures = state.failures.saturating_add(1);
        let retry_ms = retry_after_ms(&self.settings, state.failures, random());
        state.due_at_ms = now_ms.saturating_add(retry_ms);
        let is_news = state.failure.as_ref() != Some(refusal);
        state.failure = Some(refusal.clone());
        let left_ms = state.current.as_ref().map_or(0, |token| token.expires_at_ms.saturating_sub(now_ms).max(0));
        let left = match left_ms {
            0 => "there is none that is good".to_owned(),
            _ => format!("the current one is good for {} s more", left_ms / 1000),
        };
        is_news.then(|| {
            format!("no new token for OAUTHBEARER: {}; {left}; it is tried again in {retry_ms} ms", refusal.text)
        })
    }

    /// A broker does not believe the token: it may have been revoked, or its key replaced. The getter may have a better
    /// one long before this one ends; it is asked at most once per back-off.
    fn note_refusal(&self, state: &mut State, number: u64) {
        if state.number != number || state.is_refused || self.getter.is_none() {
            return;
        }
        state.is_refused = true;
        state.refusals = state.refusals.saturating_add(1);
        let retry_ms = retry_after_ms(&self.settings, state.refusals, random());
        state.due_at_ms = state.due_at_ms.min(state.taken_at_ms.saturating_add(retry_ms));
    }

    fn no_token(&self, state: &State) -> Refusal {
        if let Some(failure) = &state.failure {
            return failure.clone();
        }
        match self.getter {
            Some(_) => Refusal {
                status: Status::CREDENTIALS,
                text: "the token for OAUTHBEARER has not come yet: its callback or endpoint takes its time".to_owned(),
                is_permanent: false,
            },
            None => nobody_has_set_one(),
        }
    }
}

fn nobody_has_set_one() -> Refusal {
    Refusal {
        status: Status::CREDENTIALS,
        text:
            "there is no token for OAUTHBEARER that is good: set one with producer_set_oauth_token, or a function with \
               producer_config_set_oauth_token_callback, or sasl.oauthbearer.token.endpoint.url"
                .to_owned(),
        is_permanent: false,
    }
}

/// Spreads clients over time; no secret depends on it, so that a system without random numbers does no harm.
fn random() -> u64 {
    let mut bytes = [0; 8];
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

impl State {
    fn has_valid(&self, now_ms: i64) -> bool {
        self.current.as_ref().is_some_and(|token| token.expires_at_ms > now_ms)
    }

    fn begin(&mut self, attempt: AttemptId, token: &Token) -> Reply {
        let mut exchange = Bearer::new(token);
        let reply = started(&mut exchange);
        self.exchanges.insert(attempt, (self.number, exchange));
        if !token.principal.is_empty() {
            self.principals.insert(attempt, token.principal.clone());
        }
        reply
    }
}

impl Login for TokenDesk {
    fn mechanism(&self) -> &'static str {
        "OAUTHBEARER"
    }

    fn principal(&self, attempt: AttemptId) -> Option<String> {
        self.state.lock().principals.get(&attempt).cloned()
    }

    fn masked(&self, attempt: AttemptId, words: &str) -> String {
        let secrets = self.state.lock().exchanges.get(&attempt).map(|(_, exchange)| exchange.secrets());
        Mask::of(&secrets.unwrap_or_default()).said(words)
    }

    fn ask(&self, attempt: AttemptId, asked: Asked) {
        let mut state = self.state.lock();
        let reply = match asked {
            Asked::Start { .. } => {
                let now_ms = (self.wall_ms)();
                match state.current.clone().filter(|token| token.expires_at_ms > now_ms) {
                    Some(token) => state.begin(attempt, &token),
                    // Between two attempts to get one there is nothing to wait for.
                    None if state.failure.is_some() && !state.is_fetching && state.due_at_ms > now_ms => {
                        Reply::Failed(self.no_token(&state))
                    }
                    None => {
                        state.waiting.insert(attempt, now_ms.saturating_add(self.patience_ms));
                        if self.getter.is_some() && !state.is_fetching {
                            state.due_at_ms = state.due_at_ms.min(now_ms);
                        }
                        drop(state);
                        self.changed.notify_all();
                        return;
                    }
                }
            }
            Asked::Challenge(bytes) => match state.exchanges.get_mut(&attempt) {
                Some((number, exchange)) => {
                    let (number, reply) = (*number, stepped(exchange, &bytes));
                    if reply == Reply::Done && number == state.number {
                        state.refusals = 0;
                    }
                    reply
                }
                None => not_begun(),
            },
            Asked::Refused => {
                if let Some((number, _)) = state.exchanges.get(&attempt) {
                    let number = *number;
                    self.note_refusal(&mut state, number);
                    drop(state);
                    self.changed.notify_all();
                }
                return;
            }
            Asked::End => {
                state.exchanges.remove(&attempt);
                state.principals.remove(&attempt);
                state.waiting.remove(&attempt);
                return;
            }
        };
        drop(state);
        (self.answer)(attempt, reply);
    }
}

impl Work for TokenDesk {
    fn run(&self) {
        loop {
            let mut replies = Vec::new();
            let mut state = self.state.lock();
            if state.is_over {
                return;
            }
            let idle_ms = self.turn(&mut state, &mut replies);
            if replies.is_empty()
                && let Some(idle_ms) = idle_ms
            {
                let idle = Duration::from_millis(idle_ms.unsigned_abs().max(1)).min(IDLE_MAX);
                self.changed.wait_for(&mut state, idle);
                continue;
            }
            drop(state);
            self.reply(replies);
            if idle_ms.is_none()
                && let Some(getter) = &self.getter
            {
                self.fetch(getter);
            }
        }
    }

    fn end(&self) {
        self.state.lock().is_over = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
#[path = "token_desk_tests.rs"]
mod tests;
