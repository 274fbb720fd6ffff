//! What AWS's services answer: JSON of metadata services, XML of STS. Whatever comes in is bounded by who read it, and
//! nothing here trusts it.

use serde_json::Value;

use crate::secret::Secret;
use crate::security::calendar::parse_iso8601;

/// Who signs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    /// Empty for credentials that do not end.
    pub session_token: Secret,
    /// `i64::MAX`: they do not end.
    pub expires_at_ms: i64,
}

/// Reads what containers' and instances' metadata services answer. The error continues a sentence; its words are the
/// peer's, as they came.
pub fn credentials_json(body: &[u8]) -> Result<Credentials, String> {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return Err("answered with something that is not JSON".to_owned());
    };
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or("").trim();
    let code = text("Code");
    if !code.is_empty() && code != "Success" {
        return Err(format!("answered with {code} {}", text("Message")));
    }
    let (secret, token) = (Secret::from(text("SecretAccessKey")), Secret::from(text("Token")));
    checked(text("AccessKeyId").to_owned(), secret, token, text("Expiration"))
}

/// Reads what STS answers to AssumeRole and AssumeRoleWithWebIdentity.
pub fn credentials_xml(body: &str) -> Result<Credentials, String> {
    let inside = element(body, "Credentials").ok_or("answered without credentials")?;
    let text = |name: &str| element(inside, name).map(plain_text).unwrap_or_default();
    let (secret, token) = (Secret::new(text("SecretAccessKey")), Secret::new(text("SessionToken")));
    checked(text("AccessKeyId"), secret, token, &text("Expiration"))
}

/// The code and the words of an error of STS, as they came; empty where there are none.
pub fn error_xml(body: &str) -> String {
    let text = |name: &str| element(body, name).map(plain_text).unwrap_or_default();
    format!("{} {}", text("Code"), text("Message")).trim().to_owned()
}

fn checked(id: String, secret: Secret, token: Secret, expiration: &str) -> Result<Credentials, String> {
    let is_clean = |text: &str| text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if id.is_empty() || secret.is_empty() {
        return Err("answered without an access key and its secret".to_owned());
    }
    if !is_clean(&id) || !is_clean(secret.reveal()) || !is_clean(token.reveal()) {
        return Err("answered with credentials that have characters no credentials have".to_owned());
    }
    let expires_at_ms = match expiration {
        "" => i64::MAX,
        text => parse_iso8601(text).ok_or("answered with an Expiration that is no time in UTC")?,
    };
    Ok(Credentials { access_key_id: id, secret_access_key: secret, session_token: token, expires_at_ms })
}

/// What is between the first tags of this name. STS's elements that are read here have no attributes.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inside, _)| inside)
}

fn plain_text(xml: &str) -> String {
    let text = xml.trim().replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_metadata_services() {
        let body = br#"{"Code":"Success","AccessKeyId":"AKID","SecretAccessKey":"s/+=","Token":"t","Expiration":"2015-08-30T12:36:00Z"}"#;
        let credentials = credentials_json(body).expect("credentials");
        assert_eq!((credentials.access_key_id.as_str(), credentials.secret_access_key.reveal()), ("AKID", "s/+="));
        assert_eq!((credentials.session_token.reveal(), credentials.expires_at_ms), ("t", 1_440_938_160_000));
        assert!(!format!("{credentials:?}").contains("s/+="));
    }

    #[test]
    fn credentials_of_sts() {
        let body = "<AssumeRoleResponse><AssumeRoleResult><AssumedRoleUser><Arn>arn</Arn></AssumedRoleUser><Credentials>\n\
                    <AccessKeyId>AKID</AccessKeyId><SecretAccessKey>s&amp;x</SecretAccessKey><SessionToken> t </SessionToken>\
                    <Expiration>2015-08-30T12:36:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
        let credentials = credentials_xml(body).expect("credentials");
        assert_eq!((credentials.secret_access_key.reveal(), credentials.session_token.reveal()), ("s&x", "t"));
        let error =
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not\nyou</Message></Error></ErrorResponse>";
        assert_eq!(error_xml(error), "AccessDenied Not\nyou");
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for body in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"Code":"Failed","Message":"no role"}"#,
            r#"{"AccessKeyId":"a"}"#,
            r#"{"AccessKeyId":"a","SecretAccessKey":"b","Expiration":"soon"}"#,
            "{\"AccessKeyId\":\"a\\n\",\"SecretAccessKey\":\"b c\"}",
        ] {
            credentials_json(body.as_bytes()).expect_err(body);
        }
        for body in ["", "<Credentials>", "<Credentials></Credentials>", "</Credentials><Credentials>"] {
            credentials_xml(body).expect_err(body);
        }
    }
}
