//! GetTelemetrySubscriptions and PushTelemetry, version 0 (KIP-714): which metrics a broker wants of this client, and the
//! metrics themselves. Their payload is made by `otlp`.

use super::header::{Api, begin_request, finish_request};
use super::primitives::{DecodeError, Form, Reader, put_array_len, put_bool, put_i8, put_i32, put_no_tagged_fields};

/// A client's id among all clients; all zero before a broker gave one.
pub type InstanceId = [u8; 16];

/// The one version of both requests.
pub const VERSION: i16 = 0;

/// The answer to GetTelemetrySubscriptions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SubscriptionAnswer {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    /// The new id, or the one of the request: Kafka repeats it, and the protocol allows zeros there.
    pub client_instance_id: InstanceId,
    pub subscription_id: i32,
    /// In the broker's order of preference.
    pub accepted_compression_types: Vec<i8>,
    /// As sent: it may be no interval at all.
    pub push_interval_ms: i32,
    /// As sent: it may be no size at all.
    pub telemetry_max_bytes: i32,
    /// Sums are wanted as what was added since the push before, not as what came together since the start.
    pub delta_temporality: bool,
    /// Prefixes of names; "*" and "" are every metric, an empty list is none.
    pub requested_metrics: Vec<String>,
}

/// What PushTelemetry carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Push<'a> {
    pub client_instance_id: InstanceId,
    pub subscription_id: i32,
    /// The client's last one.
    pub terminating: bool,
    /// 0: none.
    pub compression_type: i8,
    pub metrics: &'a [u8],
}

/// The answer to PushTelemetry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PushAnswer {
    pub throttle_time_ms: i32,
    pub error_code: i16,
}

/// Encodes a GetTelemetrySubscriptions request with its length prefix.
pub fn encode_get_subscriptions(correlation_id: i32, client_id: &str, client_instance_id: &InstanceId) -> Vec<u8> {
    let mut out = Vec::with_capacity(48 + client_id.len());
    begin_request(&mut out, Api::GetTelemetrySubscriptions, VERSION, correlation_id, client_id);
    out.extend_from_slice(client_instance_id);
    put_no_tagged_fields(&mut out, FORM);
    finish_request(&mut out, 0);
    out
}

/// Decodes the body of an answer to GetTelemetrySubscriptions.
pub fn decode_subscriptions(body: &[u8]) -> Result<SubscriptionAnswer, DecodeError> {
    let mut reader = Reader::new(body, FORM);
    let mut answer = SubscriptionAnswer {
        throttle_time_ms: reader.i32("throttle time")?,
        error_code: reader.i16("error code")?,
        client_instance_id: reader.uuid("client instance id")?,
        subscription_id: reader.i32("subscription id")?,
        ..SubscriptionAnswer::default()
    };
    for _ in 0..reader.array_len(1, "accepted compression types")? {
        answer.accepted_compression_types.push(reader.i8("compression type")?);
    }
    answer.push_interval_ms = reader.i32("push interval")?;
    answer.telemetry_max_bytes = reader.i32("telemetry's most bytes")?;
    answer.delta_temporality = reader.bool("delta temporality")?;
    for _ in 0..reader.array_len(1, "requested metrics")? {
        answer.requested_metrics.push(reader.string("requested metric")?.into_owned());
    }
    reader.skip_tagged_fields("subscription's tagged fields")?;
    Ok(answer)
}

/// Encodes a PushTelemetry request with its length prefix.
pub fn encode_push(correlation_id: i32, client_id: &str, push: &Push<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + client_id.len() + push.metrics.len());
    begin_request(&mut out, Api::PushTelemetry, VERSION, correlation_id, client_id);
    out.extend_from_slice(&push.client_instance_id);
    put_i32(&mut out, push.subscription_id);
    put_bool(&mut out, push.terminating);
    put_i8(&mut out, push.compression_type);
    put_array_len(&mut out, FORM, Some(push.metrics.len()));
    out.extend_from_slice(push.metrics);
    put_no_tagged_fields(&mut out, FORM);
    finish_request(&mut out, 0);
    out
}

/// Decodes the body of an answer to PushTelemetry.
pub fn decode_pushed(body: &[u8]) -> Result<PushAnswer, DecodeError> {
    let mut reader = Reader::new(body, FORM);
    let answer = PushAnswer { throttle_time_ms: reader.i32("throttle time")?, error_code: reader.i16("error code")? };
    reader.skip_tagged_fields("push answer's tagged fields")?;
    Ok(answer)
}

/// The id as text: 36 characters, as RFC 9562 writes it.
pub fn instance_id_text(id: &InstanceId) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in id.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}

/// Both requests were born flexible.
const FORM: Form = Form::Flexible;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::{
        GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, PushTelemetryRequest,
        PushTelemetryResponse,
    };
    use proptest::prelude::*;

    use super::super::theirs::{bytes_of, framed, text};
    use super::*;

    const ID: InstanceId = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xf0];

    #[test]
    fn requests_are_what_the_generated_types_encode() {
        let theirs =
            GetTelemetrySubscriptionsRequest::default().with_client_instance_id(ID.to_vec().try_into().unwrap());
        let theirs = framed(Api::GetTelemetrySubscriptions, VERSION, &theirs);
        assert_eq!(encode_get_subscriptions(7, "me", &ID), theirs);
        for len in [0, 1, 127, 128, 20_000] {
            let metrics = vec![0xab; len];
            let theirs = PushTelemetryRequest::default()
                .with_client_instance_id(ID.to_vec().try_into().unwrap())
                .with_subscription_id(-9)
                .with_terminating(true)
                .with_compression_type(0)
                .with_metrics(Bytes::from(metrics.clone()));
            let push = Push {
                client_instance_id: ID,
                subscription_id: -9,
                terminating: true,
                compression_type: 0,
                metrics: &metrics,
            };
            assert_eq!(encode_push(7, "me", &push), framed(Api::PushTelemetry, VERSION, &theirs));
        }
    }

    #[test]
    fn answers_of_the_generated_types_are_read_whole_and_in_part_never() {
        let theirs = GetTelemetrySubscriptionsResponse::default()
            .with_throttle_time_ms(40)
            .with_error_code(89)
            .with_client_instance_id(ID.to_vec().try_into().unwrap())
            .with_subscription_id(-77)
            .with_accepted_compression_types(vec![4, 3, 0])
            .with_push_interval_ms(300_000)
            .with_telemetry_max_bytes(1 << 20)
            .with_delta_temporality(true)
            .with_requested_metrics(vec![text("org.apache.kafka.producer."), text("größe"), text("")])
            .with_unknown_tagged_field(3, Bytes::from_static(b"?"));
        let body = bytes_of(&theirs, VERSION);
        let expected = SubscriptionAnswer {
            throttle_time_ms: 40,
            error_code: 89,
            client_instance_id: ID,
            subscription_id: -77,
            accepted_compression_types: vec![4, 3, 0],
            push_interval_ms: 300_000,
            telemetry_max_bytes: 1 << 20,
            delta_temporality: true,
            requested_metrics: vec!["org.apache.kafka.producer.".into(), "größe".into(), String::new()],
        };
        assert_eq!(decode_subscriptions(&body), Ok(expected));
        assert!((0..body.len()).all(|len| decode_subscriptions(&body[..len]).is_err()));

        let theirs = PushTelemetryResponse::default().with_throttle_time_ms(1).with_error_code(117);
        let body = bytes_of(&theirs, VERSION);
        assert_eq!(decode_pushed(&body), Ok(PushAnswer { throttle_time_ms: 1, error_code: 117 }));
        assert!((0..body.len()).all(|len| decode_pushed(&body[..len]).is_err()));
    }

    #[test]
    fn an_id_is_written_as_uuids_are() {
        assert_eq!(instance_id_text(&ID), "01020304-0506-0708-090a-0b0c0d0e0ff0");
        let theirs =
            GetTelemetrySubscriptionsRequest::default().with_client_instance_id(ID.to_vec().try_into().unwrap());
        assert_eq!(instance_id_text(&ID), theirs.client_instance_id.to_string());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn anything_at_all_is_decoded_or_refused(body: Vec<u8>) {
            let _ = decode_subscriptions(&body);
            let _ = decode_pushed(&body);
        }
    }
}
