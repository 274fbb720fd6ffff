//! Tokens that nobody signed, for tests of brokers that take them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::secret::Secret;
use crate::security::login::Refusal;
use crate::security::token::{Token, TokenGetter};

/// Makes them as librdkafka's `sasl.oauthbearer.config` says.
pub struct UnsecuredTokens {
    principal: String,
    principal_claim: String,
    scope: Vec<String>,
    scope_claim: String,
    life_seconds: i64,
    extensions: Vec<(String, String)>,
}

impl UnsecuredTokens {
    /// `config`: `principalClaimName=sub principal=me scopeClaimName=scope scope=a,b lifeSeconds=3600
    /// extension_name=value`. The error continues a sentence that begins with the property's name.
    pub fn new(config: &str, extensions: Vec<(String, String)>) -> Result<UnsecuredTokens, String> {
        let mut tokens = UnsecuredTokens {
            principal: String::new(),
            principal_claim: "sub".to_owned(),
            scope: Vec::new(),
            scope_claim: "scope".to_owned(),
            life_seconds: 3600,
            extensions,
        };
        for pair in config.split_whitespace() {
            let Some((name, value)) = pair.split_once('=').filter(|(_, value)| !value.is_empty()) else {
                return Err("has a part that is not name=value".to_owned());
            };
            match name {
                "principal" => tokens.principal = value.to_owned(),
                "principalClaimName" => tokens.principal_claim = value.to_owned(),
                "scope" => tokens.scope = value.split(',').map(str::to_owned).collect(),
                "scopeClaimName" => tokens.scope_claim = value.to_owned(),
                "lifeSeconds" => {
                    tokens.life_seconds = value
                        .parse()
                        .ok()
                        .filter(|seconds| (1..=i64::from(u32::MAX)).contains(seconds))
                        .ok_or("has a lifeSeconds that is no number of seconds from 1 on")?;
                }
                _ => match name.strip_prefix("extension_").filter(|name| !name.is_empty()) {
                    Some(name) => tokens.extensions.push((name.to_owned(), value.to_owned())),
                    None => {
                        return Err(format!(
                            "has {name}; known are principal, principalClaimName, scope, scopeClaimName, lifeSeconds and extension_NAME"
                        ));
                    }
                },
            }
        }
        Ok(tokens)
    }
}

impl TokenGetter for UnsecuredTokens {
    fn get(&mut self, now_ms: i64) -> Result<Token, Refusal> {
        let mut claims = Map::new();
        if !self.principal.is_empty() {
            claims.insert(self.principal_claim.clone(), json!(self.principal));
        }
        let seconds = now_ms / 1000;
        claims.insert("iat".to_owned(), json!(seconds));
        claims.insert("exp".to_owned(), json!(seconds + self.life_seconds));
        if !self.scope.is_empty() {
            claims.insert(self.scope_claim.clone(), json!(self.scope));
        }
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let payload = URL_SAFE_NO_PAD.encode(Value::Object(claims).to_string());
        Ok(Token {
            value: Secret::new(format!("{header}.{payload}.")),
            expires_at_ms: (seconds + self.life_seconds) * 1000,
            principal: self.principal.clone(),
            extensions: self.extensions.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_claims_that_are_configured() {
        let config = "principal=me principalClaimName=azp scope=a,b lifeSeconds=60 extension_traceId=7";
        let token =
            UnsecuredTokens::new(config, Vec::new()).expect("a config").get(1_700_000_000_999).expect("a token");
        let (content, _) = token.value.reveal().rsplit_once('.').expect("three parts");
        let (_, payload) = content.split_once('.').expect("three parts");
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64")).expect("JSON");
        assert_eq!(claims, json!({"azp": "me", "iat": 1_700_000_000, "exp": 1_700_000_060, "scope": ["a", "b"]}));
        assert_eq!(token.expires_at_ms, 1_700_000_060_000);
        assert_eq!(token.extensions, [("traceId".to_owned(), "7".to_owned())]);
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (config, words) in [
            ("principal", "name=value"),
            ("principal=", "name=value"),
            ("lifeSeconds=0", "lifeSeconds"),
            ("color=red", "color"),
            ("extension_=x", "extension_"),
        ] {
            let what = UnsecuredTokens::new(config, Vec::new()).err().expect(config);
            assert!(what.contains(words), "{what}");
        }
    }
}
