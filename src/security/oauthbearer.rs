//! OAUTHBEARER (RFC 7628): a token in one message, with SASL extensions (KIP-342) behind it.

use serde_json::Value;

use crate::error::{Error, Result, Status};
use crate::secret::{Secret, SecretBytes};
use crate::security::exchange::{Exchange, Step};
use crate::security::login::Refusal;
use crate::security::mask::Mask;
use crate::security::token::Token;

/// Longest token that is taken; brokers take half a megabyte of any message (sasl.server.max.receive.size).
const TOKEN_MAX: usize = 500_000;
/// Longest answer of a broker that is looked at.
const ANSWER_MAX: usize = 16_384;
/// Most extensions of a token.
const EXTENSIONS_MAX: usize = 100;
/// What RFC 7628 wants said to an error, so that the broker ends the exchange itself.
const UNDERSTOOD: &[u8] = b"\x01";

/// Refuses what no message can carry, or what is of no use any more.
pub fn check_token(token: &Token, now_ms: i64) -> Result<()> {
    let wrong = |text: &str| Err(Error::new(Status::INVALID_ARGUMENT, text));
    let value = token.value.reveal();
    if value.is_empty() {
        return wrong("token is empty: give the one that the broker is to see");
    }
    if value.len() > TOKEN_MAX {
        return wrong("token is longer than 500000 bytes, which no broker takes");
    }
    if !value.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return wrong(
            "token holds white space or signs that are not ASCII: give the encoded token alone, without 'Bearer'",
        );
    }
    if token.expires_at_ms <= now_ms {
        let late_ms = now_ms.saturating_sub(token.expires_at_ms);
        return Err(Error::new(
            Status::INVALID_ARGUMENT,
            format!(
                "token has been expired for {} s by this machine's clock: give its end in milliseconds since 1970, and check \
                 the clock",
                late_ms / 1000
            ),
        ));
    }
    check_extensions(&token.extensions)
}

/// RFC 7628's rules for names and values; `auth` is the token's own place.
pub fn check_extensions(extensions: &[(String, String)]) -> Result<()> {
    let wrong = |text: String| Err(Error::new(Status::INVALID_ARGUMENT, text));
    if extensions.len() > EXTENSIONS_MAX {
        return wrong(format!("there are more than {EXTENSIONS_MAX} SASL extensions"));
    }
    for (at, (name, value)) in extensions.iter().enumerate() {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return wrong(format!("the name of SASL extension {at} is not made of letters alone"));
        }
        if name == "auth" {
            return wrong("a SASL extension may not be called auth: that is the token's place".to_owned());
        }
        let is_legal = |byte: u8| (0x20..=0x7e).contains(&byte) || matches!(byte, b'\t' | b'\r' | b'\n');
        if value.is_empty() || !value.bytes().all(is_legal) {
            return wrong(format!("the value of the SASL extension {name} is empty or holds signs that are not ASCII"));
        }
        if extensions[..at].iter().any(|(other, _)| other == name) {
            return wrong(format!("the SASL extension {name} is there twice"));
        }
    }
    Ok(())
}

/// One exchange with one token.
pub struct Bearer {
    message: SecretBytes,
    token: Secret,
    /// The broker's error, once it has told one.
    refused: Option<String>,
}

impl Bearer {
    pub fn new(token: &Token) -> Bearer {
        let mut parts = vec!["n,,\x01auth=Bearer ", token.value.reveal()];
        for (name, value) in &token.extensions {
            parts.extend(["\x01", name, "=", value]);
        }
        parts.push("\x01\x01");
        // Made room for first, or the token would stay in memory that it grew out of.
        let message = SecretBytes::new(parts.concat().into_bytes());
        Bearer { message, token: token.value.clone(), refused: None }
    }
}

impl Exchange for Bearer {
    fn start(&mut self) -> std::result::Result<Vec<u8>, Refusal> {
        Ok(self.message.take())
    }

    fn secrets(&self) -> Vec<Secret> {
        vec![self.token.clone()]
    }

    fn step(&mut self, challenge: &[u8]) -> std::result::Result<Step, Refusal> {
        if let Some(refused) = &self.refused {
            // It was to end the exchange with an error of its own.
            return Err(Refusal::of_exchange(refused.clone()));
        }
        if challenge.is_empty() {
            return Ok(Step::Done);
        }
        self.refused = Some(refusal_text(challenge, &Mask::of([&self.token])));
        Ok(Step::Send(UNDERSTOOD.to_vec()))
    }
}

/// The broker's `{"status":…,"scope":…,"openid-configuration":…}` in words, without what `mask` hides.
pub fn refusal_text(answer: &[u8], mask: &Mask) -> String {
    let json = answer.get(..ANSWER_MAX.min(answer.len())).and_then(|text| serde_json::from_slice::<Value>(text).ok());
    let word = |name: &str| {
        let word = json.as_ref()?.get(name)?.as_str()?;
        Some(mask.said(word).chars().take(200).collect::<String>()).filter(|word| !word.is_empty())
    };
    let mut text = match word("status") {
        Some(status) => format!("the broker refused the token: {status}"),
        None => "the broker refused the token and did not say why".to_owned(),
    };
    if let Some(scope) = word("scope") {
        text.push_str(&format!("; it wants the scope {scope}"));
    }
    if let Some(url) = word("openid-configuration") {
        text.push_str(&format!("; tokens are given by {url}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(value: &str, extensions: &[(&str, &str)]) -> Token {
        Token {
            value: Secret::from(value),
            expires_at_ms: 2_000,
            principal: "p".into(),
            extensions: extensions.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        }
    }

    #[test]
    fn the_message_is_that_of_rfc_7628() {
        let mut plain = Bearer::new(&token("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==", &[]));
        assert_eq!(plain.start().unwrap(), b"n,,\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01");
        assert_eq!(plain.step(b""), Ok(Step::Done));
        let mut extended = Bearer::new(&token("t", &[("logicalCluster", "lkc-1"), ("identityPoolId", "pool 7")]));
        assert_eq!(
            extended.start().unwrap(),
            b"n,,\x01auth=Bearer t\x01logicalCluster=lkc-1\x01identityPoolId=pool 7\x01\x01"
        );
    }

    #[test]
    fn an_error_is_answered_and_told() {
        let mut bearer = Bearer::new(&token("s3cret", &[]));
        bearer.start().unwrap();
        let error = br#"{"status":"invalid_token","scope":"kafka","openid-configuration":"https://idp/x"}"#;
        assert_eq!(bearer.step(error), Ok(Step::Send(b"\x01".to_vec())));
        let refusal = bearer.step(b"").unwrap_err();
        assert_eq!(
            refusal.text,
            "the broker refused the token: invalid_token; it wants the scope kafka; tokens are given by https://idp/x"
        );
        for odd in [&b"\xff"[..], b"{}", b"[]", b"{\"status\":7}", &[b'['; 100_000]] {
            assert_eq!(refusal_text(odd, &Mask::default()), "the broker refused the token and did not say why");
        }
        assert_eq!(refusal_text(b"{\"status\":\"a\\nb\"}", &Mask::default()), "the broker refused the token: a b");
    }

    #[test]
    fn a_broker_that_repeats_the_token_is_not_repeated() {
        let mut bearer = Bearer::new(&token("s3cret.token", &[]));
        bearer.start().unwrap();
        bearer.step(br#"{"status":"no such token: s3cret.token"}"#).unwrap();
        assert_eq!(bearer.step(b"").unwrap_err().text, "the broker refused the token: no such token: ***");
    }

    #[test]
    fn tokens_and_extensions_that_no_message_can_carry_are_refused() {
        let says = |token: &Token, now_ms: i64| check_token(token, now_ms).unwrap_err().message;
        assert!(check_token(&token("abc.def", &[("a", "b c")]), 1_999).is_ok());
        assert!(says(&token("abc", &[]), 2_000).contains("expired for 0 s"));
        assert!(says(&token("", &[]), 0).contains("token is empty"));
        assert!(says(&token("a\x01b", &[]), 0).contains("white space or signs"));
        assert!(says(&token("Bearer s3cret", &[]), 0).contains("without 'Bearer'"));
        assert!(!says(&token("Bearer s3cret", &[]), 0).contains("s3cret"));
        assert!(says(&token(&"x".repeat(TOKEN_MAX + 1), &[]), 0).contains("longer"));
        assert!(says(&token("t", &[("auth", "x")]), 0).contains("may not be called auth"));
        assert!(says(&token("t", &[("a1", "x")]), 0).contains("letters alone"));
        assert!(says(&token("t", &[("", "x")]), 0).contains("letters alone"));
        assert!(says(&token("t", &[("a", "")]), 0).contains("empty"));
        assert!(says(&token("t", &[("a", "x\x01y")]), 0).contains("not ASCII"));
        assert!(says(&token("t", &[("a", "x"), ("a", "y")]), 0).contains("twice"));
        assert!(says(&token("t", &vec![("a", "x"); 101]), 0).contains("more than 100"));
    }
}
