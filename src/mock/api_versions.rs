//! ApiVersions v0-5, with the finalized feature `transaction.version` unless its level is 0. A version above ours is
//! answered in version 0 with error 35 and the range of ApiVersions alone, as Kafka does.

use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey};
use kafka_protocol::protocol::StrBytes;

use super::cluster::Cluster;
use super::reader::ReadResult;
use super::request::{API_RANGES, ApiRange, Outcome, Request};
use super::{api_key, code};

fn announced(cluster: &Cluster, range: &ApiRange) -> Option<ApiVersion> {
    let max_version = range.max_for(cluster);
    let version = ApiVersion::default().with_api_key(range.api_key).with_min_version(range.min_announced);
    (max_version >= range.min).then(|| version.with_max_version(max_version))
}

pub(super) fn handle(cluster: &mut Cluster, mut request: Request<'_>, injected: Option<i16>) -> ReadResult<Outcome> {
    let mut error_code = injected.unwrap_or(code::NONE);
    if request.api_version >= 3 {
        let (name, version) = (request.body.string()?, request.body.string()?);
        let destination = match request.api_version >= 5 {
            true => (request.body.nullable_string()?, request.body.i32()?),
            false => (None, -1),
        };
        request.body.tagged_fields()?;
        error_code = match destination {
            _ if error_code != code::NONE => error_code,
            (None, -1) => code::NONE,
            (None, _) | (_, -1) => code::INVALID_REQUEST,
            // KIP-1242.
            (Some(id), node) if id != cluster.options.cluster_id || node != request.broker => {
                code::REBOOTSTRAP_REQUIRED
            }
            _ => code::NONE,
        };
        if !is_legal_software_word(name) || !is_legal_software_word(version) {
            error_code = code::INVALID_REQUEST;
        }
    }
    request.body.end()?;
    let mut response = ApiVersionsResponse::default().with_error_code(error_code);
    if error_code == code::NONE {
        response.api_keys = API_RANGES.iter().filter_map(|range| announced(cluster, range)).collect();
    }
    if request.api_version >= 3 && error_code == code::NONE {
        response.finalized_features_epoch = cluster.transactions.features_epoch;
        response.finalized_features = finalized_features(cluster.transactions.version);
    }
    if request.api_version >= 1 {
        response.throttle_time_ms = request.throttle_ms(cluster);
    }
    // The generated types end with v4, whose form is v5's.
    request.encode_in_version(&response, request.api_version.min(4)).map(Outcome::Respond)
}

/// A feature of level 0 is not finalized. (Among the supported features Kafka hides it from v3, since its lowest level
/// is 0.)
fn finalized_features(transaction_version: i16) -> Vec<FinalizedFeatureKey> {
    let feature = FinalizedFeatureKey::default()
        .with_name(StrBytes::from_static_str("transaction.version"))
        .with_min_version_level(transaction_version)
        .with_max_version_level(transaction_version);
    if transaction_version > 0 { vec![feature] } else { Vec::new() }
}

/// The answer to a version that this broker does not speak.
pub(super) fn refuse(cluster: &Cluster, request: &Request<'_>) -> Outcome {
    let own_range = API_RANGES.iter().find(|range| range.api_key == api_key::API_VERSIONS);
    let api_keys = own_range.and_then(|range| announced(cluster, range)).into_iter().collect();
    let response = ApiVersionsResponse::default().with_error_code(code::UNSUPPORTED_VERSION).with_api_keys(api_keys);
    request.encode_in_version(&response, 0).map_or(Outcome::Disconnect, Outcome::Respond)
}

/// KIP-511: `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`.
fn is_legal_software_word(word: &str) -> bool {
    let bytes = word.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::is_legal_software_word;

    #[test]
    fn software_words_follow_kip_511() {
        for legal in ["a", "libkproducer", "0.1.0", "a-b.c", "A9"] {
            assert!(is_legal_software_word(legal), "{legal}");
        }
        for illegal in ["", "-a", "a-", "a b", ".1", "1.", "ä", "a_b"] {
            assert!(!is_legal_software_word(illegal), "{illegal}");
        }
    }
}
