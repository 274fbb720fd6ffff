//! What secured listeners need: certificates, users, an issuer of tokens, a Kerberos realm.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cluster::{Extras, KafkaCluster, Listener, Release, stop_at_exit};

pub mod certificates;
pub mod issuer;
pub mod realm;
pub mod relay;

pub use certificates::{Certificates, Identity};
pub use issuer::Issuer;
pub use realm::Realm;
pub use relay::Relay;

/// The user of PLAIN and SCRAM.
pub const USER: &str = "alice";
/// Her password.
pub const PASSWORD: &str = "alice-secret!";
/// The client that the issuer knows.
pub const CLIENT_ID: &str = "records-client";
/// Its secret.
pub const CLIENT_SECRET: &str = "records:secret/+";
/// How long a session lives on the listeners `SHORT` and `SHORTTLS`, in milliseconds.
pub const SHORT_SESSION_MS: u32 = 1500;
/// Every mechanism of the listeners that speak SASL.
pub const MECHANISMS: [&str; 5] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"];

/// Brokers with every listener, and whom they trust.
///
/// | listener | protocol | |
/// |---|---|---|
/// | `PLAINTEXT` | PLAINTEXT | of the brokers and tools among themselves |
/// | `ONEWAY` | SSL | |
/// | `MUTUAL` | SSL | wants a certificate of the client |
/// | `RELAYED` | SSL | the same behind [`Secured::relay`], which can break its connections |
/// | `SASL`, `SASLTLS` | SASL_PLAINTEXT, SASL_SSL | every mechanism |
/// | `SHORT`, `SHORTTLS` | SASL_PLAINTEXT, SASL_SSL | the same, sessions of [`SHORT_SESSION_MS`] |
#[derive(Debug)]
pub struct Secured {
    /// The brokers.
    pub cluster: KafkaCluster,
    /// Their certificates and those of clients.
    pub certificates: Certificates,
    /// Who makes tokens.
    pub issuer: Issuer,
    /// Where Kerberos' principals are known.
    pub realm: Realm,
    /// In front of `RELAYED`.
    pub relay: Relay,
}

impl Secured {
    /// Starts the realm, the issuer and so many brokers.
    pub fn start(nodes: i32) -> Self {
        let certificates = Certificates::new();
        let issuer = Issuer::start();
        let realm = Realm::start();
        let relay = Relay::start();
        let mut extras = Extras { listeners: tls_listeners(&certificates, &relay), ..Extras::default() };
        let names = [("SASL", "SASLTLS", None), ("SHORT", "SHORTTLS", Some(SHORT_SESSION_MS))];
        for (plain, tls, session_ms) in names {
            let mut settings = vec![format!("sasl.enabled.mechanisms={}", MECHANISMS.join(","))];
            settings.extend(password_logins());
            settings.extend(issuer.login());
            settings.push(realm.login());
            for mechanism in MECHANISMS.map(str::to_lowercase) {
                settings.extend(session_ms.map(|ms| format!("{mechanism}.connections.max.reauth.ms={ms}")));
            }
            extras.listeners.push(Listener::new(plain, "SASL_PLAINTEXT", settings.clone()));
            settings.extend(certificates.broker.as_pem_store());
            extras.listeners.push(Listener::new(tls, "SASL_SSL", settings));
        }
        extras.settings.push("sasl.kerberos.service.name=kafka".to_owned());
        extras.settings.extend(issuer.settings());
        extras.java_options.extend([issuer.java_option(), realm.java_option()]);
        extras.scram_users.push((USER.to_owned(), PASSWORD.to_owned()));
        let cluster = KafkaCluster::start_with(nodes, Release::Kafka4_3, extras);
        relay.lead_to(cluster.first_port_of("RELAYED"));
        Self { cluster, certificates, issuer, realm, relay }
    }
}

/// One-way and mutual TLS.
fn tls_listeners(certificates: &Certificates, relay: &Relay) -> Vec<Listener> {
    let mut mutual = certificates.broker.as_pem_store();
    mutual.extend(["ssl.client.auth=required".to_owned(), "ssl.truststore.type=PEM".to_owned()]);
    mutual.push(format!("ssl.truststore.location={}", certificates.authority_file.display()));
    vec![
        Listener::new("ONEWAY", "SSL", certificates.broker.as_pem_store()),
        Listener::new("MUTUAL", "SSL", mutual.clone()),
        Listener { advertised_port: Some(relay.port), ..Listener::new("RELAYED", "SSL", mutual) },
    ]
}

/// The brokers' side of PLAIN and SCRAM. SCRAM's users stand in the cluster's metadata.
fn password_logins() -> Vec<String> {
    let plain = "org.apache.kafka.common.security.plain.PlainLoginModule";
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule";
    vec![
        format!("plain.sasl.jaas.config={plain} required user_{USER}=\"{PASSWORD}\";"),
        format!("scram-sha-256.sasl.jaas.config={scram} required;"),
        format!("scram-sha-512.sasl.jaas.config={scram} required;"),
    ]
}

/// A listener with TLS and SCRAM for brokers of any release: the key store is PKCS#12, which all of them read.
pub fn scram_over_tls(certificates: &Certificates) -> Extras {
    let mut settings = certificates.broker.as_pkcs12_store();
    settings.push("sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512".to_owned());
    settings.extend(password_logins());
    Extras {
        listeners: vec![Listener::new("SASLTLS", "SASL_SSL", settings)],
        scram_users: vec![(USER.to_owned(), PASSWORD.to_owned())],
        ..Extras::default()
    }
}

static SECURED: Mutex<Option<Secured>> = Mutex::new(None);

/// The program's secured node, held by one test at a time.
pub struct SharedSecured(MutexGuard<'static, Option<Secured>>);

/// One secured node for all tests of a program: started by the first that asks, healed for each later one.
pub fn secured() -> SharedSecured {
    let mut guard = SECURED.lock().unwrap_or_else(PoisonError::into_inner);
    match guard.as_mut() {
        Some(secured) => secured.cluster.heal(),
        None => {
            extern "C" fn stop() {
                if let Ok(mut guard) = SECURED.lock() {
                    *guard = None;
                }
            }
            stop_at_exit(stop);
            *guard = Some(Secured::start(1));
        }
    }
    SharedSecured(guard)
}

impl Deref for SharedSecured {
    type Target = Secured;

    fn deref(&self) -> &Secured {
        self.0.as_ref().expect("filled by secured()")
    }
}

impl DerefMut for SharedSecured {
    fn deref_mut(&mut self) -> &mut Secured {
        self.0.as_mut().expect("filled by secured()")
    }
}
