//! The two ways to show AWS's credentials to a broker of MSK: the mechanism AWS_MSK_IAM, and a signed URL as
//! OAUTHBEARER's token.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::error::Status;
use crate::secret::Secret;
use crate::security::aws::answers::Credentials;
use crate::security::aws::credentials::CredentialChain;
use crate::security::aws::sign::{Scope, presign};
use crate::security::exchange::{Exchange, Mechanism, Step};
use crate::security::http::{percent_encoded, printable};
use crate::security::login::Refusal;
use crate::security::token::{Token, TokenGetter};

const SERVICE: &str = "kafka-cluster";
const ACTION: (&str, &str) = ("Action", "kafka-cluster:Connect");
/// How long a signature is good, as AWS's own clients have it.
const LIFE_SECONDS: u32 = 900;
const USER_AGENT: &str = concat!("libkproducer/", env!("CARGO_PKG_VERSION"));
/// As the brokers of MSK call the form of the message.
const VERSION: &str = "2020_10_22";

/// The mechanism AWS_MSK_IAM.
pub struct MskIam {
    chain: Arc<Mutex<CredentialChain>>,
    /// `sasl.aws.region`; empty: by the broker's name, then as for tokens.
    region: String,
}

impl MskIam {
    /// `region`: the property; may be empty.
    pub fn new(chain: CredentialChain, region: &str) -> MskIam {
        MskIam { chain: Arc::new(Mutex::new(chain)), region: region.to_owned() }
    }
}

impl Mechanism for MskIam {
    fn name(&self) -> &'static str {
        "AWS_MSK_IAM"
    }

    fn exchange(&mut self, host: &str, now_ms: i64) -> Box<dyn Exchange> {
        let (chain, region, host) = (Arc::clone(&self.chain), self.region.clone(), host.to_owned());
        Box::new(MskIamExchange { chain, region, host, now_ms, shown: Vec::new() })
    }
}

struct MskIamExchange {
    chain: Arc<Mutex<CredentialChain>>,
    region: String,
    host: String,
    now_ms: i64,
    /// What the message showed the broker: the session's token, where there is one, and the signature.
    shown: Vec<Secret>,
}

impl Exchange for MskIamExchange {
    fn start(&mut self) -> Result<Vec<u8>, Refusal> {
        let mut chain = locked(&self.chain);
        // The region that the broker is in is the one that counts; its name knows better than the environment.
        let region = match (self.region.is_empty(), region_of_host(&self.host)) {
            (false, _) => self.region.clone(),
            (true, Some(region)) => region.to_owned(),
            (true, None) => chain.region(),
        };
        if region.is_empty() {
            return Err(no_region(&format!("and the broker's name {} does not tell it", printable(&self.host))));
        }
        let credentials = chain.get(self.now_ms)?;
        let fields = message(&credentials, &region, &self.host, self.now_ms);
        let signature = fields.get("x-amz-signature").and_then(Value::as_str).unwrap_or_default();
        self.shown = vec![credentials.session_token.clone(), Secret::from(signature)];
        Ok(Value::Object(fields).to_string().into_bytes())
    }

    fn secrets(&self) -> Vec<Secret> {
        self.shown.clone()
    }

    fn step(&mut self, challenge: &[u8]) -> Result<Step, Refusal> {
        answered(challenge)
    }
}

/// What to do about the broker's answer.
pub fn answered(challenge: &[u8]) -> Result<Step, Refusal> {
    let is_answer = serde_json::from_slice::<Value>(challenge)
        .is_ok_and(|answer| answer.get("version").and_then(Value::as_str) == Some(VERSION));
    if is_answer {
        return Ok(Step::Done);
    }
    Err(Refusal {
        status: Status::SASL_AUTHENTICATION_FAILED,
        text: "the broker's answer to AWS_MSK_IAM is not that of a broker of MSK".to_owned(),
        is_permanent: true,
    })
}

/// Nobody panics while holding it; if so, what is in it is still whole.
fn locked(chain: &Mutex<CredentialChain>) -> MutexGuard<'_, CredentialChain> {
    chain.lock().unwrap_or_else(PoisonError::into_inner)
}

fn message(credentials: &Credentials, region: &str, host: &str, now_ms: i64) -> Map<String, Value> {
    let scope = Scope { region, service: SERVICE, now_ms };
    let mut fields = Map::new();
    fields.insert("version".to_owned(), Value::from(VERSION));
    fields.insert("host".to_owned(), Value::from(host));
    fields.insert("user-agent".to_owned(), Value::from(USER_AGENT));
    for (name, value) in presign(credentials, scope, host, &[ACTION], LIFE_SECONDS) {
        fields.insert(name.to_ascii_lowercase(), Value::from(value));
    }
    fields
}

fn no_region(why: &str) -> Refusal {
    Refusal {
        status: Status::CREDENTIALS,
        text: format!(
            "AWS's region is not known: sasl.aws.region, AWS_REGION and the profile do not name it, {why}; set sasl.aws.region"
        ),
        is_permanent: true,
    }
}

/// `b-1.name.x1y2.c2.kafka.eu-west-1.amazonaws.com` is in eu-west-1.
pub fn region_of_host(host: &str) -> Option<&str> {
    let host = host.trim_end_matches('.');
    let inside = [".amazonaws.com", ".amazonaws.com.cn", ".c2s.ic.gov", ".sc2s.sgov.gov", ".amazonaws.eu", ".api.aws"]
        .iter()
        .find_map(|suffix| host.strip_suffix(suffix))?;
    let is_region = |label: &&str| label.matches('-').count() >= 2 && label.ends_with(|c: char| c.is_ascii_digit());
    let after_service = inside.rsplit_once("kafka.").or_else(|| inside.rsplit_once("kafka-serverless."));
    after_service.and_then(|(_, rest)| rest.split('.').next()).or_else(|| inside.rsplit('.').next()).filter(is_region)
}

/// Tokens for OAUTHBEARER: a signed URL in base64, as AWS's signers for Kafka clients make them.
pub struct IamTokens {
    chain: CredentialChain,
    extensions: Vec<(String, String)>,
}

impl IamTokens {
    pub fn new(chain: CredentialChain, extensions: Vec<(String, String)>) -> IamTokens {
        IamTokens { chain, extensions }
    }
}

impl TokenGetter for IamTokens {
    fn get(&mut self, now_ms: i64) -> Result<Token, Refusal> {
        let region = self.chain.region();
        if region.is_empty() {
            return Err(no_region("and a token is made before a broker is known"));
        }
        let credentials = self.chain.get(now_ms)?;
        let ends_at_ms = now_ms.saturating_add(i64::from(LIFE_SECONDS) * 1000);
        Ok(Token {
            value: signed_url(&credentials, &region, now_ms),
            expires_at_ms: ends_at_ms.min(credentials.expires_at_ms),
            principal: credentials.access_key_id.clone(),
            extensions: self.extensions.clone(),
        })
    }
}

fn signed_url(credentials: &Credentials, region: &str, now_ms: i64) -> Secret {
    let host = format!("kafka.{region}.amazonaws.com");
    let scope = Scope { region, service: SERVICE, now_ms };
    let mut query = presign(credentials, scope, &host, &[ACTION], LIFE_SECONDS);
    // For AWS's logs; it is not signed.
    query.push(("User-Agent".to_owned(), USER_AGENT.to_owned()));
    let query: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", percent_encoded(name), percent_encoded(value))).collect();
    Secret::new(URL_SAFE_NO_PAD.encode(format!("https://{host}/?{}", query.join("&"))))
}

#[cfg(test)]
#[path = "iam_tests.rs"]
mod tests;
