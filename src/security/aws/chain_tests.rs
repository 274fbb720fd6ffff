use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::AwsRoleSettings;
use crate::security::aws::credentials::CredentialChain;
use crate::security::aws::environment::Environment;
use crate::security::http::HttpSettings;
use crate::security::testing::{Asked, HttpServer, TempFile, status};

/// 2015-08-30T12:36:00Z.
const NOW_MS: i64 = 1_440_938_160_000;
const STS: &str = "<AssumeRoleResponse><Credentials><AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>rs</SecretAccessKey>\
                   <SessionToken>rt</SessionToken><Expiration>2015-08-30T13:36:00Z</Expiration></Credentials></AssumeRoleResponse>";

fn chain(profile: &str, variables: &[(&str, &str)]) -> CredentialChain {
    chain_with_role("", profile, variables)
}

fn chain_with_role(arn: &str, profile: &str, variables: &[(&str, &str)]) -> CredentialChain {
    let role = AwsRoleSettings { arn: arn.to_owned(), external_id: "theirs".to_owned(), ..Default::default() };
    let http = HttpSettings {
        connect_timeout_ms: 2_000,
        read_timeout_ms: 2_000,
        ca_location: String::new(),
        ca_pem: String::new(),
        uses_proxy: false,
    };
    CredentialChain::new(Environment::of(variables), profile, "", &role, http)
}

fn json(id: &str, expiration: &str) -> String {
    format!(
        r#"{{"Code":"Success","AccessKeyId":"{id}","SecretAccessKey":"s","Token":"t","Expiration":"{expiration}"}}"#
    )
}

/// Speaks version 2 of the instance metadata service.
fn instance(asked: &Asked) -> String {
    match asked.line.as_str() {
        "PUT /latest/api/token" if asked.headers.contains_key("x-aws-ec2-metadata-token-ttl-seconds") => {
            status(200, "imds-token")
        }
        _ if asked.headers.get("x-aws-ec2-metadata-token").map(String::as_str) != Some("imds-token") => status(401, ""),
        "GET /latest/meta-data/iam/security-credentials/" => status(200, "web-role\n"),
        "GET /latest/meta-data/iam/security-credentials/web-role" => {
            status(200, &json("INSTANCE", "2015-08-30T18:36:00Z"))
        }
        _ => status(404, ""),
    }
}

#[test]
fn the_environment_comes_first() {
    let variables = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "t")];
    let credentials = chain("", &variables).get(NOW_MS).expect("credentials");
    assert_eq!((credentials.access_key_id.as_str(), credentials.session_token.reveal()), ("ENV", "t"));
    assert_eq!(credentials.expires_at_ms, i64::MAX);
}

#[test]
fn a_profile_that_is_asked_for_comes_before_the_environment() {
    let file = TempFile::new("credentials", "[prod]\naws_access_key_id=PROD\naws_secret_access_key=s\n");
    let config = TempFile::new("config", "[profile prod]\nregion=eu-north-1\n");
    let variables = [
        ("AWS_ACCESS_KEY_ID", "ENV"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_SHARED_CREDENTIALS_FILE", file.path()),
        ("AWS_CONFIG_FILE", config.path()),
    ];
    let mut asked_for = chain("prod", &variables);
    assert_eq!(asked_for.get(NOW_MS).expect("credentials").access_key_id, "PROD");
    assert_eq!(asked_for.region(), "eu-north-1");
    // Keys in files are read anew.
    file.write("[prod]\naws_access_key_id=NEXT\naws_secret_access_key=s\n");
    assert_eq!(asked_for.get(NOW_MS).expect("credentials").access_key_id, "NEXT");
    let refusal = chain("none", &variables).get(NOW_MS).expect_err("no such profile");
    assert!(
        refusal.is_permanent && refusal.text.contains("none") && refusal.text.contains(file.path()),
        "{}",
        refusal.text
    );
}

#[test]
fn a_web_identity_takes_its_role() {
    let server = HttpServer::new(|_| status(200, STS));
    let token = TempFile::new("identity", "identity.token\n");
    let url = server.url("");
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
        ("AWS_ENDPOINT_URL_STS", url.as_str()),
    ];
    let mut chain = chain("", &variables);
    let credentials = chain.get(NOW_MS).expect("credentials");
    assert_eq!((credentials.access_key_id.as_str(), credentials.expires_at_ms), ("ROLE", NOW_MS + 3_600_000));
    let asked = server.asked();
    assert_eq!(asked[0].line, "POST /");
    assert_eq!(
        asked[0].body,
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&\
         RoleSessionName=libkproducer&WebIdentityToken=identity.token"
    );
    assert!(!asked[0].headers.contains_key("authorization"));
    // Kept until shortly before they end, then asked for again.
    chain.get(NOW_MS + 3_000_000).expect("credentials");
    assert_eq!(server.asked().len(), 1);
    chain.get(NOW_MS + 3_400_000).expect("credentials");
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn credentials_are_used_until_they_end_when_they_cannot_be_renewed() {
    let questions = AtomicUsize::new(0);
    let server = HttpServer::new(move |_| match questions.fetch_add(1, Ordering::Relaxed) {
        0 => status(200, STS),
        _ => status(503, "<Error><Code>Unavailable</Code></Error>"),
    });
    let token = TempFile::new("identity", "identity-token");
    let url = server.url("");
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path()),
        ("AWS_ROLE_ARN", "arn:r"),
        ("AWS_ENDPOINT_URL_STS", url.as_str()),
    ];
    let mut chain = chain("", &variables);
    chain.get(NOW_MS).expect("credentials");
    assert_eq!(chain.get(NOW_MS + 3_500_000).expect("the old ones").access_key_id, "ROLE");
    let refusal = chain.get(NOW_MS + 3_600_000).expect_err("they have ended");
    assert!(
        !refusal.is_permanent && refusal.text.contains("503") && refusal.text.contains("Unavailable"),
        "{}",
        refusal.text
    );
    assert!(!refusal.text.contains("identity-token"), "{}", refusal.text);
}

#[test]
fn a_profile_takes_a_role_by_another_profile() {
    let server = HttpServer::new(|_| status(200, STS));
    let url = server.url("");
    let config = TempFile::new(
        "config",
        "[profile role]\nrole_arn=arn:role\nsource_profile=base\nexternal_id=x 1\nrole_session_name=me\nregion=eu-west-1\n\
         [profile base]\naws_access_key_id=BASE\naws_secret_access_key=bs\naws_session_token=bt\n\
         [profile loop]\nrole_arn=a\nsource_profile=pool\n[profile pool]\nrole_arn=a\nsource_profile=loop\n\
         [profile sso]\nsso_session=x\n[profile process]\ncredential_process=/bin/secret\n[profile half]\nrole_arn=a\n\
         [profile typed]\nrole_arn=a\nsource_profile=base\nmfa_serial=m\n[profile odd]\nrole_arn=a\ncredential_source=Moon\n",
    );
    let variables =
        [("AWS_CONFIG_FILE", config.path()), ("AWS_ENDPOINT_URL_STS", url.as_str()), ("AWS_PROFILE", "role")];
    assert_eq!(chain("", &variables).get(NOW_MS).expect("credentials").access_key_id, "ROLE");
    let asked = &server.asked()[0];
    assert!(asked.body.ends_with("&RoleArn=arn%3Arole&RoleSessionName=me&ExternalId=x+1"), "{}", asked.body);
    let authorization = &asked.headers["authorization"];
    assert!(
        authorization.starts_with(
            "AWS4-HMAC-SHA256 Credential=BASE/20150830/us-east-1/sts/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="
        ) || authorization.starts_with(
            "AWS4-HMAC-SHA256 Credential=BASE/20150830/eu-west-1/sts/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="
        ),
        "{authorization}"
    );
    assert_eq!(asked.headers["x-amz-security-token"], "bt");
    for (profile, words) in [
        ("loop", "in circles"),
        ("sso", "aws configure export-credentials --profile sso"),
        ("process", "credential_process"),
        ("half", "source_profile"),
        ("typed", "mfa_serial"),
        ("odd", "Moon"),
    ] {
        let refusal = chain(profile, &variables).get(NOW_MS).expect_err(profile);
        assert!(refusal.is_permanent && refusal.text.contains(words), "{profile}: {}", refusal.text);
    }
}

#[test]
fn the_configured_role_is_taken_with_what_was_found() {
    let server = HttpServer::new(|_| status(200, STS));
    let url = server.url("");
    let variables =
        [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_ENDPOINT_URL_STS", url.as_str())];
    let mut chain = chain_with_role("arn:role", "", &variables);
    assert_eq!(chain.get(NOW_MS).expect("credentials").access_key_id, "ROLE");
    chain.get(NOW_MS).expect("credentials");
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    let form = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Arole&RoleSessionName=libkproducer&ExternalId=theirs";
    assert_eq!(asked[0].body, form);
    assert!(asked[0].headers["authorization"].contains("Credential=ENV/20150830/us-east-1/sts/"));
    let server = HttpServer::new(|_| status(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"));
    let url = server.url("");
    let variables =
        [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_ENDPOINT_URL_STS", url.as_str())];
    let refusal = chain_with_role("arn:role", "", &variables).get(NOW_MS).expect_err("not allowed");
    assert!(
        refusal.is_permanent && refusal.text.contains("arn:role") && refusal.text.contains("AccessDenied no"),
        "{}",
        refusal.text
    );
}

#[test]
fn a_container_is_asked_with_its_token() {
    let server = HttpServer::new(|asked| match asked.headers.get("authorization").map(String::as_str) {
        Some("Bearer of-file") => status(200, &json("CONTAINER", "2015-08-30T18:36:00Z")),
        _ => status(403, ""),
    });
    let (token, url) = (TempFile::new("pod", "Bearer of-file\n"), server.url("/v1/credentials"));
    let variables = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.path()),
    ];
    assert_eq!(chain("", &variables).get(NOW_MS).expect("credentials").access_key_id, "CONTAINER");
    let refusal = chain("", &variables[..1]).get(NOW_MS).expect_err("no token");
    assert!(refusal.text.contains("403") && refusal.text.contains("/v1/credentials"), "{}", refusal.text);
    let elsewhere = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/x")];
    let refusal = chain("", &elsewhere).get(NOW_MS).expect_err("in plain text");
    assert!(refusal.text.contains("example.com"), "{}", refusal.text);
}

#[test]
fn an_instance_is_asked_by_version_two() {
    let server = HttpServer::new(instance);
    let url = server.url("/");
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())];
    let mut chain = chain("", &variables);
    let credentials = chain.get(NOW_MS).expect("credentials");
    assert_eq!((credentials.access_key_id.as_str(), server.asked().len()), ("INSTANCE", 3));
    chain.get(NOW_MS).expect("credentials");
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn when_nobody_has_any_each_says_why() {
    let server =
        HttpServer::new(|asked| if asked.line.starts_with("PUT") { status(200, "token") } else { status(404, "") });
    let url = server.url("");
    let variables =
        [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()), ("HOME", "/no/such/home")];
    let refusal = chain("", &variables).get(NOW_MS).expect_err("nobody");
    for words in [
        "environment: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not",
        "web identity: ",
        "profile: there is no profile default in /no/such/home/.aws/credentials",
        "container: ",
        "instance: the instance has no role",
    ] {
        assert!(refusal.text.contains(words), "{words} in: {}", refusal.text);
    }
    assert!(refusal.is_permanent);
    let disabled = [("AWS_EC2_METADATA_DISABLED", "true")];
    let refusal = chain("", &disabled).get(NOW_MS).expect_err("nobody");
    assert!(refusal.text.contains("AWS_EC2_METADATA_DISABLED is true"), "{}", refusal.text);
}

#[test]
fn an_instance_that_talks_nonsense_is_refused_and_not_believed() {
    for role in ["../../latest/user-data", "a b", "<html>", "\u{0}"] {
        let server =
            HttpServer::new(
                move |asked| {
                    if asked.line.starts_with("PUT") { status(200, "token") } else { status(200, role) }
                },
            );
        let url = server.url("");
        let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())];
        let refusal = chain("", &variables).get(NOW_MS).expect_err(role);
        assert!(refusal.text.contains("no name of a role"), "{role}: {}", refusal.text);
        assert_eq!(server.asked().len(), 2);
    }
}

#[test]
fn an_instance_that_does_not_answer_in_time_is_asked_again_and_may_yet_answer() {
    let server = HttpServer::silent_at_first(2, instance);
    let url = server.url("");
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())];
    assert_eq!(chain("", &variables).get(NOW_MS).expect("credentials").access_key_id, "INSTANCE");
    // Connections are taken by the system, and nobody reads them.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())];
    let refusal = chain("", &variables).get(NOW_MS).expect_err("nobody");
    assert!(!refusal.is_permanent, "{}", refusal.text);
    assert!(
        refusal.text.contains("did not answer within 1000 ms") && !refusal.text.contains("sasl.login"),
        "{}",
        refusal.text
    );
}

#[test]
fn what_services_repeat_of_secrets_is_not_told() {
    let token = TempFile::new("web-identity", "web.identity.token\n");
    for filler in [0, 380, 396] {
        let sts = HttpServer::new(move |asked| {
            let headers: Vec<&str> = asked.headers.values().map(String::as_str).collect();
            let said = format!("{} {} {}", "x".repeat(filler), headers.join(" "), asked.body);
            let said = said.replace('&', "&amp;");
            status(403, &format!("<Error><Code>C</Code><Message>{said}</Message></Error>"))
        });
        let url = sts.url("");
        let by_web = [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path()),
            ("AWS_ROLE_ARN", "arn"),
            ("AWS_ENDPOINT_URL_STS", url.as_str()),
        ];
        let by_keys = [
            ("AWS_ACCESS_KEY_ID", "ENV"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_SESSION_TOKEN", "session-token"),
            ("AWS_ENDPOINT_URL_STS", url.as_str()),
        ];
        for variables in [&by_web[..], &by_keys[..]] {
            let text = chain_with_role("arn:role", "", variables).get(NOW_MS).expect_err("refused").text;
            for secret in ["identity", "web.", "session-", "Signature="] {
                assert!(!text.contains(secret), "{secret} in: {text}");
            }
        }
        let pod = HttpServer::new(move |asked| {
            let said = format!("{} {}", "x".repeat(filler), asked.headers["authorization"]);
            status(200, &format!(r#"{{"Code":"Failed","Message":"{said}"}}"#))
        });
        let url = pod.url("/v1");
        let variables = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer of-the-pod"),
        ];
        let text = chain("", &variables).get(NOW_MS).expect_err("refused").text;
        assert!(text.contains("Failed") && !text.contains("of-the") && !text.contains("Beare"), "{text}");
    }
}
