//! FindCoordinator, versions 2 to 5: which broker coordinates a group or a transactional id. One key is asked at a time.

use super::header::{Api, begin_request, finish_request};
use super::primitives::{DecodeError, Reader, Result, put_array_len, put_i8, put_no_tagged_fields, put_string};

/// Whose coordinator is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum CoordinatorKind {
    Group,
    Transaction,
}

impl CoordinatorKind {
    const fn key_type(self) -> i8 {
        match self {
            CoordinatorKind::Group => 0,
            CoordinatorKind::Transaction => 1,
        }
    }
}

/// The answer to FindCoordinator about the one key asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FindCoordinatorAnswer {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    /// -1 with an error, as a rule.
    pub node_id: i32,
    /// Empty with an error, as a rule.
    pub host: String,
    /// As sent: it may not be a port number.
    pub port: i32,
}

/// Encodes a FindCoordinator request with its length prefix. `key`: the group's id, or the transactional id.
pub fn encode_find_coordinator(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    kind: CoordinatorKind,
    key: &str,
) -> Vec<u8> {
    let form = Api::FindCoordinator.form(version);
    let mut out = Vec::with_capacity(32 + client_id.len() + key.len());
    begin_request(&mut out, Api::FindCoordinator, version, correlation_id, client_id);
    if version <= 3 {
        put_string(&mut out, form, key);
    }
    put_i8(&mut out, kind.key_type());
    if version >= 4 {
        put_array_len(&mut out, form, Some(1));
        put_string(&mut out, form, key);
    }
    put_no_tagged_fields(&mut out, form);
    finish_request(&mut out, 0);
    out
}

/// Decodes the body of an answer to FindCoordinator of `version`. From v4 on it lists coordinators: any other number than
/// the one asked for is an error.
pub fn decode_find_coordinator(version: i16, body: &[u8]) -> std::result::Result<FindCoordinatorAnswer, DecodeError> {
    let mut reader = Reader::new(body, Api::FindCoordinator.form(version));
    let throttle_time_ms = reader.i32("throttle time")?;
    let answer = match version {
        4.. => read_only_coordinator(throttle_time_ms, &mut reader)?,
        _ => {
            let error_code = reader.i16("error code")?;
            let error_message = read_error_message(&mut reader)?;
            let node_id = reader.i32("coordinator's id")?;
            let host = reader.line("coordinator's host")?;
            let port = reader.i32("coordinator's port")?;
            FindCoordinatorAnswer { throttle_time_ms, error_code, error_message, node_id, host, port }
        }
    };
    reader.skip_tagged_fields("coordinator answer's tagged fields")?;
    Ok(answer)
}

fn read_only_coordinator(throttle_time_ms: i32, reader: &mut Reader<'_>) -> Result<FindCoordinatorAnswer> {
    let not_one = reader.error("the one coordinator asked for");
    if reader.array_len(COORDINATOR_BYTES_MIN, "coordinators")? != 1 {
        return Err(not_one);
    }
    reader.string("coordinator's key")?;
    let node_id = reader.i32("coordinator's id")?;
    let host = reader.line("coordinator's host")?;
    let port = reader.i32("coordinator's port")?;
    let error_code = reader.i16("coordinator's error code")?;
    let error_message = read_error_message(reader)?;
    reader.skip_tagged_fields("coordinator's tagged fields")?;
    Ok(FindCoordinatorAnswer { throttle_time_ms, error_code, error_message, node_id, host, port })
}

fn read_error_message(reader: &mut Reader<'_>) -> Result<Option<String>> {
    reader.nullable_line("coordinator's error message")
}

/// Key, id, host, port, error, message and tagged fields, each at its shortest.
const COORDINATOR_BYTES_MIN: usize = 1 + 4 + 1 + 4 + 2 + 1 + 1;

#[cfg(test)]
mod tests;
