//! Who coordinates what, and InitProducerId with a transactional id.

use kafka_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::transactions::init;
use crate::mock::testing::{TIMESTAMP_MS, ask, cluster};
use crate::mock::*;
use crate::time::Time;

fn find(cluster: &mut Cluster, version: i16, key_type: i8, key: &str) -> (i16, i32, String, i32) {
    let key = StrBytes::from_string(key.to_owned());
    let mut body = FindCoordinatorRequest::default().with_key_type(key_type);
    if version >= 4 {
        body.coordinator_keys = vec![key.clone()];
    } else {
        body.key = key.clone();
    }
    let found: FindCoordinatorResponse = ask(cluster, 1, api_key::FIND_COORDINATOR, version, &body);
    match found.coordinators.first() {
        Some(one) => {
            assert_eq!((version >= 4, &one.key, found.coordinators.len()), (true, &key, 1));
            (one.error_code, one.node_id.0, one.host.to_string(), one.port)
        }
        None => (found.error_code, found.node_id.0, found.host.to_string(), found.port),
    }
}

#[test]
fn a_coordinator_is_found_in_every_version() {
    let mut cluster = cluster(3);
    let expected = cluster.coordinator(CoordinatorKind::Group, "g").unwrap();
    cluster.set_address(expected, "home", 77);
    for version in 0..=5 {
        assert_eq!(find(&mut cluster, version, 0, "g"), (0, expected, "home".to_owned(), 77));
    }
    let found: Vec<i32> = (0..40).map(|n| find(&mut cluster, 2, 1, &format!("txn-{n}")).1).collect();
    assert!([1, 2, 3].iter().all(|id| found.contains(id)), "{found:?}");
    assert_eq!(find(&mut cluster, 2, 3, "g").0, code::INVALID_REQUEST);
    cluster.push_error(api_key::FIND_COORDINATOR, 30, 2);
    assert_eq!(find(&mut cluster, 5, 0, "g"), (30, -1, String::new(), -1));
    assert_eq!(find(&mut cluster, 1, 0, "g"), (30, -1, String::new(), -1));
}

#[test]
fn a_coordinator_stays_until_its_broker_goes_down() {
    let mut cluster = cluster(3);
    let first = cluster.coordinator(CoordinatorKind::Transaction, "x").unwrap();
    let client = init(&mut cluster, "x");
    cluster.broker_down(first);
    let second = cluster.coordinator(CoordinatorKind::Transaction, "x").unwrap();
    assert_ne!(first, second);
    cluster.broker_up(first);
    assert_eq!(cluster.coordinator(CoordinatorKind::Transaction, "x"), Some(second));
    assert_eq!(client.init_at(&mut cluster, first, 4).0, code::NOT_COORDINATOR);
    assert_eq!(client.init_at(&mut cluster, second, 4), (0, client.producer_id, 1), "its state moved along");
}

#[test]
fn a_coordinator_can_be_moved_taken_away_and_made_to_load() {
    let mut cluster = cluster(2);
    let client = init(&mut cluster, "x");
    cluster.coordinator_move(CoordinatorKind::Transaction, "x", None).unwrap();
    assert_eq!(find(&mut cluster, 4, 1, "x").0, code::COORDINATOR_NOT_AVAILABLE);
    assert_eq!(client.init_at(&mut cluster, 1, 4).0, code::NOT_COORDINATOR);
    cluster.set_coordinator_load_ms(50);
    cluster.coordinator_move(CoordinatorKind::Transaction, "x", Some(2)).unwrap();
    assert_eq!(find(&mut cluster, 4, 1, "x").1, 2);
    assert_eq!(client.init_at(&mut cluster, 1, 4).0, code::NOT_COORDINATOR);
    assert_eq!(client.init_at(&mut cluster, 2, 4).0, code::COORDINATOR_LOAD_IN_PROGRESS);
    cluster.advance(Time::from_ms(50), TIMESTAMP_MS);
    assert_eq!(client.init_at(&mut cluster, 2, 4).0, 0);
    cluster.broker_down(2);
    assert_eq!(find(&mut cluster, 4, 1, "x").0, code::COORDINATOR_NOT_AVAILABLE, "put there, it stays there");
    assert!(cluster.coordinator_move(CoordinatorKind::Transaction, "x", Some(3)).is_err());
}
