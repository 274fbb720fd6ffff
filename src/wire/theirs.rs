//! For tests: what the generated types of kafka-protocol encode, to be compared with what is written here by hand.

use bytes::BytesMut;
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};

use super::header::Api;

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(super) fn bytes_of(message: &impl Encodable, version: i16) -> Vec<u8> {
    let mut out = BytesMut::new();
    message.encode(&mut out, version).unwrap();
    out.to_vec()
}

/// The request as it is sent: length, header with correlation id 7 and client id "me", body.
pub(super) fn framed<R: Encodable + HeaderVersion>(api: Api, version: i16, request: &R) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(api.key())
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(text("me")));
    let rest = [bytes_of(&header, R::header_version(version)), bytes_of(request, version)].concat();
    [&(rest.len() as i32).to_be_bytes()[..], &rest].concat()
}
