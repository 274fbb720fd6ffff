//! User and password of PLAIN and SCRAM; they may change while the producer runs.

use std::sync::Arc;

use crate::error::{Error, Result, Status};
use crate::secret::Secret;
use crate::security::login::Refusal;
use crate::sync::Mutex;

/// Longest user name or password, in bytes; brokers do not take half as much.
const CREDENTIAL_MAX: usize = 65_536;

/// What one exchange is made with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserPassword {
    pub username: String,
    pub password: Secret,
}

impl UserPassword {
    /// Refuses what no mechanism can carry.
    pub fn new(username: &str, password: &str) -> Result<UserPassword> {
        for (name, value) in [("username", username), ("password", password)] {
            let wrong = if value.is_empty() {
                "is empty"
            } else if value.contains('\0') {
                "holds a NUL character, which no mechanism can carry"
            } else if value.len() > CREDENTIAL_MAX {
                "is longer than 65536 bytes"
            } else {
                continue;
            };
            return Err(Error::new(Status::INVALID_ARGUMENT, format!("{name} {wrong}: give the one the brokers know")));
        }
        Ok(UserPassword { username: username.to_owned(), password: Secret::from(password) })
    }
}

/// Shared by the application, which may change them, and the exchanges, which take those of the moment.
#[derive(Debug)]
pub struct Credentials(Mutex<Arc<UserPassword>>);

impl Credentials {
    pub fn new(first: UserPassword) -> Credentials {
        Credentials(Mutex::new(Arc::new(first)))
    }

    /// Exchanges that begin from now on take these.
    pub fn set(&self, new: UserPassword) {
        *self.0.lock() = Arc::new(new);
    }

    pub fn get(&self) -> Arc<UserPassword> {
        self.0.lock().clone()
    }
}

impl Refusal {
    /// An exchange that cannot end well, whoever is asked again.
    pub fn of_exchange(text: impl Into<String>) -> Refusal {
        Refusal { status: Status::SASL_AUTHENTICATION_FAILED, text: text.into(), is_permanent: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_mechanism_can_carry_is_refused_without_being_shown() {
        for (user, password, says) in [
            ("", "s3cret", "username is empty"),
            ("u", "", "password is empty"),
            ("u\0v", "s3cret", "username holds a NUL"),
            ("u", "s3cret\0", "password holds a NUL"),
            ("u", &"s3cret".repeat(11_000), "password is longer than 65536 bytes"),
        ] {
            let error = UserPassword::new(user, password).unwrap_err();
            assert_eq!(error.status, Status::INVALID_ARGUMENT);
            assert!(error.message.contains(says) && !error.message.contains("s3cret"), "{error}");
        }
        let credentials = Credentials::new(UserPassword::new("u", "s3cret").unwrap());
        let before = credentials.get();
        credentials.set(UserPassword::new("u", "new").unwrap());
        assert_eq!((before.password.reveal(), credentials.get().password.reveal()), ("s3cret", "new"));
        assert!(!format!("{before:?}").contains("s3cret"));
    }
}
