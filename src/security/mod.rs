//! TLS configuration and its reload; SASL mechanisms as exchanges without I/O of their own; who gets tokens and credentials.
//!
//! `io/` asks [`tls`] for connections. `sender/` asks a [`login::Login`] for the bytes of an exchange and hears the answers through the
//! inbox: everything that may block (a token's callback, an HTTP endpoint, a KDC) or takes time (PBKDF2) happens on the thread
//! "kp-login", never on the I/O thread.

pub mod exchange;
pub mod login;
pub mod secret;
pub mod tls;
pub mod token;
