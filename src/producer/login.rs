//! The thread "kp-login" of a producer that authenticates with SASL, and what may be changed of that while it runs.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::Producer;
use super::close::LAST_TURN;
use crate::accumulator::{Accumulator, Command};
use crate::config::Config;
use crate::error::{Error, Result, Status};
use crate::io::{Clock, start_thread};
use crate::reports::Reports;
use crate::security::factory::{Speaker, World};
use crate::security::login::{Login, Refusal};
use crate::security::token::{Token, TokenGetter};
use crate::sync::{Condvar, Mutex};

/// A producer's login with its thread, which ends with it.
pub(super) struct LoginThread {
    speaker: Speaker,
    ended: Arc<Ended>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl LoginThread {
    /// `None`: security.protocol is without SASL. `getter` is the application's own for tokens.
    pub fn start(
        config: &Config,
        accumulator: &Arc<Accumulator>,
        reports: &Arc<Reports>,
        clock: Clock,
        getter: Option<Box<dyn TokenGetter>>,
    ) -> Result<Option<LoginThread>> {
        if let Some(text) = crate::config::without_effect(config) {
            reports.log(4, "security", || text);
        }
        if !config.security_protocol.uses_sasl() {
            return Ok(None);
        }
        // Not counts of its own: a callback that never returns must not keep a closed producer's memory.
        let (answers, lines) = (Arc::downgrade(accumulator), Arc::downgrade(reports));
        let world = World {
            wall_ms: Box::new(move || clock.wall_ms()),
            answer: Box::new(move |attempt, reply| {
                if let Some(accumulator) = answers.upgrade() {
                    accumulator.inbox.command(Command::Login { attempt, reply });
                }
            }),
            tell: Box::new(move |level, text| {
                if let Some(reports) = lines.upgrade() {
                    reports.log(level, "security", || text);
                }
            }),
            // So that there is time left to say why.
            patience_ms: config.socket_connection_setup_timeout_ms / 2,
            getter: getter.map(|getter| Box::new(Outside { reports: reports.clone(), getter }) as Box<dyn TokenGetter>),
        };
        let speaker = Speaker::new(&config.sasl, world)?;
        let ended = Arc::new(Ended::default());
        let guard = EndedGuard(ended.clone());
        let work = speaker.work.clone();
        let handle = start_thread("kp-login", move || {
            let _guard = guard;
            work.run();
        })?;
        Ok(Some(LoginThread { speaker, ended, handle: Mutex::new(Some(handle)) }))
    }

    pub fn login(&self) -> Arc<dyn Login> {
        self.speaker.login.clone()
    }

    /// Ends the thread after what it is at; false when that takes longer than `timeout`.
    pub fn end(&self, timeout: Duration) -> bool {
        self.speaker.work.end();
        let mut ended = self.ended.is_over.lock();
        self.ended.changed.wait_while_for(&mut ended, |ended| !*ended, timeout);
        let in_time = *ended;
        drop(ended);
        let handle = self.handle.lock().take();
        if in_time && let Some(handle) = handle {
            // A panic in it has been answered for: its exchanges failed.
            let _ = handle.join();
        }
        in_time
    }
}

impl Drop for LoginThread {
    /// Where the producer did not come about: nothing of the application is called after that has been said.
    fn drop(&mut self) {
        if self.handle.lock().is_some() {
            self.end(LAST_TURN);
        }
    }
}

/// Code of the application: what it may not do on this thread is refused, as in any callback.
struct Outside {
    reports: Arc<Reports>,
    getter: Box<dyn TokenGetter>,
}

impl TokenGetter for Outside {
    fn get(&mut self, now_ms: i64) -> std::result::Result<Token, Refusal> {
        self.reports.call_out(|| self.getter.get(now_ms))
    }
}

#[derive(Default)]
struct Ended {
    is_over: Mutex<bool>,
    changed: Condvar,
}

struct EndedGuard(Arc<Ended>);

impl Drop for EndedGuard {
    fn drop(&mut self) {
        *self.0.is_over.lock() = true;
        self.0.changed.notify_all();
    }
}

impl Producer {
    /// New connections and re-authentications use this user and password.
    pub fn set_sasl_credentials(&self, username: &str, password: &str) -> Result<()> {
        self.speaker()?.set_credentials(username, password)?;
        self.accumulator.inbox.command(Command::CredentialsChanged);
        Ok(())
    }

    /// New connections and re-authentications show this token.
    pub fn set_oauth_token(&self, token: Token) -> Result<()> {
        self.speaker()?.set_token(token)?;
        self.accumulator.inbox.command(Command::CredentialsChanged);
        Ok(())
    }

    fn speaker(&self) -> Result<&Speaker> {
        if let Some(fatal) = self.accumulator.fatal() {
            return Err(fatal.clone());
        }
        self.login.as_ref().map(|login| &login.speaker).ok_or_else(|| {
            let text =
                "security.protocol is without SASL, so there are no credentials: set it to SASL_SSL or SASL_PLAINTEXT";
            Error::new(Status::CONFIG_CONFLICT, text)
        })
    }
}
