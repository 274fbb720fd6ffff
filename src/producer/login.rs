//! The thread "kp-login" of a producer that authenticates with SASL, and what may be changed of that while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Producer;
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
    /// Whether code of the application runs on it.
    calls_out: Arc<AtomicBool>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl LoginThread {
    /// `None`: security.protocol is without SASL. `getter` is the application's own for tokens; nobody asks it before `start`.
    pub fn new(
        config: &Config,
        accumulator: &Arc<Accumulator>,
        reports: &Arc<Reports>,
        clock: Clock,
        getter: Option<Box<dyn TokenGetter>>,
    ) -> Result<Option<LoginThread>> {
        for text in crate::config::warnings(config, getter.is_some()) {
            reports.log(4, "security", || text);
        }
        if !config.security_protocol.uses_sasl() {
            return Ok(None);
        }
        // Not counts of its own: a callback that never returns must not keep a closed producer's memory.
        let (answers, lines) = (Arc::downgrade(accumulator), Arc::downgrade(reports));
        let calls_out = Arc::new(AtomicBool::new(false));
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
            getter: getter.map(|getter| {
                let (reports, calls_out) = (reports.clone(), calls_out.clone());
                Box::new(Outside { reports, calls_out, getter }) as Box<dyn TokenGetter>
            }),
        };
        let speaker = Speaker::new(&config.sasl, world)?;
        let ended = Arc::new(Ended::default());
        Ok(Some(LoginThread { speaker, ended, calls_out, handle: Mutex::default() }))
    }

    /// The last step of making a producer: from now on code of the application is called.
    pub fn start(&self) -> Result<()> {
        let guard = EndedGuard(self.ended.clone());
        let work = self.speaker.work.clone();
        let handle = start_thread("kp-login", move || {
            let _guard = guard;
            work.run();
        })?;
        *self.handle.lock() = Some(handle);
        Ok(())
    }

    pub fn login(&self) -> Arc<dyn Login> {
        self.speaker.login.clone()
    }

    /// Lets the thread end after what it is at.
    pub fn tell_end(&self) {
        self.speaker.work.end();
    }

    /// Waits for that; false when code of the application has not returned within `timeout`. Who else is asked (an endpoint, a
    /// KDC) has bounds of its own, and touches nothing but what it shares in ownership.
    pub fn end(&self, timeout: Duration) -> bool {
        self.tell_end();
        let Some(handle) = self.handle.lock().take() else {
            return true;
        };
        let mut ended = self.ended.is_over.lock();
        self.ended.changed.wait_while_for(&mut ended, |ended| !*ended, timeout);
        let in_time = *ended;
        drop(ended);
        if in_time {
            // A panic in it has been answered for: its exchanges failed.
            let _ = handle.join();
        }
        in_time || !self.calls_out.load(Ordering::SeqCst)
    }
}

impl Drop for LoginThread {
    /// Where nobody has closed the producer.
    fn drop(&mut self) {
        self.tell_end();
    }
}

/// Code of the application: what it may not do on this thread is refused, as in any callback.
struct Outside {
    reports: Arc<Reports>,
    calls_out: Arc<AtomicBool>,
    getter: Box<dyn TokenGetter>,
}

/// Holds a flag up, also through a panic.
struct Raised<'a>(&'a AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl TokenGetter for Outside {
    fn get(&mut self, now_ms: i64) -> std::result::Result<Token, Refusal> {
        self.calls_out.store(true, Ordering::SeqCst);
        let _raised = Raised(&self.calls_out);
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
