//! FindCoordinator v0-5: one key, or from v4 on several of one type.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::cluster::Cluster;
use super::code;
use super::coordinators::CoordinatorKind;
use super::reader::{ReadResult, Reader};
use super::request::{Outcome, Request};

fn read<'a>(body: &mut Reader<'a>, version: i16) -> ReadResult<(i8, Vec<&'a str>)> {
    let mut keys = Vec::new();
    if version <= 3 {
        keys.push(body.string()?);
    }
    let key_type = if version >= 1 { body.i8()? } else { CoordinatorKind::Group as i8 };
    if version >= 4 {
        for _ in 0..body.array()? {
            keys.push(body.string()?);
        }
    }
    body.tagged_fields()?;
    body.end()?;
    Ok((key_type, keys))
}

pub(super) fn handle(cluster: &mut Cluster, mut request: Request<'_>, injected: Option<i16>) -> ReadResult<Outcome> {
    let version = request.api_version;
    let (key_type, keys) = read(&mut request.body, version)?;
    let mut response = FindCoordinatorResponse::default();
    if version >= 1 {
        response.throttle_time_ms = request.throttle_ms(cluster);
    }
    for key in keys {
        let found = match injected {
            Some(error_code) => Err(error_code),
            None => find(cluster, key_type, key),
        };
        let coordinator = describe(cluster, found).with_key(StrBytes::from_string(key.to_owned()));
        if version >= 4 {
            response.coordinators.push(coordinator);
        } else {
            response.error_code = coordinator.error_code;
            response.node_id = coordinator.node_id;
            response.host = coordinator.host;
            response.port = coordinator.port;
        }
    }
    request.encode(&response).map(Outcome::Respond)
}

fn find(cluster: &mut Cluster, key_type: i8, key: &str) -> Result<i32, i16> {
    let kind = CoordinatorKind::of_key_type(key_type).ok_or(code::INVALID_REQUEST)?;
    // A coordinator that is loading is found all the same.
    cluster.coordinator(kind, key).ok_or(code::COORDINATOR_NOT_AVAILABLE)
}

fn describe(cluster: &Cluster, found: Result<i32, i16>) -> Coordinator {
    let coordinator = Coordinator::default().with_error_message(None);
    match found.map(|id| (id, cluster.broker(id))) {
        Ok((id, Some(broker))) => coordinator
            .with_node_id(BrokerId(id))
            .with_host(StrBytes::from_string(broker.host.clone()))
            .with_port(broker.port.into()),
        Ok((_, None)) => nobody(coordinator, code::COORDINATOR_NOT_AVAILABLE),
        Err(error_code) => nobody(coordinator, error_code),
    }
}

fn nobody(coordinator: Coordinator, error_code: i16) -> Coordinator {
    coordinator.with_error_code(error_code).with_node_id(BrokerId(-1)).with_port(-1)
}
