//! Request and response headers, and the four length bytes in front of a request.

use super::primitives::{Form, Reader, Result, put_i16, put_i32, put_no_tagged_fields, put_nullable_string};

/// The requests this library sends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Api {
    Produce,
    Metadata,
    ApiVersions,
    SaslHandshake,
    SaslAuthenticate,
    FindCoordinator,
    InitProducerId,
    AddPartitionsToTxn,
    AddOffsetsToTxn,
    TxnOffsetCommit,
    EndTxn,
    GetTelemetrySubscriptions,
    PushTelemetry,
}

impl Api {
    pub const ALL: [Api; 13] = [
        Api::Produce,
        Api::Metadata,
        Api::ApiVersions,
        Api::SaslHandshake,
        Api::SaslAuthenticate,
        Api::FindCoordinator,
        Api::InitProducerId,
        Api::AddPartitionsToTxn,
        Api::AddOffsetsToTxn,
        Api::TxnOffsetCommit,
        Api::EndTxn,
        Api::GetTelemetrySubscriptions,
        Api::PushTelemetry,
    ];

    pub const fn key(self) -> i16 {
        match self {
            Api::Produce => 0,
            Api::Metadata => 3,
            Api::FindCoordinator => 10,
            Api::SaslHandshake => 17,
            Api::ApiVersions => 18,
            Api::InitProducerId => 22,
            Api::AddPartitionsToTxn => 24,
            Api::AddOffsetsToTxn => 25,
            Api::EndTxn => 26,
            Api::TxnOffsetCommit => 28,
            Api::SaslAuthenticate => 36,
            Api::GetTelemetrySubscriptions => 71,
            Api::PushTelemetry => 72,
        }
    }

    /// Kafka's name, for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Api::Produce => "Produce",
            Api::Metadata => "Metadata",
            Api::ApiVersions => "ApiVersions",
            Api::SaslHandshake => "SaslHandshake",
            Api::SaslAuthenticate => "SaslAuthenticate",
            Api::FindCoordinator => "FindCoordinator",
            Api::InitProducerId => "InitProducerId",
            Api::AddPartitionsToTxn => "AddPartitionsToTxn",
            Api::AddOffsetsToTxn => "AddOffsetsToTxn",
            Api::TxnOffsetCommit => "TxnOffsetCommit",
            Api::EndTxn => "EndTxn",
            Api::GetTelemetrySubscriptions => "GetTelemetrySubscriptions",
            Api::PushTelemetry => "PushTelemetry",
        }
    }

    /// The versions that `wire` can encode and decode: (lowest, highest).
    pub const fn versions(self) -> (i16, i16) {
        match self {
            Api::Produce => (7, 13),
            Api::Metadata => (7, 13),
            Api::ApiVersions => (0, 5),
            Api::SaslHandshake => (1, 1),
            Api::SaslAuthenticate => (0, 2),
            Api::FindCoordinator => (2, 5),
            Api::InitProducerId => (1, 6),
            // From v4 on this is a request between brokers.
            Api::AddPartitionsToTxn => (1, 3),
            Api::AddOffsetsToTxn => (1, 4),
            Api::TxnOffsetCommit => (2, 5),
            Api::EndTxn => (1, 5),
            Api::GetTelemetrySubscriptions | Api::PushTelemetry => (0, 0),
        }
    }

    const fn first_flexible(self) -> i16 {
        match self {
            Api::Produce | Api::Metadata => 9,
            Api::InitProducerId | Api::SaslAuthenticate => 2,
            // It never became flexible.
            Api::SaslHandshake => i16::MAX,
            Api::GetTelemetrySubscriptions | Api::PushTelemetry => 0,
            Api::ApiVersions
            | Api::FindCoordinator
            | Api::AddPartitionsToTxn
            | Api::AddOffsetsToTxn
            | Api::TxnOffsetCommit
            | Api::EndTxn => 3,
        }
    }

    /// How the body of `version` is written.
    pub const fn form(self, version: i16) -> Form {
        if version >= self.first_flexible() { Form::Flexible } else { Form::Classic }
    }

    /// How the header of the response to `version` is written.
    pub const fn response_header_form(self, version: i16) -> Form {
        match self {
            // A client must be able to read it before it knows what the broker speaks.
            Api::ApiVersions => Form::Classic,
            _ => self.form(version),
        }
    }
}

/// Starts a request in `out`, which is cleared: room for the length, then the header. `finish_request` fills the length
/// in.
pub fn begin_request(out: &mut Vec<u8>, api: Api, version: i16, correlation_id: i32, client_id: &str) {
    out.clear();
    put_i32(out, 0);
    put_i16(out, api.key());
    put_i16(out, version);
    put_i32(out, correlation_id);
    // The client id is in the classic form in every header version; only the tagged fields tell v2 from v1.
    put_nullable_string(out, Form::Classic, Some(client_id));
    put_no_tagged_fields(out, api.form(version));
}

/// Writes the length of all that follows it: the rest of `out` and `elsewhere` bytes that are sent between its parts.
///
/// # Panics
/// When `out` was not begun with `begin_request` or the request is 2 GiB or more; `max.request.size` forbids both.
pub fn finish_request(out: &mut [u8], elsewhere: usize) {
    let len = i32::try_from(out.len() - 4 + elsewhere).expect("requests are bounded by max.request.size");
    out[..4].copy_from_slice(&len.to_be_bytes());
}

/// The correlation id of a response `frame` (without its length): enough to find the request that it answers.
pub fn response_correlation_id(frame: &[u8]) -> Result<i32> {
    Reader::new(frame, Form::Classic).i32("correlation id")
}

/// A response `frame` (without its length) taken apart: correlation id and body.
pub fn split_response(api: Api, version: i16, frame: &[u8]) -> Result<(i32, &[u8])> {
    let mut reader = Reader::new(frame, api.response_header_form(version));
    let correlation_id = reader.i32("correlation id")?;
    reader.skip_tagged_fields("response header's tagged fields")?;
    Ok((correlation_id, reader.rest()))
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, BytesMut};
    use kafka_protocol::messages::{
        AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ApiVersionsRequest, EndTxnRequest, FindCoordinatorRequest,
        GetTelemetrySubscriptionsRequest, InitProducerIdRequest, MetadataRequest, ProduceRequest, PushTelemetryRequest,
        RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslHandshakeRequest, TxnOffsetCommitRequest,
    };
    use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request};

    use super::*;

    struct Theirs {
        api: Api,
        key: i16,
        request_header: fn(i16) -> i16,
        response_header: fn(i16) -> i16,
    }

    fn of<R: Request>(api: Api) -> Theirs {
        Theirs {
            api,
            key: R::KEY,
            request_header: R::header_version,
            response_header: <R::Response as HeaderVersion>::header_version,
        }
    }

    fn theirs() -> [Theirs; 13] {
        [
            of::<ProduceRequest>(Api::Produce),
            of::<MetadataRequest>(Api::Metadata),
            of::<ApiVersionsRequest>(Api::ApiVersions),
            of::<SaslHandshakeRequest>(Api::SaslHandshake),
            of::<SaslAuthenticateRequest>(Api::SaslAuthenticate),
            of::<FindCoordinatorRequest>(Api::FindCoordinator),
            of::<InitProducerIdRequest>(Api::InitProducerId),
            of::<AddPartitionsToTxnRequest>(Api::AddPartitionsToTxn),
            of::<AddOffsetsToTxnRequest>(Api::AddOffsetsToTxn),
            of::<TxnOffsetCommitRequest>(Api::TxnOffsetCommit),
            of::<EndTxnRequest>(Api::EndTxn),
            of::<GetTelemetrySubscriptionsRequest>(Api::GetTelemetrySubscriptions),
            of::<PushTelemetryRequest>(Api::PushTelemetry),
        ]
    }

    #[test]
    fn headers_are_those_of_the_generated_types_in_every_version() {
        assert!(Api::ALL.iter().all(|api| theirs().iter().any(|theirs| theirs.api == *api)));
        for Theirs { api, key, request_header, response_header } in theirs() {
            assert_eq!(api.key(), key, "{}", api.name());
            let (min, max) = api.versions();
            for version in min..=max {
                let mut out = b"left over".to_vec();
                begin_request(&mut out, api, version, -5, "client");
                out.extend_from_slice(b"body");
                finish_request(&mut out, 1_000);
                let mut bytes = &out[..];
                assert_eq!(bytes.get_i32() as usize, out.len() - 4 + 1_000);
                let header = RequestHeader::decode(&mut bytes, request_header(version)).unwrap();
                assert_eq!(header.request_api_key, key);
                assert_eq!(header.request_api_version, version);
                assert_eq!(header.correlation_id, -5);
                assert_eq!(header.client_id.as_deref(), Some("client"));
                assert_eq!(bytes, b"body");

                let mut frame = BytesMut::new();
                ResponseHeader::default().with_correlation_id(99).encode(&mut frame, response_header(version)).unwrap();
                let head_len = frame.len();
                frame.extend_from_slice(b"body");
                assert_eq!(response_correlation_id(&frame), Ok(99));
                assert_eq!(split_response(api, version, &frame), Ok((99, &b"body"[..])));
                for len in 0..head_len {
                    assert!(split_response(api, version, &frame[..len]).is_err());
                }
            }
        }
    }

    #[test]
    fn tagged_fields_of_a_response_header_are_passed_over() {
        let frame = [0, 0, 0, 1, 1, 3, 2, 0xaa, 0xbb, 7];
        assert_eq!(split_response(Api::Produce, 9, &frame), Ok((1, &[7][..])));
    }
}
