//! Telemetry in the words of the `kafka-protocol` crate: what Kafka's ClientMetricsManager accepts and refuses.

use bytes::Bytes;
use kafka_protocol::messages::{
    ApiVersionsResponse, GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, PushTelemetryRequest,
    PushTelemetryResponse,
};

use super::{ask, cluster, software, versions_of};
use crate::mock::{Cluster, Subscription, api_key};
use crate::time::Time;

type Id = [u8; 16];

fn get(cluster: &mut Cluster, at_ms: u64, id: Id) -> (i16, Id, i32) {
    cluster.advance(Time::from_ms(at_ms), 0);
    let body =
        GetTelemetrySubscriptionsRequest::default().with_client_instance_id(id.to_vec().try_into().expect("16 bytes"));
    let answered: GetTelemetrySubscriptionsResponse = ask(cluster, 1, api_key::GET_TELEMETRY_SUBSCRIPTIONS, 0, &body);
    (answered.error_code, *answered.client_instance_id.as_bytes(), answered.subscription_id)
}

fn push(cluster: &mut Cluster, at_ms: u64, edit: impl FnOnce(PushTelemetryRequest) -> PushTelemetryRequest) -> i16 {
    cluster.advance(Time::from_ms(at_ms), 0);
    let answered: PushTelemetryResponse =
        ask(cluster, 1, api_key::PUSH_TELEMETRY, 0, &edit(PushTelemetryRequest::default()));
    answered.error_code
}

fn subscribed() -> Cluster {
    let mut cluster = cluster(1);
    cluster.telemetry_subscribe(Some(Subscription::new(&["*"], 1_000)));
    cluster
}

#[test]
fn telemetry_is_announced_from_the_first_subscription_on() {
    let mut cluster = cluster(1);
    let versions = |cluster: &mut Cluster| {
        let answered: ApiVersionsResponse = ask(cluster, 1, api_key::API_VERSIONS, 3, &software());
        let keys = [api_key::GET_TELEMETRY_SUBSCRIPTIONS, api_key::PUSH_TELEMETRY];
        keys.map(|key| versions_of(&answered, key))
    };
    assert_eq!(versions(&mut cluster), [None, None]);
    cluster.telemetry_subscribe(Some(Subscription::new(&[], 1_000)));
    assert_eq!(versions(&mut cluster), [Some((0, 0)); 2]);
    cluster.telemetry_subscribe(None);
    assert_eq!(versions(&mut cluster), [None, None]);
}

#[test]
fn a_client_gets_an_id_once_and_keeps_it() {
    let mut cluster = subscribed();
    let (code, first, subscription) = get(&mut cluster, 0, [0; 16]);
    assert!(code == 0 && first != [0; 16]);
    let (code, second, _) = get(&mut cluster, 0, [0; 16]);
    assert!(code == 0 && second != first);
    assert_eq!(get(&mut cluster, 1_000, first), (0, first, subscription));
    assert_eq!(get(&mut cluster, 1_500, first).0, 89, "before the interval is over");
    cluster.telemetry_subscribe(Some(Subscription::new(&["*"], 500)));
    assert_eq!(get(&mut cluster, 1_501, first), (0, first, subscription + 1), "a new subscription is told at once");
}

#[test]
fn pushes_are_refused_as_kafka_refuses_them() {
    let mut cluster = subscribed();
    let (_, id, subscription) = get(&mut cluster, 0, [0; 16]);
    let ours = |request: PushTelemetryRequest| {
        let id = id.to_vec().try_into().expect("16 bytes");
        request.with_client_instance_id(id).with_subscription_id(subscription)
    };
    assert_eq!(push(&mut cluster, 0, |request| request), 42, "without an id");
    assert_eq!(push(&mut cluster, 500, ours), 0, "the first comes when the client likes");
    assert_eq!(push(&mut cluster, 600, ours), 89);
    assert_eq!(push(&mut cluster, 1_500, |request| ours(request).with_subscription_id(subscription + 1)), 117);
    assert_eq!(push(&mut cluster, 2_500, |request| ours(request).with_compression_type(5)), 76);
    let large = Bytes::from(vec![0; (1 << 20) + 1]);
    assert_eq!(push(&mut cluster, 3_500, |request| ours(request).with_metrics(large)), 118);
    let garbage = Bytes::from_static(b"garbage");
    assert_eq!(push(&mut cluster, 4_500, |request| ours(request).with_metrics(garbage)), 87);
    assert_eq!(push(&mut cluster, 4_501, |request| ours(request).with_terminating(true)), 0, "the last may be early");
    assert_eq!(push(&mut cluster, 9_000, ours), 42, "nothing follows the last");
    assert_eq!(cluster.telemetry_push_count(), 2);
    assert_eq!(cluster.telemetry_pushes().map(|push| push.terminating).collect::<Vec<_>>(), [false, true]);
}
