use super::*;
use crate::config::AssertionSettings;
use crate::security::http::HttpSettings;
use crate::security::testing::{HttpServer, TempFile, status, unsigned};

const NOW_MS: i64 = 1_700_000_000_000;

fn endpoint(url: &str, grant: Grant) -> TokenEndpoint {
    let http = Http::new(HttpSettings {
        connect_timeout_ms: 2_000,
        read_timeout_ms: 2_000,
        ca_location: String::new(),
        ca_pem: String::new(),
        uses_proxy: false,
    });
    TokenEndpoint {
        http,
        url: url.to_owned(),
        grant,
        scope: "read write".to_owned(),
        sub_claim: "azp".to_owned(),
        extensions: vec![("logicalCluster".to_owned(), "lkc-1".to_owned())],
    }
}

fn by_secret(is_urlencoded: bool) -> Grant {
    Grant::Secret { client_id: "the client".to_owned(), client_secret: Secret::from("s3cr€t"), is_urlencoded }
}

#[test]
fn client_credentials_become_a_token() {
    let token = unsigned(r#"{"exp":1700000300,"azp":"me"}"#);
    let body = format!(r#"{{"access_token":"{token}","expires_in":9999,"token_type":"Bearer"}}"#);
    let server = HttpServer::new(move |_| status(200, &body));
    let got = endpoint(&server.url("/token"), by_secret(false)).get(NOW_MS).expect("a token");
    assert_eq!(got.value.reveal(), token);
    // The token's own word about its end counts.
    assert_eq!((got.expires_at_ms, got.principal.as_str()), (1_700_000_300_000, "me"));
    assert_eq!(got.extensions, [("logicalCluster".to_owned(), "lkc-1".to_owned())]);
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "POST /token");
    assert_eq!(asked.body, "grant_type=client_credentials&scope=read+write");
    assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(asked.headers["accept"], "application/json");
    assert_eq!(asked.headers["authorization"], format!("Basic {}", STANDARD.encode("the client:s3cr€t")));
    endpoint(&server.url("/token"), by_secret(true)).get(NOW_MS).expect("a token");
    let encoded = STANDARD.encode("the+client:s3cr%E2%82%ACt");
    assert_eq!(server.asked()[1].headers["authorization"], format!("Basic {encoded}"));
}

#[test]
fn an_assertion_is_given_for_a_token() {
    let file = TempFile::new("assertion", "ready.made.assertion\n");
    let settings = AssertionSettings { file: file.path().to_owned(), ..AssertionSettings::default() };
    let server = HttpServer::new(|_| status(200, r#"{"id_token":"opaque","expires_in":"60"}"#));
    let assertion = || Assertion::new(&settings).expect("settings");
    let got = endpoint(&server.url("/"), Grant::JwtBearer { assertion: assertion() }).get(NOW_MS).expect("a token");
    assert_eq!((got.value.reveal(), got.expires_at_ms), ("opaque", NOW_MS + 60_000));
    let client = Grant::ClientAssertion { client_id: "me".to_owned(), assertion: assertion() };
    endpoint(&server.url("/"), client).get(NOW_MS).expect("a token");
    let asked = server.asked();
    assert_eq!(
        asked[0].body,
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ready.made.assertion&scope=read+write"
    );
    assert_eq!(
        asked[1].body,
        "grant_type=client_credentials&client_id=me&\
         client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&\
         client_assertion=ready.made.assertion&scope=read+write"
    );
    assert!(!asked[0].headers.contains_key("authorization"));
}

#[test]
fn azures_machines_are_asked_with_their_query() {
    let server = HttpServer::new(|_| status(200, r#"{"access_token":"opaque","expires_in":"3599"}"#));
    let grant = Grant::AzureMachine { query: "api-version=2018-02-01&resource=api%3A%2F%2Fx".into() };
    endpoint(&server.url("/metadata/identity/oauth2/token"), grant).get(NOW_MS).expect("a token");
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=api%3A%2F%2Fx");
    assert_eq!(asked.headers["metadata"], "true");
}

#[test]
fn a_refusal_says_what_the_endpoint_said_and_no_secret() {
    for (code, body, words, is_permanent) in [
        (
            401,
            r#"{"error":"invalid_client","error_description":"no\nclient the client with s3cr€t"}"#,
            "status 401 (invalid_client: no client the client with ***)",
            true,
        ),
        (
            400,
            r#"{"errorCode":"E1","errorSummary":"sum"}"#,
            "(E1: sum); check sasl.oauthbearer.client.credentials.client.id",
            true,
        ),
        (403, "<html>", "HTTP status 403", true),
        (404, "", "check sasl.oauthbearer.token.endpoint.url", true),
        (429, "", "HTTP status 429", false),
        (500, r#"{"error":[]}"#, "HTTP status 500", false),
        (503, "", "HTTP status 503", false),
    ] {
        let server = HttpServer::new(move |_| status(code, body));
        let url = server.url("/token");
        let refusal = endpoint(&format!("{url}?tenant=x"), by_secret(false)).get(NOW_MS).expect_err("a refusal");
        assert_eq!((refusal.status, refusal.is_permanent), (Status::CREDENTIALS, is_permanent), "{}", refusal.text);
        assert!(refusal.text.contains(words) && refusal.text.contains(&url), "{}", refusal.text);
        assert!(!refusal.text.contains("s3cr€t") && !refusal.text.contains("tenant"), "{}", refusal.text);
    }
}

#[test]
fn an_answer_without_a_token_is_refused() {
    let expired = format!(r#"{{"access_token":"{}"}}"#, unsigned(r#"{"exp":1600000000}"#));
    for (body, words) in [
        ("", "not JSON"),
        ("<html>", "not JSON"),
        ("[]", "without access_token"),
        ("null", "without access_token"),
        (r#"{"access_token":""}"#, "without access_token"),
        (r#"{"access_token":7}"#, "without access_token"),
        ("{\"access_token\":\"a\\u0001b\"}", "characters that no token has"),
        (r#"{"access_token":"x","expires_in":0}"#, "has expired"),
        (r#"{"access_token":"x","expires_in":-9e99}"#, "has expired"),
        (expired.as_str(), "has expired"),
    ] {
        let what = read_answer(body.as_bytes(), NOW_MS).err().expect(body);
        assert!(what.contains(words), "{body}: {what}");
    }
    let endless = read_answer(br#"{"access_token":"x","expires_in":9e99}"#, NOW_MS).expect("a token");
    assert_eq!(endless.expires_at_ms, i64::MAX);
    assert_eq!(read_answer(br#"{"access_token":"x"}"#, NOW_MS).expect("a token").expires_at_ms, NOW_MS + 300_000);
}

#[test]
fn what_an_endpoint_repeats_of_secrets_is_not_told() {
    let file = TempFile::new("assertion", "ready.made.assertion\n");
    let settings = AssertionSettings { file: file.path().to_owned(), ..AssertionSettings::default() };
    let basic = STANDARD.encode("the client:s3cr€t");
    for filler in [0, 380, 390, 395, 399] {
        // Whatever was sent comes back, across the end of what is told.
        let server = HttpServer::new(move |asked| {
            let sent = asked.headers.get("authorization").cloned().unwrap_or_default();
            let words = format!("{} {sent} {} s3cr€t s3cr%E2%82%ACt", "x".repeat(filler), asked.body);
            status(401, &serde_json::json!({"error": "e", "error_description": words}).to_string())
        });
        let assertion = || Assertion::new(&settings).expect("settings");
        for grant in [
            by_secret(false),
            by_secret(true),
            Grant::JwtBearer { assertion: assertion() },
            Grant::ClientAssertion { client_id: "me".to_owned(), assertion: assertion() },
        ] {
            let is_secret = matches!(grant, Grant::Secret { .. });
            let text = endpoint(&server.url("/"), grant).get(NOW_MS).expect_err("a refusal").text;
            let parts = if is_secret { ["s3cr", &basic[..4]] } else { ["ready.made", "made.assertion"] };
            for part in parts {
                assert!(!text.contains(part), "{part} in: {text}");
            }
        }
    }
}

#[test]
fn extensions_are_names_and_values() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        read_extensions(" logicalCluster=lkc-1 , identityPoolId=a=b,"),
        Ok(vec![pair("logicalCluster", "lkc-1"), pair("identityPoolId", "a=b")])
    );
    assert_eq!(read_extensions(""), Ok(Vec::new()));
    for text in ["name", "=x", "a1=x", "auth=x", "a=", "a=ü", "a=x,a=y"] {
        read_extensions(text).expect_err(text);
    }
}
