//! Who may send what, in the words of the `kafka-protocol` crate.

use bytes::Bytes;
use kafka_protocol::messages::{
    ApiVersionsResponse, MetadataRequest, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
    SaslHandshakeResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

use super::{cluster, software};
use crate::mock::testing::{request, response};
use crate::mock::{Answer, Cluster, api_key};
use crate::time::Time;

fn ask_as<Q, R>(cluster: &mut Cluster, at_ms: u64, connection: u64, key: i16, version: i16, body: &Q) -> Option<R>
where
    Q: Encodable + HeaderVersion,
    R: Decodable + HeaderVersion,
{
    let frame = request(key, version, 7, body);
    match cluster.handle_frame_from(Time::from_ms(at_ms), 0, 1, connection, &frame) {
        Answer::Respond { bytes, .. } => Some(response(&bytes, version).1),
        _ => None,
    }
}

fn handshake(cluster: &mut Cluster, at_ms: u64, connection: u64, mechanism: &str) -> Option<i16> {
    let body = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_string(mechanism.to_owned()));
    let answered: Option<SaslHandshakeResponse> = ask_as(cluster, at_ms, connection, api_key::SASL_HANDSHAKE, 1, &body);
    answered.map(|answered| answered.error_code)
}

fn authenticate(cluster: &mut Cluster, at_ms: u64, connection: u64, bytes: &[u8]) -> Option<(i16, i64)> {
    let body = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::copy_from_slice(bytes));
    let answered: Option<SaslAuthenticateResponse> =
        ask_as(cluster, at_ms, connection, api_key::SASL_AUTHENTICATE, 2, &body);
    answered.map(|answered| (answered.error_code, answered.session_lifetime_ms))
}

fn works(cluster: &mut Cluster, at_ms: u64, connection: u64) -> bool {
    let body = MetadataRequest::default().with_topics(Some(Vec::new()));
    ask_as::<_, kafka_protocol::messages::MetadataResponse>(cluster, at_ms, connection, api_key::METADATA, 9, &body)
        .is_some()
}

fn guarded(lifetime_ms: u64) -> Cluster {
    let mut cluster = cluster(1);
    cluster.set_sasl(Some("PLAIN"), "user", "pass", lifetime_ms).expect("a mechanism that it knows");
    cluster
}

#[test]
fn only_who_is_authenticated_gets_further_than_a_greeting() {
    let mut cluster = guarded(0);
    let greeted: Option<ApiVersionsResponse> = ask_as(&mut cluster, 0, 1, api_key::API_VERSIONS, 3, &software());
    assert!(greeted.is_some_and(|greeted| greeted.api_keys.iter().any(|key| key.api_key == 36)));
    assert!(!works(&mut cluster, 0, 1));
    assert_eq!(handshake(&mut cluster, 0, 2, "PLAIN"), Some(0));
    assert!(!works(&mut cluster, 0, 2), "in the middle of it");
    assert_eq!(authenticate(&mut cluster, 0, 2, b"\0user\0pass"), Some((0, 0)));
    assert!(works(&mut cluster, 0, 2) && !works(&mut cluster, 0, 3));
    assert_eq!((cluster.authentications(), cluster.denied_requests()), (1, 3));
    cluster.set_sasl(None, "", "", 0).expect("it can be switched off");
    assert!(works(&mut cluster, 0, 3));
    assert_eq!(handshake(&mut cluster, 0, 3, "PLAIN"), Some(34), "nobody asks for it");
}

#[test]
fn wrong_mechanisms_and_credentials_are_refused_and_end_it() {
    let mut cluster = guarded(0);
    assert_eq!(handshake(&mut cluster, 0, 1, "GSSAPI"), Some(33));
    assert_eq!(handshake(&mut cluster, 0, 1, "PLAIN"), None);
    assert_eq!(handshake(&mut cluster, 0, 2, "PLAIN"), Some(0));
    assert_eq!(authenticate(&mut cluster, 0, 2, b"\0user\0wrong").map(|(code, _)| code), Some(58));
    assert_eq!(authenticate(&mut cluster, 0, 2, b"\0user\0pass"), None);
    assert_eq!(authenticate(&mut cluster, 0, 3, b"\0user\0pass"), None, "without a handshake");
    assert!(cluster.set_sasl(Some("DIGEST-MD5"), "", "", 0).is_err());
}

#[test]
fn a_session_that_is_not_renewed_in_time_ends_with_its_next_request() {
    let mut cluster = guarded(1_000);
    for connection in [1, 2] {
        assert_eq!(handshake(&mut cluster, 0, connection, "PLAIN"), Some(0));
        assert_eq!(authenticate(&mut cluster, 0, connection, b"\0user\0pass"), Some((0, 1_000)));
    }
    assert!(works(&mut cluster, 900, 1));
    // Even a renewal that comes too late is in time when nothing came before it.
    assert_eq!(handshake(&mut cluster, 1_100, 1, "PLAIN"), Some(0));
    assert_eq!(authenticate(&mut cluster, 1_100, 1, b"\0user\0pass"), Some((0, 1_000)));
    assert!(works(&mut cluster, 2_000, 1) && !works(&mut cluster, 2_000, 2));
    assert_eq!((cluster.authentications(), cluster.reauthentications(), cluster.expired_sessions()), (2, 1, 1));
}
