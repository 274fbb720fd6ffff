//! From what is configured to somebody who speaks the mechanism.

use std::sync::Arc;

use crate::config::{SaslMechanism, SaslSettings};
use crate::error::{Error, Result, Status};
use crate::security::credentials::{Credentials, UserPassword};
use crate::security::desk::{Answer, ExchangeDesk, WallClock, Work};
use crate::security::exchange::Mechanism;
use crate::security::login::Login;
use crate::security::plain::Plain;
use crate::security::scram::{Hash, Scram};
use crate::security::sources::{machine_mechanism, token_getter};
use crate::security::token::{Token, TokenGetter};
use crate::security::token_desk::{Tell, TokenDesk};

/// A producer's login, as those know it who may change something in it.
pub struct Speaker {
    /// Whom the sender asks.
    pub login: Arc<dyn Login>,
    /// What the thread "kp-login" does.
    pub work: Arc<dyn Work>,
    changes: Changes,
}

/// What may be changed while the producer runs.
enum Changes {
    Password(Arc<Credentials>),
    Token(Arc<TokenDesk>),
    Nothing,
}

/// What the world gives to a login.
pub struct World {
    pub wall_ms: WallClock,
    pub answer: Answer,
    pub tell: Tell,
    /// How long an exchange may wait for a token.
    pub patience_ms: u64,
    /// The application's own, from its callback.
    pub getter: Option<Box<dyn TokenGetter>>,
}

impl Speaker {
    pub fn new(settings: &SaslSettings, world: World) -> Result<Speaker> {
        let mechanism: Box<dyn Mechanism> = match settings.mechanism {
            SaslMechanism::Plain => {
                let credentials = credentials_of(settings)?;
                return Ok(Speaker::with_password(Box::new(Plain::new(credentials.clone())), credentials, world));
            }
            SaslMechanism::ScramSha256 => return Speaker::scram(Hash::Sha256, settings, world),
            SaslMechanism::ScramSha512 => return Speaker::scram(Hash::Sha512, settings, world),
            SaslMechanism::OauthBearer => return Speaker::of_tokens(settings, world),
            SaslMechanism::AwsMskIam | SaslMechanism::Gssapi => machine_mechanism(settings).ok_or_else(|| {
                let text = format!("sasl.mechanism={} has nobody who speaks it", settings.mechanism.name());
                Error::new(Status::INTERNAL, text)
            })?,
        };
        let desk = ExchangeDesk::new(mechanism, world.wall_ms, world.answer);
        Ok(Speaker { login: desk.clone(), work: desk, changes: Changes::Nothing })
    }

    fn scram(hash: Hash, settings: &SaslSettings, world: World) -> Result<Speaker> {
        let credentials = credentials_of(settings)?;
        let scram = Scram::new(hash, credentials.clone(), settings.token_auth);
        Ok(Speaker::with_password(Box::new(scram), credentials, world))
    }

    fn with_password(mechanism: Box<dyn Mechanism>, credentials: Arc<Credentials>, world: World) -> Speaker {
        let desk = ExchangeDesk::new(mechanism, world.wall_ms, world.answer);
        Speaker { login: desk.clone(), work: desk, changes: Changes::Password(credentials) }
    }

    fn of_tokens(settings: &SaslSettings, world: World) -> Result<Speaker> {
        let getter = match (token_getter(settings)?, world.getter) {
            (None, getter) | (getter, None) => getter,
            (Some(_), Some(_)) => {
                let text = "a token callback is set, and properties that say where tokens come from (a token endpoint, AWS, \
                            unsigned tokens): remove one of the two";
                return Err(Error::new(Status::CONFIG_CONFLICT, text));
            }
        };
        let refresh = settings.refresh.clone();
        let desk = TokenDesk::new(getter, refresh, world.patience_ms, world.wall_ms, world.answer, world.tell);
        Ok(Speaker { login: desk.clone(), work: desk.clone(), changes: Changes::Token(desk) })
    }

    /// Exchanges that begin from now on are made with these.
    pub fn set_credentials(&self, username: &str, password: &str) -> Result<()> {
        let Changes::Password(credentials) = &self.changes else {
            return Err(self.not_by("user and password", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"));
        };
        credentials.set(UserPassword::new(username, password)?);
        Ok(())
    }

    /// Exchanges that begin from now on show this one.
    pub fn set_token(&self, token: Token) -> Result<()> {
        let Changes::Token(desk) = &self.changes else {
            return Err(self.not_by("a token", "OAUTHBEARER"));
        };
        desk.set_token(token)
    }

    fn not_by(&self, what: &str, needs: &str) -> Error {
        let is = self.login.mechanism();
        let text = format!("sasl.mechanism={is} does not authenticate by {what}: that needs {needs}");
        Error::new(Status::CONFIG_CONFLICT, text)
    }
}

fn credentials_of(settings: &SaslSettings) -> Result<Arc<Credentials>> {
    let pair = UserPassword::new(&settings.username, settings.password.reveal()).map_err(|error| {
        // Here they come from properties.
        Error::new(Status::INVALID_PROPERTY, format!("property 'sasl.{}", error.message.replacen(' ', "' ", 1)))
    })?;
    Ok(Arc::new(Credentials::new(pair)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_no_mechanism_carries_are_named_by_their_property() {
        let settings = SaslSettings { username: "u".into(), password: "s3cret\0".into(), ..SaslSettings::default() };
        let error = credentials_of(&settings).unwrap_err();
        assert_eq!(error.status, Status::INVALID_PROPERTY);
        assert!(error.message.starts_with("property 'sasl.password' holds a NUL"), "{error}");
        assert!(!error.message.contains("s3cret"), "{error}");
    }
}
