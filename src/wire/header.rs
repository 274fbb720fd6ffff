//! Request and response headers, and the four length bytes in front of a request.

use super::primitives::{Form, Reader, Result, put_i16, put_i32, put_no_tagged_fields, put_nullable_string};

/// The requests this library sends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Api {
    Produce,
    Metadata,
    ApiVersions,
}

impl Api {
    pub const fn key(self) -> i16 {
        match self {
            Api::Produce => 0,
            Api::Metadata => 3,
            Api::ApiVersions => 18,
        }
    }

    /// Kafka's name, for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Api::Produce => "Produce",
            Api::Metadata => "Metadata",
            Api::ApiVersions => "ApiVersions",
        }
    }

    /// The versions that `wire` can encode and decode: (lowest, highest).
    pub const fn versions(self) -> (i16, i16) {
        match self {
            Api::Produce => (7, 12),
            Api::Metadata => (7, 12),
            Api::ApiVersions => (0, 3),
        }
    }

    const fn first_flexible(self) -> i16 {
        match self {
            Api::Produce | Api::Metadata => 9,
            Api::ApiVersions => 3,
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

/// Starts a request in `out`, which is cleared: room for the length, then the header. `finish_request` fills the length in.
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
