//! SaslHandshake v1 and SaslAuthenticate v0-2: how a connection is authenticated. What the mechanisms say to each other is
//! carried as it is.

use std::borrow::Cow;

use super::header::{Api, begin_request, finish_request};
use super::primitives::{DecodeError, Reader, put_array_len, put_no_tagged_fields, put_string};

/// Version 0 is followed by bytes without any header, which no broker from Kafka 1.0 on needs.
pub const HANDSHAKE_VERSION: i16 = 1;

/// Neither answer is ever as long as this: tokens have some KiB.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Kafka knows five mechanisms.
const MECHANISMS_MAX: usize = 100;

/// The answer to SaslHandshake.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HandshakeAnswer {
    pub error_code: i16,
    /// What the listener offers; brokers name it also when they refuse.
    pub mechanisms: Vec<String>,
}

/// The answer to SaslAuthenticate. Its `Debug` leaves the bytes out: what a mechanism says is as good as a credential.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct AuthenticateAnswer {
    pub error_code: i16,
    /// As sent: a secret in it has to be found before it is cut.
    pub error_message: Option<String>,
    pub bytes: Vec<u8>,
    /// As sent: how long the broker keeps the connection authenticated; zero and less are for ever. From v1 on.
    pub session_lifetime_ms: i64,
}

impl std::fmt::Debug for AuthenticateAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthenticateAnswer")
            .field("error_code", &self.error_code)
            .field("error_message", &self.error_message)
            .field("bytes", &self.bytes.len())
            .field("session_lifetime_ms", &self.session_lifetime_ms)
            .finish()
    }
}

/// Encodes a SaslHandshake request with its length prefix.
pub fn encode_sasl_handshake(correlation_id: i32, client_id: &str, mechanism: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + client_id.len() + mechanism.len());
    begin_request(&mut out, Api::SaslHandshake, HANDSHAKE_VERSION, correlation_id, client_id);
    put_string(&mut out, Api::SaslHandshake.form(HANDSHAKE_VERSION), mechanism);
    finish_request(&mut out, 0);
    out
}

/// Decodes the body of an answer to SaslHandshake.
pub fn decode_sasl_handshake(body: &[u8]) -> Result<HandshakeAnswer, DecodeError> {
    is_short(body)?;
    let mut reader = Reader::new(body, Api::SaslHandshake.form(HANDSHAKE_VERSION));
    let mut answer = HandshakeAnswer { error_code: reader.i16("error code")?, mechanisms: Vec::new() };
    let count = reader.array_len(2, "mechanisms")?;
    if count > MECHANISMS_MAX {
        return Err(reader.error("mechanisms, which are too many"));
    }
    for _ in 0..count {
        answer.mechanisms.push(reader.line("mechanism")?);
    }
    Ok(answer)
}

/// Encodes a SaslAuthenticate request with its length prefix.
pub fn encode_sasl_authenticate(version: i16, correlation_id: i32, client_id: &str, bytes: &[u8]) -> Vec<u8> {
    let form = Api::SaslAuthenticate.form(version);
    let mut out = Vec::with_capacity(32 + client_id.len() + bytes.len());
    begin_request(&mut out, Api::SaslAuthenticate, version, correlation_id, client_id);
    put_array_len(&mut out, form, Some(bytes.len()));
    out.extend_from_slice(bytes);
    put_no_tagged_fields(&mut out, form);
    finish_request(&mut out, 0);
    out
}

/// Decodes the body of an answer to SaslAuthenticate of `version`.
pub fn decode_sasl_authenticate(version: i16, body: &[u8]) -> Result<AuthenticateAnswer, DecodeError> {
    is_short(body)?;
    let mut reader = Reader::new(body, Api::SaslAuthenticate.form(version));
    let answer = AuthenticateAnswer {
        error_code: reader.i16("error code")?,
        error_message: reader.nullable_string("error message")?.map(Cow::into_owned),
        // A broker that has nothing to say may say so in either way.
        bytes: reader.nullable_bytes("SASL bytes")?.unwrap_or_default().to_vec(),
        session_lifetime_ms: if version >= 1 { reader.i64("session lifetime")? } else { 0 },
    };
    reader.skip_tagged_fields("SASL answer's tagged fields")?;
    Ok(answer)
}

/// A renewal's answers come on a connection that may bring long ones.
fn is_short(body: &[u8]) -> Result<(), DecodeError> {
    let is_short = body.len() <= ANSWER_BYTES_MAX;
    is_short.then_some(()).ok_or(DecodeError { what: "an answer that is too long", at: ANSWER_BYTES_MAX })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::{
        SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
    };
    use proptest::prelude::*;

    use super::super::theirs::{bytes_of, framed, text};
    use super::*;

    #[test]
    fn requests_are_what_the_generated_types_encode() {
        let theirs = SaslHandshakeRequest::default().with_mechanism(text("SCRAM-SHA-256"));
        assert_eq!(encode_sasl_handshake(7, "me", "SCRAM-SHA-256"), framed(Api::SaslHandshake, 1, &theirs));
        for version in 0..=2 {
            for bytes in [&b""[..], b"\0user\0password", &[0xff; 300]] {
                let theirs = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::copy_from_slice(bytes));
                let ours = encode_sasl_authenticate(version, 7, "me", bytes);
                assert_eq!(ours, framed(Api::SaslAuthenticate, version, &theirs), "{version}");
            }
        }
    }

    #[test]
    fn answers_of_the_generated_types_are_read_in_every_version() {
        let theirs = SaslHandshakeResponse::default()
            .with_error_code(33)
            .with_mechanisms(vec![text("PLAIN"), text("SCRAM-SHA-512")]);
        let expected = HandshakeAnswer { error_code: 33, mechanisms: vec!["PLAIN".into(), "SCRAM-SHA-512".into()] };
        assert_eq!(decode_sasl_handshake(&bytes_of(&theirs, 1)), Ok(expected));
        for version in 0..=2 {
            let mut theirs = SaslAuthenticateResponse::default()
                .with_error_code(58)
                .with_error_message(Some(text("no")))
                .with_auth_bytes(Bytes::from_static(b"v=1"));
            if version >= 1 {
                theirs = theirs.with_session_lifetime_ms(3_600_000);
            }
            let body = bytes_of(&theirs, version);
            let answer = decode_sasl_authenticate(version, &body).unwrap();
            assert_eq!((answer.error_code, answer.error_message.as_deref()), (58, Some("no")));
            assert_eq!(answer.bytes, b"v=1");
            assert_eq!(answer.session_lifetime_ms, if version >= 1 { 3_600_000 } else { 0 });
            assert!(!format!("{answer:?}").contains("v=1"), "it may be a secret");
            for len in 0..body.len() {
                assert!(decode_sasl_authenticate(version, &body[..len]).is_err(), "{version}: {len}");
            }
        }
    }

    #[test]
    fn an_answer_that_is_longer_than_any_is_refused() {
        let names = |count: usize| SaslHandshakeResponse::default().with_mechanisms(vec![text("PLAIN"); count]);
        assert!(decode_sasl_handshake(&bytes_of(&names(MECHANISMS_MAX), 1)).is_ok());
        assert!(decode_sasl_handshake(&bytes_of(&names(MECHANISMS_MAX + 1), 1)).is_err());
        let says = |len: usize| SaslAuthenticateResponse::default().with_auth_bytes(Bytes::from(vec![7; len]));
        assert!(decode_sasl_authenticate(1, &bytes_of(&says(1 << 19), 1)).is_ok());
        assert!(decode_sasl_authenticate(1, &bytes_of(&says(1 << 20), 1)).is_err());
    }

    proptest! {
        #[test]
        fn no_answer_makes_them_panic(body in proptest::collection::vec(any::<u8>(), 0..64), version in 0i16..3) {
            // What they make of it is of no interest: they return, and use no more than what is there.
            let _ = decode_sasl_handshake(&body);
            let _ = decode_sasl_authenticate(version, &body);
        }
    }
}
