//! InitProducerId v0-5: a producer id from any broker, or the next epoch of a transactional id from its coordinator.

use kafka_protocol::messages::{InitProducerIdResponse, ProducerId};

use super::cluster::Cluster;
use super::code;
use super::reader::{ReadResult, Reader};
use super::request::{Outcome, Request};

pub(super) const NO_PRODUCER_ID: i64 = -1;
pub(super) const NO_PRODUCER_EPOCH: i16 = -1;

struct InitRequest<'a> {
    transactional_id: Option<&'a str>,
    timeout_ms: i32,
    /// What the client has already, from v3 on: it asks for the next epoch of it.
    producer_id: i64,
    producer_epoch: i16,
}

fn read<'a>(body: &mut Reader<'a>, version: i16) -> ReadResult<InitRequest<'a>> {
    let (transactional_id, timeout_ms) = (body.nullable_string()?, body.i32()?);
    let (producer_id, producer_epoch) =
        if version >= 3 { (body.i64()?, body.i16()?) } else { (NO_PRODUCER_ID, NO_PRODUCER_EPOCH) };
    body.tagged_fields()?;
    body.end()?;
    Ok(InitRequest { transactional_id, timeout_ms, producer_id, producer_epoch })
}

pub(super) fn handle(cluster: &mut Cluster, mut request: Request<'_>, injected: Option<i16>) -> ReadResult<Outcome> {
    let init = read(&mut request.body, request.api_version)?;
    let given = match injected {
        Some(error_code) => Err(error_code),
        None => initialize(cluster, &init),
    };
    let mut response = InitProducerIdResponse::default().with_throttle_time_ms(request.throttle_ms(cluster));
    let (producer_id, producer_epoch) = given.unwrap_or((NO_PRODUCER_ID, NO_PRODUCER_EPOCH));
    response.error_code = given.err().unwrap_or(code::NONE);
    response.producer_id = ProducerId(producer_id);
    response.producer_epoch = producer_epoch;
    request.encode(&response).map(Outcome::Respond)
}

fn initialize(cluster: &mut Cluster, init: &InitRequest<'_>) -> Result<(i64, i16), i16> {
    if (init.producer_id == NO_PRODUCER_ID) != (init.producer_epoch == NO_PRODUCER_EPOCH) {
        return Err(code::INVALID_REQUEST);
    }
    let _ = init.timeout_ms;
    match init.transactional_id {
        // Whatever the client had, it gets a fresh one.
        None => Ok((cluster.new_producer_id(), 0)),
        Some(_) => Err(code::INVALID_REQUEST),
    }
}
