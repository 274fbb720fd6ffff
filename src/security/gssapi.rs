//! GSSAPI: Kerberos, by the system's own library (RFC 4752). What is known of tickets, key tables and realms is the library's
//! and `krb5.conf`'s; here are the order of the messages and the words for what goes wrong.

use std::sync::Arc;

use crate::config::KerberosSettings;
use crate::error::Status;
use crate::security::exchange::{Exchange, Mechanism, Step};
use crate::security::http::printable;
use crate::security::login::Refusal;

/// The system's library, or a test's.
pub trait Kerberos: Send + Sync {
    /// Begins to talk to a service. Looks for a ticket of the client, and may ask the KDC.
    fn begin(&self, wanted: &Wanted) -> Result<Box<dyn Context>, Trouble>;
}

/// One conversation of the library's.
pub trait Context: Send {
    /// The next message for these bytes of the service (none the first time), and whether that is all.
    fn step(&mut self, token: &[u8]) -> Result<(Vec<u8>, bool), Trouble>;
    /// Checks and opens a message of the service.
    fn unwrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Trouble>;
    /// Protects a message against changes.
    fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Trouble>;
}

/// Whom to talk to, as whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// `kafka@broker.example.com`.
    pub service: String,
    /// Empty: that of the ticket cache or the key table.
    pub principal: String,
    /// Empty: tickets come from the cache.
    pub keytab: String,
}

/// What the library says went wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    pub kind: TroubleKind,
    /// The library's words.
    pub text: String,
}

/// Kinds of trouble with a remedy of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TroubleKind {
    /// The library is not on this system, or lacks a function.
    NoLibrary,
    /// No ticket, one that has expired, or a key table that does not give one.
    NoTicket,
    /// The KDC does not know the broker's service.
    UnknownService,
    /// The KDC cannot be reached or found. It may pass.
    NoKdc,
    /// This machine's clock and the KDC's are too far apart.
    Clock,
    Other,
}

/// The mechanism GSSAPI.
pub struct Gssapi {
    library: Arc<dyn Kerberos>,
    settings: KerberosSettings,
}

impl Gssapi {
    pub fn new(library: Arc<dyn Kerberos>, settings: &KerberosSettings) -> Gssapi {
        Gssapi { library, settings: settings.clone() }
    }
}

impl Mechanism for Gssapi {
    fn name(&self) -> &'static str {
        "GSSAPI"
    }

    fn exchange(&mut self, host: &str, _now_ms: i64) -> Box<dyn Exchange> {
        let wanted = Wanted {
            service: format!("{}@{}", self.settings.service_name, host.trim_end_matches('.')),
            principal: self.settings.principal.clone(),
            keytab: self.settings.keytab.clone(),
        };
        Box::new(GssapiExchange { library: Arc::clone(&self.library), wanted, state: State::New })
    }
}

struct GssapiExchange {
    library: Arc<dyn Kerberos>,
    wanted: Wanted,
    state: State,
}

enum State {
    New,
    /// Proving to each other who they are.
    Context(Box<dyn Context>),
    /// Then the broker offers ways to protect what follows, of which "not at all" is chosen: that is TLS's business.
    Layer(Box<dyn Context>),
    Chosen,
    Over,
}

/// The layers of RFC 4752 as bits of the first byte.
const NO_LAYER: u8 = 1;

impl Exchange for GssapiExchange {
    fn start(&mut self) -> Result<Vec<u8>, Refusal> {
        let mut context = self.library.begin(&self.wanted).map_err(|trouble| self.refusal(&trouble))?;
        let (message, is_complete) = context.step(&[]).map_err(|trouble| self.refusal(&trouble))?;
        self.state = if is_complete { State::Layer(context) } else { State::Context(context) };
        Ok(message)
    }

    fn step(&mut self, challenge: &[u8]) -> Result<Step, Refusal> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Context(mut context) => {
                let (message, is_complete) = context.step(challenge).map_err(|trouble| self.refusal(&trouble))?;
                self.state = if is_complete { State::Layer(context) } else { State::Context(context) };
                // Empty ones are sent as well: they say that it is the broker's turn.
                Ok(Step::Send(message))
            }
            State::Layer(mut context) => {
                let offer = context.unwrap(challenge).map_err(|trouble| self.refusal(&trouble))?;
                let [layers, _, _, _] = offer[..] else {
                    return Err(self.protocol("offers layers of protection in a form that RFC 4752 does not know"));
                };
                if layers & NO_LAYER == 0 {
                    return Err(
                        self.protocol("demands a layer of protection of its own, and Kafka has none; use SASL_SSL")
                    );
                }
                // No layer, no buffer for one, and nobody else to act for.
                let answer = context.wrap(&[NO_LAYER, 0, 0, 0]).map_err(|trouble| self.refusal(&trouble))?;
                self.state = State::Chosen;
                Ok(Step::Send(answer))
            }
            State::Chosen => Ok(Step::Done),
            State::New | State::Over => Err(self.protocol("answers when there was no question")),
        }
    }
}

impl GssapiExchange {
    fn protocol(&self, what: &str) -> Refusal {
        Refusal {
            status: Status::SASL_AUTHENTICATION_FAILED,
            text: format!("the broker {what} (GSSAPI, service {})", self.wanted.service),
            is_permanent: true,
        }
    }

    fn refusal(&self, trouble: &Trouble) -> Refusal {
        let Wanted { service, principal, keytab } = &self.wanted;
        let said = printable(&trouble.text);
        let text = match trouble.kind {
            TroubleKind::NoLibrary => said,
            TroubleKind::NoTicket if keytab.is_empty() => format!(
                "there is no valid Kerberos ticket for {}: {said}; run kinit as the user of this process, or set sasl.kerberos.keytab and sasl.kerberos.principal",
                if principal.is_empty() { "this process" } else { principal }
            ),
            TroubleKind::NoTicket => format!(
                "the key table {keytab} (sasl.kerberos.keytab) gave no Kerberos ticket for {}: {said}; check that the file can be read and has the current key of sasl.kerberos.principal: klist -k {keytab}",
                if principal.is_empty() { "its first principal" } else { principal }
            ),
            TroubleKind::UnknownService => format!(
                "the KDC does not know the broker as {service}: {said}; check sasl.kerberos.service.name and the host name in bootstrap.servers and advertised.listeners"
            ),
            TroubleKind::NoKdc => {
                format!(
                    "no KDC could be reached to authenticate with {service}: {said}; check krb5.conf and the network"
                )
            }
            TroubleKind::Clock => format!(
                "Kerberos with {service} failed because clocks differ too much: {said}; set this machine's clock right"
            ),
            TroubleKind::Other => format!("Kerberos with {service} failed: {said}"),
        };
        // What is not known may be the network or a KDC that restarts.
        let is_permanent = matches!(
            trouble.kind,
            TroubleKind::NoLibrary | TroubleKind::NoTicket | TroubleKind::UnknownService | TroubleKind::Clock
        );
        Refusal { status: Status::CREDENTIALS, text, is_permanent }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Plays the library: what it is told to say, and what it heard.
    #[derive(Default)]
    struct Played {
        begun: Mutex<Vec<Wanted>>,
        trouble: Option<Trouble>,
        /// The offer that `unwrap` finds.
        offer: Vec<u8>,
        /// How many messages of the broker the context wants.
        rounds: usize,
    }

    struct PlayedContext {
        offer: Vec<u8>,
        left: usize,
    }

    impl Kerberos for Played {
        fn begin(&self, wanted: &Wanted) -> Result<Box<dyn Context>, Trouble> {
            self.begun.lock().expect("nobody panics").push(wanted.clone());
            match &self.trouble {
                Some(trouble) => Err(trouble.clone()),
                None => Ok(Box::new(PlayedContext { offer: self.offer.clone(), left: self.rounds })),
            }
        }
    }

    impl Context for PlayedContext {
        fn step(&mut self, token: &[u8]) -> Result<(Vec<u8>, bool), Trouble> {
            if token == b"bad" {
                return Err(Trouble { kind: TroubleKind::Other, text: "A token was invalid".into() });
            }
            let is_complete = self.left == 0;
            self.left = self.left.saturating_sub(1);
            Ok((if is_complete { Vec::new() } else { b"ap-req".to_vec() }, is_complete))
        }

        fn unwrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Trouble> {
            assert_eq!(message, b"wrapped offer");
            Ok(self.offer.clone())
        }

        fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Trouble> {
            Ok([b"wrapped ", message].concat())
        }
    }

    fn exchange(played: Played, settings: &KerberosSettings) -> (Arc<Played>, Box<dyn Exchange>) {
        let played = Arc::new(played);
        let mut mechanism = Gssapi::new(Arc::clone(&played) as Arc<dyn Kerberos>, settings);
        assert_eq!(mechanism.name(), "GSSAPI");
        let exchange = mechanism.exchange("broker.example.com.", 0);
        (played, exchange)
    }

    #[test]
    fn the_messages_go_in_the_order_of_rfc_4752() {
        let settings = KerberosSettings { principal: "me@REALM".into(), keytab: "/k".into(), ..Default::default() };
        let (played, mut exchange) =
            exchange(Played { offer: vec![7, 0, 64, 0], rounds: 1, ..Played::default() }, &settings);
        assert_eq!(exchange.start().expect("a message"), b"ap-req");
        assert_eq!(exchange.step(b"ap-rep"), Ok(Step::Send(Vec::new())));
        assert_eq!(exchange.step(b"wrapped offer"), Ok(Step::Send(b"wrapped \x01\0\0\0".to_vec())));
        assert_eq!(exchange.step(b""), Ok(Step::Done));
        exchange.step(b"").expect_err("it is over");
        let wanted =
            Wanted { service: "kafka@broker.example.com".into(), principal: "me@REALM".into(), keytab: "/k".into() };
        assert_eq!(*played.begun.lock().expect("nobody panics"), [wanted]);
    }

    #[test]
    fn an_offer_that_cannot_be_taken_is_refused() {
        for (offer, words) in [(vec![6, 0, 0, 0], "SASL_SSL"), (vec![1, 0, 0], "RFC 4752"), (Vec::new(), "RFC 4752")] {
            let played = Played { offer, rounds: 1, ..Played::default() };
            let (_, mut exchange) = exchange(played, &KerberosSettings::default());
            exchange.start().expect("a message");
            exchange.step(b"ap-rep").expect("a message");
            let refusal = exchange.step(b"wrapped offer").expect_err("a refusal");
            assert!(refusal.is_permanent && refusal.text.contains(words), "{}", refusal.text);
        }
        let (_, mut exchange) = exchange(Played { rounds: 2, ..Played::default() }, &KerberosSettings::default());
        exchange.step(b"early").expect_err("nothing was begun");
        exchange.start().expect("a message");
        assert!(exchange.step(b"bad").expect_err("a refusal").text.contains("A token was invalid"));
    }

    #[test]
    fn trouble_comes_with_its_remedy() {
        let keytab = KerberosSettings { keytab: "/etc/my.keytab".into(), ..Default::default() };
        for (kind, settings, words, is_permanent) in [
            (TroubleKind::NoTicket, KerberosSettings::default(), "run kinit", true),
            (TroubleKind::NoTicket, keytab, "klist -k /etc/my.keytab", true),
            (TroubleKind::UnknownService, KerberosSettings::default(), "kafka@broker.example.com", true),
            (TroubleKind::NoKdc, KerberosSettings::default(), "krb5.conf", false),
            (TroubleKind::Clock, KerberosSettings::default(), "clock", true),
            (TroubleKind::Other, KerberosSettings::default(), "its words", false),
            (TroubleKind::NoLibrary, KerberosSettings::default(), "its words", true),
        ] {
            let trouble = Some(Trouble { kind, text: "its\nwords".into() });
            let (_, mut exchange) = exchange(Played { trouble, ..Played::default() }, &settings);
            let refusal = exchange.start().expect_err("a refusal");
            assert!(refusal.text.contains(words) && refusal.text.contains("its words"), "{}", refusal.text);
            assert_eq!((refusal.status, refusal.is_permanent), (Status::CREDENTIALS, is_permanent), "{}", refusal.text);
        }
    }
}
