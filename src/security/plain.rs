//! PLAIN (RFC 4616): user and password in one message, readable for everybody on the way unless TLS is around it.

use std::sync::Arc;

use crate::secret::Secret;
use crate::security::credentials::{Credentials, UserPassword};
use crate::security::exchange::{Exchange, Mechanism, Step};
use crate::security::login::Refusal;

pub struct Plain {
    credentials: Arc<Credentials>,
}

impl Plain {
    pub fn new(credentials: Arc<Credentials>) -> Plain {
        Plain { credentials }
    }
}

impl Mechanism for Plain {
    fn name(&self) -> &'static str {
        "PLAIN"
    }

    fn exchange(&mut self, _host: &str, _now_ms: i64) -> Box<dyn Exchange> {
        Box::new(PlainExchange { who: self.credentials.get() })
    }
}

struct PlainExchange {
    who: Arc<UserPassword>,
}

impl Exchange for PlainExchange {
    fn start(&mut self) -> Result<Vec<u8>, Refusal> {
        // No authorization identity before the first NUL: brokers take the user's.
        Ok([b"\0", self.who.username.as_bytes(), b"\0", self.who.password.reveal().as_bytes()].concat())
    }

    fn principal(&self) -> Option<String> {
        Some(self.who.username.clone())
    }

    /// The message as well: of a short password nothing can be found in its base64.
    fn secrets(&self) -> Vec<Secret> {
        let password = &self.who.password;
        vec![password.clone(), Secret::concat(&[&self.who.username, "\0", password.reveal()])]
    }

    /// A broker that is content answers nothing; one that is not, an error, which does not come here.
    fn step(&mut self, challenge: &[u8]) -> Result<Step, Refusal> {
        match challenge {
            [] => Ok(Step::Done),
            _ => Err(Refusal::of_exchange("the broker asks for more than PLAIN has to say: it is no Kafka broker")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_exchange_says_the_credentials_of_its_time() {
        let credentials = Arc::new(Credentials::new(UserPassword::new("tim", "tanstaaftanstaaf").unwrap()));
        let mut plain = Plain::new(credentials.clone());
        let mut first = plain.exchange("broker", 0);
        credentials.set(UserPassword::new("tim", "ü").unwrap());
        assert_eq!(first.start().unwrap(), b"\0tim\0tanstaaftanstaaf");
        assert_eq!(plain.exchange("broker", 0).start().unwrap(), "\0tim\0ü".as_bytes());
        assert_eq!(first.step(b""), Ok(Step::Done));
        assert!(first.step(b"more").is_err());
    }
}
