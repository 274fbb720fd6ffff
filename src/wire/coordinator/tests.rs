//! Against the generated types of kafka-protocol, in every version; then against anything at all.

use bytes::Bytes;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use proptest::prelude::*;

use super::super::theirs::{bytes_of, framed, text};
use super::*;

const VERSIONS: std::ops::RangeInclusive<i16> = 2..=5;

#[test]
fn requests_are_what_the_generated_types_encode() {
    for version in VERSIONS {
        for (kind, key_type) in [(CoordinatorKind::Group, 0), (CoordinatorKind::Transaction, 1)] {
            let request = FindCoordinatorRequest::default().with_key_type(key_type);
            let request = match version {
                4.. => request.with_coordinator_keys(vec![text("größe")]),
                _ => request.with_key(text("größe")),
            };
            let theirs = framed(Api::FindCoordinator, version, &request);
            assert_eq!(encode_find_coordinator(version, 7, "me", kind, "größe"), theirs, "version {version}");
        }
    }
}

fn their_coordinator(key: &str, node_id: i32) -> Coordinator {
    Coordinator::default()
        .with_key(text(key))
        .with_node_id(BrokerId(node_id))
        .with_host(text("host"))
        .with_port(9092)
        .with_error_code(15)
        .with_error_message(Some(text("not yet")))
        .with_unknown_tagged_field(3, Bytes::from_static(b"?"))
}

fn theirs(version: i16) -> FindCoordinatorResponse {
    let response = FindCoordinatorResponse::default().with_throttle_time_ms(40);
    match version {
        4.. => response
            .with_coordinators(vec![their_coordinator("key", 2)])
            .with_unknown_tagged_field(9, Bytes::from_static(b"??")),
        _ => response
            .with_error_code(15)
            .with_error_message(Some(text("not yet")))
            .with_node_id(BrokerId(2))
            .with_host(text("host"))
            .with_port(9092),
    }
}

#[test]
fn answers_of_the_generated_types_are_read_whole() {
    for version in VERSIONS {
        let body = bytes_of(&theirs(version), version);
        let expected = FindCoordinatorAnswer {
            throttle_time_ms: 40,
            error_code: 15,
            error_message: Some("not yet".into()),
            node_id: 2,
            host: "host".into(),
            port: 9092,
        };
        assert_eq!(decode_find_coordinator(version, &body), Ok(expected), "version {version}");
        for len in 0..body.len() {
            assert!(decode_find_coordinator(version, &body[..len]).is_err(), "version {version}, {len} bytes");
        }
    }
}

#[test]
fn an_answer_without_a_coordinator_is_read_too() {
    for version in VERSIONS {
        let response = match version {
            4.. => FindCoordinatorResponse::default().with_coordinators(vec![
                Coordinator::default().with_node_id(BrokerId(-1)).with_port(-1).with_error_message(None),
            ]),
            _ => FindCoordinatorResponse::default().with_node_id(BrokerId(-1)).with_port(-1).with_error_message(None),
        };
        let expected = FindCoordinatorAnswer { node_id: -1, port: -1, ..FindCoordinatorAnswer::default() };
        assert_eq!(decode_find_coordinator(version, &bytes_of(&response, version)), Ok(expected), "version {version}");
    }
}

#[test]
fn any_number_of_coordinators_but_one_is_an_error() {
    for version in 4..=5 {
        for coordinators in [vec![], vec![their_coordinator("a", 1), their_coordinator("b", 2)]] {
            let body = bytes_of(&FindCoordinatorResponse::default().with_coordinators(coordinators), version);
            assert_eq!(
                decode_find_coordinator(version, &body).unwrap_err().to_string(),
                "cannot read the one coordinator asked for at byte 4"
            );
        }
        // No array at all, and a count of 2^32 - 2.
        assert!(decode_find_coordinator(version, &[0, 0, 0, 0, 0, 0]).is_err());
        assert!(decode_find_coordinator(version, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        for version in VERSIONS {
            let _ = decode_find_coordinator(version, &body);
        }
    }

    #[test]
    fn damaged_answers_are_read_or_refused(
        version in VERSIONS,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut body = bytes_of(&theirs(version), version);
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let _ = decode_find_coordinator(version, &body);
    }
}
