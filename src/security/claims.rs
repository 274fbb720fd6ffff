//! What a JWT says about itself. It is read for times and names only: who checks the signature is the broker.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The payload of a token; empty for one that is no JWT.
#[derive(Clone, PartialEq, Default)]
pub struct Claims(serde_json::Map<String, Value>);

impl Claims {
    /// Opaque tokens have none.
    pub fn of_token(token: &str) -> Claims {
        let mut parts = token.split('.');
        let payload = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(payload), Some(_), None) => payload,
            _ => return Claims::default(),
        };
        let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).unwrap_or_default();
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(claims)) => Claims(claims),
            _ => Claims::default(),
        }
    }

    /// The claim `exp` in milliseconds since 1970.
    pub fn expires_at_ms(&self) -> Option<i64> {
        millis(self.0.get("exp")?)
    }

    /// A claim that is a text; empty when there is none.
    pub fn text(&self, name: &str) -> String {
        let name = if name.is_empty() { "sub" } else { name };
        self.0.get(name).and_then(Value::as_str).unwrap_or("").to_owned()
    }
}

/// Seconds, whole or not, as a number or a text, in milliseconds.
pub fn millis(seconds: &Value) -> Option<i64> {
    let whole = match seconds {
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Some(whole),
            // Out of range it saturates, which is as good as never.
            None => number.as_f64().filter(|seconds| seconds.is_finite()).map(|seconds| seconds as i64),
        },
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    whole.map(|seconds| seconds.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::testing::unsigned;

    #[test]
    fn claims_are_read() {
        let claims = Claims::of_token(&unsigned(r#"{"exp":1700000000.7,"azp":"me"}"#));
        assert_eq!(claims.expires_at_ms(), Some(1_700_000_000_000));
        assert_eq!((claims.text("azp").as_str(), claims.text("").as_str()), ("me", ""));
    }

    #[test]
    fn what_is_no_jwt_has_no_claims() {
        for token in [
            "",
            "opaque",
            "a.b",
            "a.b.c",
            "a.b.c.d",
            "..",
            &unsigned("[1]"),
            &unsigned("{"),
            &unsigned(r#"{"exp":{}}"#),
        ] {
            assert_eq!(Claims::of_token(token).expires_at_ms(), None, "{token}");
        }
        let far = Claims::of_token(&unsigned(r#"{"exp":1e300}"#));
        assert_eq!(far.expires_at_ms(), Some(i64::MAX));
    }
}
