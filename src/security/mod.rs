//! TLS configuration and its reload; SASL mechanisms as exchanges without I/O of their own; who gets tokens and
//! credentials.
//!
//! `io/` asks [`tls`] for connections. `sender/` asks a [`login::Login`] for the bytes of an exchange and hears the
//! answers through the inbox: everything that may block (a token's callback, an HTTP endpoint, a KDC) or takes time
//! (PBKDF2) happens on the thread "kp-login", never on the I/O thread.

pub mod assertion;
pub mod assertion_key;
pub mod aws;
pub mod calendar;
pub mod claims;
pub mod credentials;
pub mod desk;
pub mod exchange;
pub mod factory;
pub mod gssapi;
pub mod gssapi_library;
pub mod http;
pub mod login;
pub mod mask;
pub mod oauthbearer;
pub mod oidc;
pub mod plain;
pub mod refresh;
pub mod scram;
pub mod sources;
mod spelled;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod token;
pub mod token_desk;
pub mod token_file;
pub mod unsecured;
