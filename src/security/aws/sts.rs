//! Roles of AWS's Security Token Service.

use crate::secret::Secret;
use crate::security::aws::answers::{Credentials, credentials_xml, error_xml};
use crate::security::aws::environment::Environment;
use crate::security::aws::sign::{Request, Scope, authorization};
use crate::security::calendar::amz_date;
use crate::security::http::{Http, HttpTrouble, Method, Question, form_encoded};

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// Whom to become.
pub struct Role<'a> {
    pub arn: &'a str,
    pub session_name: &'a str,
    /// Empty for none.
    pub external_id: &'a str,
}

/// Where roles are had.
pub struct Sts<'a> {
    pub http: &'a mut Http,
    /// Without a `/` at its end.
    pub url: String,
    pub region: String,
}

/// The service's URL: what is configured, else the region's, else the one of the whole world.
pub fn sts_url(environment: &Environment, region: &str) -> String {
    let configured = environment.get("AWS_ENDPOINT_URL_STS").or_else(|| environment.get("AWS_ENDPOINT_URL"));
    if let Some(url) = configured.filter(|_| !environment.is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) {
        return url.trim_end_matches('/').to_owned();
    }
    if region.is_empty() {
        return "https://sts.amazonaws.com".to_owned();
    }
    let suffixes = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
    ];
    let suffix = suffixes.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("amazonaws.com", |(_, s)| *s);
    format!("https://sts.{region}.{suffix}")
}

impl Sts<'_> {
    /// The token of an identity provider is all the proof there is: nothing is signed.
    pub fn assume_with_web_identity(&mut self, role: &Role<'_>, token: &Secret) -> Result<Credentials, HttpTrouble> {
        let body = Secret::new(form(&[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role.arn),
            ("RoleSessionName", role.session_name),
            ("WebIdentityToken", token.reveal().trim()),
        ]));
        self.ask(role, &[("Content-Type", FORM)], &body, &[token.reveal()])
    }

    /// Signed by credentials that may take the role.
    pub fn assume(&mut self, role: &Role<'_>, by: &Credentials, now_ms: i64) -> Result<Credentials, HttpTrouble> {
        let mut fields = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", role.arn),
            ("RoleSessionName", role.session_name),
        ];
        if !role.external_id.is_empty() {
            fields.push(("ExternalId", role.external_id));
        }
        let body = Secret::new(form(&fields));
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest).to_owned();
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = format!("{path}/");
        let date = amz_date(now_ms);
        let mut signed = vec![("content-type", FORM), ("host", host), ("x-amz-date", date.as_str())];
        if !by.session_token.is_empty() {
            signed.push(("x-amz-security-token", by.session_token.reveal()));
        }
        let region = if self.region.is_empty() { "us-east-1" } else { &self.region };
        let scope = Scope { region, service: "sts", now_ms };
        let request =
            Request { method: "POST", path: &path, query: &[], headers: &signed, body: body.reveal().as_bytes() };
        let authorization = authorization(by, scope, &request);
        let mut headers: Vec<_> = signed.iter().copied().filter(|(name, _)| *name != "host").collect();
        headers.push(("authorization", &authorization));
        self.ask(role, &headers, &body, &[])
    }

    fn ask(
        &mut self,
        role: &Role<'_>,
        headers: &[(&str, &str)],
        body: &Secret,
        secrets: &[&str],
    ) -> Result<Credentials, HttpTrouble> {
        let url = format!("{}/", self.url);
        let question = Question { method: Method::Post, url: &url, headers, body: body.reveal() };
        let answer = self.http.ask_in_confidence(&question, secrets)?;
        let text = String::from_utf8_lossy(&answer.body);
        if answer.status == 200 {
            return credentials_xml(&text)
                .map_err(|what| HttpTrouble { text: format!("AWS STS at {} {what}", self.url), is_permanent: true });
        }
        let said = self.http.said(&error_xml(&text));
        let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
        Err(HttpTrouble {
            text: format!(
                "AWS STS at {} refused the role {} with HTTP status {}{said}",
                self.url, role.arn, answer.status
            ),
            // Throttling comes with 400 as well.
            is_permanent: (400..500).contains(&answer.status) && answer.status != 429 && !said.contains("Throttl"),
        })
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", form_encoded(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_its_own_service() {
        let none = Environment::of(&[]);
        for (region, url) in [
            ("", "https://sts.amazonaws.com"),
            ("eu-west-1", "https://sts.eu-west-1.amazonaws.com"),
            ("us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"),
            ("us-iso-east-1", "https://sts.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", "https://sts.us-isob-east-1.sc2s.sgov.gov"),
            ("eusc-de-east-1", "https://sts.eusc-de-east-1.amazonaws.eu"),
        ] {
            assert_eq!(sts_url(&none, region), url);
        }
        let configured = Environment::of(&[("AWS_ENDPOINT_URL_STS", "http://host:1/prefix/")]);
        assert_eq!(sts_url(&configured, "eu-west-1"), "http://host:1/prefix");
    }
}
