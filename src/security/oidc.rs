//! Tokens from a token endpoint of OAuth 2: client credentials (KIP-768), a signed assertion (KIP-1139), Azure's
//! metadata service.
//!
//! One question for each token. Trying again after a failure is the caller's business; the refusal says whether it
//! makes sense.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::error::Status;
use crate::secret::Secret;
use crate::security::assertion::Assertion;
use crate::security::claims::{Claims, millis};
use crate::security::http::{Answer, Http, Method, Question, form_encoded, shown_url};
use crate::security::login::Refusal;
use crate::security::token::{Token, TokenGetter};

/// What entitles the client to a token.
pub enum Grant {
    /// Client id and secret, in the Authorization header.
    Secret {
        client_id: String,
        client_secret: Secret,
        /// KIP-1025: both are percent-encoded first, as RFC 6749 says and many endpoints do not want.
        is_urlencoded: bool,
    },
    /// Client credentials proved by an assertion instead of a secret (RFC 7523, 2.2).
    ClientAssertion { client_id: String, assertion: Assertion },
    /// An assertion is what the token is given for (RFC 7523, 2.1).
    JwtBearer { assertion: Assertion },
    /// The machine's own identity, asked of Azure's metadata service with this query.
    AzureMachine { query: Secret },
}

/// Where Azure's machines ask.
pub const AZURE_URL: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// Gets tokens from one endpoint.
pub struct TokenEndpoint {
    pub http: Http,
    pub url: String,
    pub grant: Grant,
    pub scope: String,
    pub sub_claim: String,
    pub extensions: Vec<(String, String)>,
}

impl TokenGetter for TokenEndpoint {
    fn get(&mut self, now_ms: i64) -> Result<Token, Refusal> {
        let answer = self.ask(now_ms)?;
        if !(200..300).contains(&answer.status) {
            return Err(self.refused(&answer));
        }
        let got = read_answer(&answer.body, now_ms).map_err(|what| {
            let text = format!("the token endpoint {} answered with {what}", shown_url(&self.url));
            Refusal { status: Status::CREDENTIALS, text, is_permanent: true }
        })?;
        let principal = Claims::of_token(got.token.reveal()).text(&self.sub_claim);
        Ok(Token { value: got.token, expires_at_ms: got.expires_at_ms, principal, extensions: self.extensions.clone() })
    }
}

impl TokenEndpoint {
    fn ask(&mut self, now_ms: i64) -> Result<Answer, Refusal> {
        let mut authorization = Secret::default();
        let confided;
        let mut form = Vec::new();
        match &mut self.grant {
            Grant::Secret { client_id, client_secret, is_urlencoded } => {
                authorization = basic(client_id, client_secret, *is_urlencoded);
                confided = client_secret.clone();
                form.push(("grant_type", Secret::from("client_credentials")));
            }
            Grant::ClientAssertion { client_id, assertion } => {
                form.push(("grant_type", Secret::from("client_credentials")));
                if !client_id.is_empty() {
                    form.push(("client_id", Secret::from(client_id.as_str())));
                }
                form.push((
                    "client_assertion_type",
                    Secret::from("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ));
                confided = assertion.make(now_ms)?;
                form.push(("client_assertion", confided.clone()));
            }
            Grant::JwtBearer { assertion } => {
                form.push(("grant_type", Secret::from("urn:ietf:params:oauth:grant-type:jwt-bearer")));
                confided = assertion.make(now_ms)?;
                form.push(("assertion", confided.clone()));
            }
            Grant::AzureMachine { query } => {
                let separator = match (query.is_empty(), self.url.contains('?')) {
                    (true, _) => "",
                    (false, true) => "&",
                    (false, false) => "?",
                };
                let url = Secret::concat(&[&self.url, separator, query.reveal()]);
                let question = Question {
                    method: Method::Get,
                    url: url.reveal(),
                    headers: &[("Metadata", "true"), ("Accept", "application/json")],
                    body: "",
                };
                return self.http.ask_in_confidence(&question, &[query.reveal()]).map_err(|trouble| trouble.refusal());
            }
        }
        if !self.scope.is_empty() {
            form.push(("scope", Secret::from(self.scope.as_str())));
        }
        let mut body = Secret::default();
        for (name, value) in &form {
            let value = Secret::new(form_encoded(value.reveal()));
            let and = if body.is_empty() { "" } else { "&" };
            [and, name, "=", value.reveal()].iter().for_each(|part| body.push_str(part));
        }
        let mut headers = vec![
            ("Accept", "application/json"),
            ("Cache-Control", "no-cache"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        if !authorization.is_empty() {
            headers.push(("Authorization", authorization.reveal()));
        }
        let question = Question { method: Method::Post, url: &self.url, headers: &headers, body: body.reveal() };
        self.http.ask_in_confidence(&question, &[confided.reveal()]).map_err(|trouble| trouble.refusal())
    }

    fn refused(&self, answer: &Answer) -> Refusal {
        let (url, status) = (shown_url(&self.url), answer.status);
        let said = self.http.said(&oauth_error(&answer.body));
        let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
        let is_permanent = is_final(status);
        let remedy = match (status, &self.grant) {
            (400 | 401, Grant::Secret { .. }) => {
                "; check sasl.oauthbearer.client.credentials.client.id and .client.secret, sasl.oauthbearer.scope and sasl.oauthbearer.header.urlencode"
            }
            (400 | 401, Grant::AzureMachine { .. }) => {
                "; check the resource and client_id of sasl.oauthbearer.config, and that the machine has this identity"
            }
            (400 | 401, _) => "; check the claims, the key and the algorithm of sasl.oauthbearer.assertion.*",
            (403, _) => "; the client may not have a token for this scope",
            (404 | 405, _) => "; check sasl.oauthbearer.token.endpoint.url",
            _ => "",
        };
        let text = format!("the token endpoint {url} answered with HTTP status {status}{said}{remedy}");
        Refusal { status: Status::CREDENTIALS, text, is_permanent }
    }
}

/// Asking the same again will be answered the same. Of the client's errors, a few pass with time.
fn is_final(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 408 | 421 | 423 | 425 | 429) || matches!(status, 501 | 505)
}

fn basic(client_id: &str, client_secret: &Secret, is_urlencoded: bool) -> Secret {
    let pair = if is_urlencoded {
        let secret = Secret::new(form_encoded(client_secret.reveal()));
        Secret::concat(&[&form_encoded(client_id), ":", secret.reveal()])
    } else {
        Secret::concat(&[client_id, ":", client_secret.reveal()])
    };
    let encoded = Secret::new(STANDARD.encode(pair.reveal()));
    Secret::concat(&["Basic ", encoded.reveal()])
}

/// The life of a token that nobody tells the end of: without one it would be shown for ever.
const UNKNOWN_LIFE_MS: i64 = 300_000;

/// A token as the endpoint gives it.
pub struct Given {
    pub token: Secret,
    pub expires_at_ms: i64,
}

/// Reads the JSON of an endpoint. The error names what is in its place, and never the token.
pub fn read_answer(body: &[u8], now_ms: i64) -> Result<Given, &'static str> {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return Err("something that is not JSON; is the URL the token endpoint's?");
    };
    let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let Some(token) = text("access_token").or_else(|| text("id_token")) else {
        return Err("JSON without access_token and id_token; is the URL the token endpoint's?");
    };
    if token.bytes().any(|byte| !(0x21..=0x7e).contains(&byte)) {
        return Err("a token with characters that no token has");
    }
    // The token's own word counts, since the broker goes by it.
    let by_claim = Claims::of_token(token).expires_at_ms();
    let by_answer = || Some(now_ms.saturating_add(millis(answer.get("expires_in")?)?));
    let expires_at_ms = by_claim.or_else(by_answer).unwrap_or(now_ms.saturating_add(UNKNOWN_LIFE_MS));
    if expires_at_ms <= now_ms {
        return Err("a token that has expired; do the clocks of this machine and of the endpoint agree?");
    }
    Ok(Given { token: Secret::from(token), expires_at_ms })
}

/// The error of RFC 6749 or what others put in its place, as far as it is text. Neither short nor without secrets.
pub fn oauth_error(body: &[u8]) -> String {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else { return String::new() };
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or("");
    let (code, words) = match text("error") {
        "" => (text("errorCode"), text("errorSummary")),
        code => (code, text("error_description")),
    };
    if words.is_empty() { code.to_owned() } else { format!("{code}: {words}") }
}

/// `name=value,name=value` of `sasl.oauthbearer.extensions` (KIP-342).
pub fn read_extensions(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut extensions: Vec<(String, String)> = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(format!("{pair} is not name=value"));
        };
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) || name == "auth" {
            return Err(format!("{name} is no name of an extension: letters only, and not auth, which is reserved"));
        }
        if value.is_empty() || !value.bytes().all(|byte| matches!(byte, 0x20..=0x7e | b'\t' | b'\r' | b'\n')) {
            return Err(format!("the value of {name} has to be printable ASCII"));
        }
        if extensions.iter().any(|(known, _)| known == name) {
            return Err(format!("{name} is there twice"));
        }
        extensions.push((name.to_owned(), value.to_owned()));
    }
    Ok(extensions)
}

#[cfg(test)]
#[path = "oidc_tests.rs"]
mod tests;
