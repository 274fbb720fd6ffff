//! EndTxn v0-5. It is answered when the end is decided; the markers follow, after the delay that the test has set.

use kafka_protocol::messages::{EndTxnResponse, ProducerId};

use super::add_to_txn::fenced_for;
use super::cluster::Cluster;
use super::code;
use super::coordinators::CoordinatorKind;
use super::reader::ReadResult;
use super::request::{Outcome, Request};
use super::transactions::{Identity, State};

pub(super) fn handle(cluster: &mut Cluster, mut request: Request<'_>, injected: Option<i16>) -> ReadResult<Outcome> {
    let body = &mut request.body;
    let transactional_id = body.string()?;
    let client = Identity { producer_id: body.i64()?, epoch: body.i16()? };
    let is_commit = body.bool()?;
    body.tagged_fields()?;
    body.end()?;
    let result = match injected {
        Some(error_code) => Err(error_code),
        None => end(cluster, &request, transactional_id, client, is_commit),
    };
    let next = result.unwrap_or(Identity::NONE);
    let error_code = result.err().map_or(code::NONE, |error_code| fenced_for(request.api_version, 2, error_code));
    let mut response =
        EndTxnResponse::default().with_throttle_time_ms(request.throttle_ms(cluster)).with_error_code(error_code);
    if request.api_version >= 5 {
        response.producer_id = ProducerId(next.producer_id);
        response.producer_epoch = next.epoch;
    }
    request.encode(&response).map(Outcome::Respond)
}

fn end(
    cluster: &mut Cluster,
    request: &Request<'_>,
    transactional_id: &str,
    client: Identity,
    is_commit: bool,
) -> Result<Identity, i16> {
    if transactional_id.is_empty() {
        return Err(code::INVALID_REQUEST);
    }
    cluster.coordinates(CoordinatorKind::Transaction, transactional_id, request.broker)?;
    let transaction = cluster.transactions.by_id.get_mut(transactional_id);
    let transaction = transaction.ok_or(code::INVALID_PRODUCER_ID_MAPPING)?;
    let next = if request.api_version >= 5 {
        // The client says by the version that it follows KIP-890's second part; the broker does not look at the feature.
        transaction.end_and_bump(client, is_commit, &mut cluster.producer_ids)?
    } else {
        transaction.end(client, is_commit)?;
        Identity::NONE
    };
    if matches!(transaction.state, State::Prepare { .. }) {
        transaction.markers_due = cluster.now + cluster.transactions.marker_delay;
        cluster.write_markers();
    }
    Ok(next)
}
