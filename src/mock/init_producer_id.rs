//! InitProducerId v0-6: a producer id from any broker, or the next epoch of a transactional id from its coordinator.
//! v6, two-phase commit (KIP-939), is there when a test has switched it on.

use kafka_protocol::messages::{InitProducerIdResponse, ProducerId};

use crate::time::Micros;

use super::add_to_txn::fenced_for;
use super::cluster::Cluster;
use super::code;
use super::coordinators::CoordinatorKind;
use super::reader::{ReadResult, Reader};
use super::request::{Outcome, Request};
use super::transactions::{Identity, State, TIMEOUT_MS_MAX, Transaction, TwoPhase};

pub(super) const NO_PRODUCER_ID: i64 = -1;
pub(super) const NO_PRODUCER_EPOCH: i16 = -1;

struct InitRequest<'a> {
    transactional_id: Option<&'a str>,
    timeout_ms: i32,
    /// What the client has already, from v3 on: it asks for the next epoch of it.
    producer_id: i64,
    producer_epoch: i16,
    enable_2pc: bool,
    keep_prepared: bool,
}

/// What the client is from now on, and the transaction that was kept open for it.
struct Given {
    identity: Identity,
    ongoing: Identity,
}

fn read<'a>(body: &mut Reader<'a>, version: i16) -> ReadResult<InitRequest<'a>> {
    let (transactional_id, timeout_ms) = (body.nullable_string()?, body.i32()?);
    let (producer_id, producer_epoch) =
        if version >= 3 { (body.i64()?, body.i16()?) } else { (NO_PRODUCER_ID, NO_PRODUCER_EPOCH) };
    let (enable_2pc, keep_prepared) = if version >= 6 { (body.bool()?, body.bool()?) } else { (false, false) };
    body.tagged_fields()?;
    body.end()?;
    Ok(InitRequest { transactional_id, timeout_ms, producer_id, producer_epoch, enable_2pc, keep_prepared })
}

pub(super) fn handle(cluster: &mut Cluster, mut request: Request<'_>, injected: Option<i16>) -> ReadResult<Outcome> {
    let init = read(&mut request.body, request.api_version)?;
    let given = match injected {
        Some(error_code) => Err(error_code),
        None => initialize(cluster, request.broker, &init),
    };
    let mut response = InitProducerIdResponse::default().with_throttle_time_ms(request.throttle_ms(cluster));
    let error = given.as_ref().err().copied();
    let Given { identity, ongoing } = given.unwrap_or(Given { identity: Identity::NONE, ongoing: Identity::NONE });
    response.error_code = error.map_or(code::NONE, |error_code| fenced_for(request.api_version, 4, error_code));
    response.producer_id = ProducerId(identity.producer_id);
    response.producer_epoch = identity.epoch;
    if request.api_version >= 6 {
        response.ongoing_txn_producer_id = ProducerId(ongoing.producer_id);
        response.ongoing_txn_producer_epoch = ongoing.epoch;
    }
    request.encode(&response).map(Outcome::Respond)
}

fn initialize(cluster: &mut Cluster, broker: i32, init: &InitRequest<'_>) -> Result<Given, i16> {
    let expected = match (init.producer_id, init.producer_epoch) {
        (NO_PRODUCER_ID, NO_PRODUCER_EPOCH) => None,
        (NO_PRODUCER_ID, _) | (_, NO_PRODUCER_EPOCH) => return Err(code::INVALID_REQUEST),
        (producer_id, epoch) => Some(Identity { producer_id, epoch }),
    };
    let Some(transactional_id) = init.transactional_id else {
        // Whatever the client had, it gets a fresh one.
        let identity = Identity { producer_id: cluster.producer_ids.next(), epoch: 0 };
        return Ok(Given { identity, ongoing: Identity::NONE });
    };
    if transactional_id.is_empty() {
        return Err(code::INVALID_REQUEST);
    }
    if init.enable_2pc && cluster.transactions.two_phase == TwoPhase::Off {
        // Kafka has no other word for it.
        return Err(code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    if init.keep_prepared && cluster.transactions.two_phase != TwoPhase::Whole {
        return Err(code::UNSUPPORTED_VERSION);
    }
    let most = if init.enable_2pc { i32::MAX } else { TIMEOUT_MS_MAX };
    if !(1..=most).contains(&init.timeout_ms) {
        return Err(code::INVALID_TRANSACTION_TIMEOUT);
    }
    cluster.coordinates(CoordinatorKind::Transaction, transactional_id, broker)?;
    let timeout = Micros::from_ms(init.timeout_ms.unsigned_abs().into());
    if init.keep_prepared
        && let Some(transaction) = cluster.transactions.by_id.get_mut(transactional_id)
        && transaction.state == State::Ongoing
    {
        let identity = transaction.keep(expected)?;
        return Ok(Given { identity, ongoing: transaction.current });
    }
    let identity = cluster.initialize(transactional_id, expected, Some(timeout))?;
    let known = cluster.transactions.by_id.get_mut(transactional_id);
    known.into_iter().for_each(|transaction| transaction.never_expires = init.enable_2pc);
    Ok(Given { identity, ongoing: Identity::NONE })
}

impl Cluster {
    /// The coordinator's part. `timeout` of `None` leaves the transactional id the one it has.
    pub(super) fn initialize(
        &mut self,
        transactional_id: &str,
        expected: Option<Identity>,
        timeout: Option<Micros>,
    ) -> Result<Identity, i16> {
        let ids = &mut self.producer_ids;
        let by_id = &mut self.transactions.by_id;
        let known = by_id.entry(transactional_id.to_owned());
        let transaction = known.or_insert_with(|| Transaction::new(ids.next()));
        transaction.may_initialize(expected)?;
        if transaction.state == State::Ongoing {
            // The client asks again, which bumps the epoch once more; the one of the abort is never given to anybody.
            self.fence_open_transaction(transactional_id, self.now);
            self.write_markers();
            return Err(code::CONCURRENT_TRANSACTIONS);
        }
        transaction.initialize(expected, timeout, ids)
    }
}
