//! Signatures of version 4, as AWS describes them: a request in a canonical form, hashed, and signed with a key made of
//! the secret, the day, the region and the service.

use ring::digest::{SHA256, digest};
use ring::hmac;

use crate::security::aws::answers::Credentials;
use crate::security::calendar::amz_date;
use crate::security::http::percent_encoded;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a signature is for, apart from the request.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    pub region: &'a str,
    pub service: &'a str,
    /// The wall clock, milliseconds since 1970.
    pub now_ms: i64,
}

impl Scope<'_> {
    fn text(&self) -> String {
        format!("{}/{}/{}/aws4_request", &amz_date(self.now_ms)[..8], self.region, self.service)
    }
}

/// A request as far as it is signed. Names of headers are in lower case.
pub struct Request<'a> {
    pub method: &'a str,
    /// The path, percent-encoded.
    pub path: &'a str,
    /// Names and values, not encoded.
    pub query: &'a [(&'a str, &'a str)],
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

/// The names and values to put into the query of a GET request for `host`, without the action's own, in the order of
/// their names, the signature last.
pub fn presign(
    credentials: &Credentials,
    scope: Scope<'_>,
    host: &str,
    action: &[(&str, &str)],
    expires_seconds: u32,
) -> Vec<(String, String)> {
    let credential = format!("{}/{}", credentials.access_key_id, scope.text());
    let (date, expires) = (amz_date(scope.now_ms), expires_seconds.to_string());
    let mut query: Vec<(&str, &str)> = action.to_vec();
    query.extend([
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", credential.as_str()),
        ("X-Amz-Date", date.as_str()),
        ("X-Amz-Expires", expires.as_str()),
        ("X-Amz-SignedHeaders", "host"),
    ]);
    if !credentials.session_token.is_empty() {
        query.push(("X-Amz-Security-Token", credentials.session_token.reveal()));
    }
    query.sort_unstable();
    let request = Request { method: "GET", path: "/", query: &query, headers: &[("host", host)], body: b"" };
    let signature = signature(credentials, scope, &request);
    let mut signed: Vec<(String, String)> =
        query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    signed.push(("X-Amz-Signature".to_owned(), signature));
    signed
}

/// The Authorization header of a request whose headers, `host` and `x-amz-date` among them, are all signed.
pub fn authorization(credentials: &Credentials, scope: Scope<'_>, request: &Request<'_>) -> String {
    format!(
        "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={}",
        credentials.access_key_id,
        scope.text(),
        signed_headers(request.headers),
        signature(credentials, scope, request)
    )
}

fn signature(credentials: &Credentials, scope: Scope<'_>, request: &Request<'_>) -> String {
    let to_sign = string_to_sign(scope, request);
    let mut key = format!("AWS4{}", credentials.secret_access_key.reveal()).into_bytes();
    for part in [&amz_date(scope.now_ms)[..8], scope.region, scope.service, "aws4_request"] {
        let next = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
        crate::secret::wipe(&mut key);
        key = next;
    }
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), to_sign.as_bytes());
    crate::secret::wipe(&mut key);
    hex(signature.as_ref())
}

fn string_to_sign(scope: Scope<'_>, request: &Request<'_>) -> String {
    let canonical = canonical_request(request);
    let hash = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
    format!("{ALGORITHM}\n{}\n{}\n{hash}", amz_date(scope.now_ms), scope.text())
}

fn canonical_request(request: &Request<'_>) -> String {
    let mut headers: Vec<_> = request.headers.to_vec();
    headers.sort_unstable();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", one_spaced(value))).collect();
    format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        request.method,
        request.path,
        query_string(request.query),
        signed_headers(request.headers),
        hex(digest(&SHA256, request.body).as_ref())
    )
}

/// A query in its canonical form: encoded, then in order.
pub fn query_string(query: &[(&str, &str)]) -> String {
    let mut pairs: Vec<_> = query.iter().map(|(name, value)| (percent_encoded(name), percent_encoded(value))).collect();
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn signed_headers(headers: &[(&str, &str)]) -> String {
    let mut names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.join(";")
}

fn one_spaced(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The vectors are those of AWS's own test suite for version 4 ("aws-sig-v4-test-suite"), as published.
#[cfg(test)]
mod tests {
    use super::*;

    /// 2015-08-30T12:36:00Z.
    const SCOPE: Scope<'static> = Scope { region: "us-east-1", service: "service", now_ms: 1_440_938_160_000 };
    const HOST: &str = "example.amazonaws.com";
    const DATE: &str = "20150830T123600Z";

    fn credentials(token: &str) -> Credentials {
        Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: token.into(),
            expires_at_ms: i64::MAX,
        }
    }

    fn header_signature(method: &str, query: &[(&str, &str)], more: &[(&str, &str)], body: &str) -> String {
        let mut headers = vec![("host", HOST), ("x-amz-date", DATE)];
        headers.extend(more);
        let request = Request { method, path: "/", query, headers: &headers, body: body.as_bytes() };
        authorization(&credentials(""), SCOPE, &request)
    }

    #[test]
    fn get_vanilla_as_published() {
        let headers = [("host", HOST), ("x-amz-date", DATE)];
        let request = Request { method: "GET", path: "/", query: &[], headers: &headers, body: b"" };
        assert_eq!(
            canonical_request(&request),
            "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            string_to_sign(SCOPE, &request),
            "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n\
             bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63"
        );
        assert_eq!(
            authorization(&credentials(""), SCOPE, &request),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }

    #[test]
    fn the_suites_other_signatures_in_headers() {
        let unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        for (name, authorization, signature) in [
            (
                "get-vanilla-query-order-key-case",
                header_signature("GET", &[("Param2", "value2"), ("Param1", "value1")], &[], ""),
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-vanilla-query-unreserved",
                header_signature("GET", &[(unreserved, unreserved)], &[], ""),
                "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ),
            (
                "get-vanilla-utf8-query",
                header_signature("GET", &[("ሴ", "bar")], &[], ""),
                "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            ),
            (
                "get-header-value-trim",
                header_signature("GET", &[], &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")], ""),
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            (
                "post-vanilla",
                header_signature("POST", &[], &[], ""),
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-x-www-form-urlencoded",
                header_signature(
                    "POST",
                    &[],
                    &[("content-type", "application/x-www-form-urlencoded")],
                    "Param1=value1",
                ),
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            assert!(authorization.ends_with(&format!("Signature={signature}")), "{name}: {authorization}");
        }
    }

    #[test]
    fn the_suites_signatures_in_queries() {
        let signature = |token: &str, action: &[(&str, &str)]| {
            let signed = presign(&credentials(token), SCOPE, HOST, action, 3600);
            signed.last().expect("a signature").1.clone()
        };
        let unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        for (name, signature, published) in [
            (
                "get-vanilla-query-unreserved",
                signature("", &[(unreserved, unreserved)]),
                "8e76a88a7433637b12778d5592799b29ad21ecd6cf6325051c21d86f0acda2bf",
            ),
            (
                "get-vanilla-query-order-key-case",
                signature("", &[("Param2", "value2"), ("Param1", "value1")]),
                "86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5",
            ),
            (
                "get-vanilla-utf8-query",
                signature("", &[("ሴ", "bar")]),
                "0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600",
            ),
            (
                "get-vanilla-with-session-token",
                signature("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267", &[]),
                "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c",
            ),
        ] {
            assert_eq!(signature, published, "{name}");
        }
    }
}
