//! What the properties of SASL come to.

use crate::config::table::{Kind, lookup};
use crate::config::{Config, ConfigBuilder, SaslMechanism, TokenSource, warnings};
use crate::error::{Error, Result, Status};

/// With a SASL protocol, and a broker.
fn build(settings: &[(&str, &str)]) -> Result<Config> {
    let mut builder = ConfigBuilder::new();
    builder.set("bootstrap.servers", "localhost")?;
    builder.set("security.protocol", "SASL_PLAINTEXT")?;
    for (name, value) in settings {
        builder.set(name, value)?;
    }
    builder.build()
}

fn good(settings: &[(&str, &str)]) -> Config {
    build(settings).unwrap_or_else(|error| panic!("{settings:?}: {error}"))
}

fn conflict(settings: &[(&str, &str)]) -> String {
    let error = build(settings).expect_err("a contradiction");
    assert_eq!(error.status, Status::CONFIG_CONFLICT, "{settings:?}: {error}");
    assert!(!error.message.contains("s3cret"), "{error}");
    error.message
}

const PLAIN: &str =
    "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"s3cret\";";
const SCRAM: &str =
    "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"u\" password=\"s3cret\"";

#[test]
fn every_choice_of_a_mechanism_has_its_value() {
    let Kind::Choice(names) = lookup("sasl.mechanism").unwrap().property.kind else { panic!("a choice") };
    for name in names {
        let credentials = [("sasl.mechanism", *name), ("sasl.username", "u"), ("sasl.password", "p")];
        let count = if name.starts_with("SCRAM") || *name == "PLAIN" { 3 } else { 1 };
        assert_eq!(good(&credentials[..count]).sasl.mechanism.name(), *name);
    }
    assert_eq!(good(&[]).sasl.mechanism, SaslMechanism::Gssapi, "Kafka's default");
    let error = build(&[("sasl.mechanisms", "SCRAM-SHA-1")]).unwrap_err();
    assert_eq!(error.status, Status::INVALID_PROPERTY);
    assert!(error.message.contains("GSSAPI, PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, AWS_MSK_IAM"), "{error}");
}

#[test]
fn a_login_module_says_what_properties_say() {
    let sasl = good(&[("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", PLAIN)]).sasl;
    assert_eq!((sasl.username.as_str(), sasl.password.reveal(), sasl.token_auth), ("u", "s3cret", false));
    let token = format!("{SCRAM} tokenauth=\"true\";");
    let sasl = good(&[("sasl.mechanism", "SCRAM-SHA-512"), ("sasl.jaas.config", &token)]).sasl;
    assert!(sasl.token_auth && sasl.password.reveal() == "s3cret" && sasl.jaas.is_none());
    let oauth = good(&[
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.token.endpoint.url", "https://idp/token"),
        ("sasl.login.callback.handler.class", "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler"),
        (
            "sasl.jaas.config",
            "OAuthBearerLoginModule required clientId=\"id\" clientSecret=\"s3cret\" scope=\"all\" extension_a=\"1\" extension_b=\"2\";",
        ),
    ])
    .sasl
    .oauth;
    assert_eq!(oauth.source, TokenSource::ClientCredentials);
    assert_eq!((oauth.client_id.as_str(), oauth.client_secret.reveal()), ("id", "s3cret"));
    assert_eq!((oauth.scope.as_str(), oauth.extensions.as_str()), ("all", "a=1,b=2"));
    let kerberos = good(&[(
        "sasl.jaas.config",
        "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true keyTab=\"/k\" principal=\"p@R\" serviceName=\"broker\";",
    )])
    .sasl
    .kerberos;
    assert_eq!((kerberos.keytab.as_str(), kerberos.principal.as_str()), ("/k", "p@R"));
    assert_eq!(kerberos.service_name, "broker");
}

#[test]
fn what_contradicts_or_lacks_is_named_with_its_remedy() {
    for (settings, says) in [
        (vec![("sasl.mechanism", "PLAIN")], "sasl.mechanism=PLAIN needs sasl.username and sasl.password: set them"),
        (vec![("sasl.mechanism", "SCRAM-SHA-256"), ("sasl.username", "u")], "SCRAM-SHA-256 needs sasl.password"),
        (vec![("sasl.mechanism", "PLAIN"), ("sasl.password", "s3cret")], "PLAIN needs sasl.username"),
        (
            vec![("sasl.username", "u"), ("sasl.password", "s3cret")],
            "sasl.username is set, but sasl.mechanism is not set and its default, GSSAPI, does not use it: set sasl.mechanism",
        ),
        (
            vec![("sasl.jaas.config", PLAIN)],
            "but sasl.mechanism is not set, and its default is GSSAPI: set it to PLAIN",
        ),
        (
            vec![("sasl.jaas.config", PLAIN), ("sasl.mechanism", "SCRAM-SHA-256")],
            "plain.PlainLoginModule, but sasl.mechanism=SCRAM-SHA-256: use PLAIN, or the login module of",
        ),
        (
            vec![("sasl.jaas.config", PLAIN), ("sasl.mechanism", "PLAIN"), ("sasl.password", "s3cret2")],
            "password in sasl.jaas.config and sasl.password are not the same",
        ),
        (
            vec![("sasl.mechanism", "OAUTHBEARER"), ("sasl.oauthbearer.method", "oidc")],
            "needs sasl.oauthbearer.token.endpoint.url and sasl.oauthbearer.client.credentials.client.id and",
        ),
        (
            vec![
                ("sasl.mechanism", "OAUTHBEARER"),
                ("sasl.oauthbearer.token.endpoint.url", "idp/token"),
                ("sasl.oauthbearer.client.id", "i"),
                ("sasl.oauthbearer.client.secret", "s3cret"),
            ],
            "neither https:// nor http:// nor file:",
        ),
        (
            vec![
                ("sasl.mechanism", "OAUTHBEARER"),
                ("sasl.oauthbearer.token.endpoint.url", "http://idp/token"),
                ("sasl.oauthbearer.grant.type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ],
            "assertion.private.key.pem or sasl.oauthbearer.assertion.file: set one",
        ),
        (
            vec![("sasl.login.retry.backoff.ms", "9"), ("sasl.login.retry.backoff.max.ms", "8")],
            "sasl.login.retry.backoff.ms=9 is more than sasl.login.retry.backoff.max.ms=8",
        ),
    ] {
        let text = conflict(&settings);
        assert!(text.contains(says), "{settings:?}: {text}");
    }
}

#[test]
fn without_a_protocol_of_sasl_nothing_is_missing_and_the_log_says_so() {
    let with = |name: &str, value: &str| {
        let mut builder = ConfigBuilder::new();
        builder.set("bootstrap.servers", "localhost").unwrap();
        builder.set(name, value).unwrap();
        warnings(&builder.build().unwrap(), false)
    };
    assert!(with("sasl.mechanism", "PLAIN")[0].contains("sasl.mechanism is set, but without effect"));
    assert!(with("sasl.jaas.config", PLAIN)[0].contains("security.protocol"));
    assert!(with("sasl.kerberos.keytab", "/k")[0].contains("sasl.kerberos.keytab is set, but without effect"));
    assert!(with("ssl.ca.location", "/ca")[0].contains("ssl.ca.location is set, but without effect"));
    assert!(with("client.id", "x").is_empty());
    assert!(warnings(&Config::default(), true)[0].contains("a token callback is set, but without effect"));
    assert_eq!(warnings(&good(&[]), false), Vec::<String>::new());
}

#[test]
fn secrets_that_would_be_readable_on_the_way_are_warned_of() {
    let user = [("sasl.username", "u"), ("sasl.password", "s3cret")];
    let found = |mechanism: &str, protocol: &str, more: &[(&str, &str)]| {
        let mut builder = ConfigBuilder::new();
        let first = [("bootstrap.servers", "b"), ("sasl.mechanism", mechanism), ("security.protocol", protocol)];
        for (name, value) in first.iter().chain(more) {
            builder.set(name, value).unwrap();
        }
        warnings(&builder.build().unwrap(), false)
    };
    assert!(found("PLAIN", "SASL_PLAINTEXT", &user)[0].contains("SASL_PLAINTEXT sends the password readable"));
    assert!(found("OAUTHBEARER", "SASL_PLAINTEXT", &[])[0].contains("sends the token readable"));
    assert!(found("SCRAM-SHA-256", "SASL_PLAINTEXT", &user).is_empty());
    assert!(found("PLAIN", "SASL_SSL", &user).is_empty());
    for (url, is_told) in [
        ("http://idp/token", true),
        ("HTTP://127.0.0.1.example/token", true),
        ("https://idp/token", false),
        ("http://localhost:80/token", false),
        ("http://[::1]:80/token", false),
        ("http://127.0.0.1/token", false),
    ] {
        let settings = [
            ("sasl.oauthbearer.token.endpoint.url", url),
            ("sasl.oauthbearer.client.id", "i"),
            ("sasl.oauthbearer.client.secret", "s3cret"),
        ];
        let lines = found("OAUTHBEARER", "SASL_SSL", &settings);
        assert_eq!(!lines.is_empty(), is_told, "{url}: {lines:?}");
        assert!(!lines.concat().contains("s3cret"));
    }
}

#[test]
fn two_places_where_tokens_come_from_contradict_each_other() {
    let url = ("sasl.oauthbearer.token.endpoint.url", "https://idp/token");
    let aws = ("sasl.oauthbearer.metadata.authentication.type", "aws_iam");
    let unsigned = ("enable.sasl.oauthbearer.unsecure.jwt", "true");
    let bearer = ("sasl.oauthbearer.grant.type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    for (one, other) in [(url, aws), (url, unsigned), (aws, unsigned), (bearer, aws)] {
        let text = conflict(&[("sasl.mechanism", "OAUTHBEARER"), one, other]);
        assert!(text.contains(one.0) && text.contains(other.0) && text.contains("two places"), "{text}");
    }
}

#[test]
fn where_tokens_come_from_follows_from_what_is_set() {
    let source = |settings: &[(&str, &str)]| {
        let mut all = vec![
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.oauthbearer.client.id", "i"),
            ("sasl.oauthbearer.client.secret", "s3cret"),
            ("sasl.oauthbearer.assertion.file", "/a"),
        ];
        all.extend_from_slice(settings);
        good(&all).sasl.oauth.source
    };
    let url = ("sasl.oauthbearer.token.endpoint.url", "https://idp/token");
    let retriever = "sasl.oauthbearer.jwt.retriever.class";
    assert_eq!(source(&[]), TokenSource::Callback);
    assert_eq!(source(&[url]), TokenSource::ClientCredentials);
    assert_eq!(source(&[("sasl.oauthbearer.token.endpoint.url", "FILE:///run/token")]), TokenSource::File);
    assert_eq!(
        source(&[url, (retriever, "org.apache.kafka.common.security.oauthbearer.JwtBearerJwtRetriever")]),
        TokenSource::JwtBearer
    );
    assert_eq!(source(&[("enable.sasl.oauthbearer.unsecure.jwt", "true")]), TokenSource::Unsecured);
    assert_eq!(source(&[("sasl.oauthbearer.metadata.authentication.type", "aws_iam")]), TokenSource::AwsIam);
    assert_eq!(
        source(&[(
            "sasl.login.callback.handler.class",
            "software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler"
        )]),
        TokenSource::AwsIam
    );
}

#[test]
fn factors_are_numbers_with_a_point() {
    let refresh = good(&[
        ("sasl.login.refresh.window.factor", "0.95"),
        ("sasl.login.refresh.window.jitter", "0"),
        ("sasl.login.refresh.min.period.seconds", "1"),
        ("sasl.login.retry.backoff.ms", "20000"),
    ])
    .sasl
    .refresh;
    assert_eq!((refresh.window_factor_permille, refresh.window_jitter_permille), (950, 0));
    assert_eq!((refresh.min_period_seconds, refresh.retry_backoff_max_ms), (1, 20_000));
    for value in ["0.4", "1.1", "", "x", "-1", "1e0"] {
        let error: Error = build(&[("sasl.login.refresh.window.factor", value)]).unwrap_err();
        assert_eq!(error.status, Status::INVALID_PROPERTY);
        assert!(error.message.contains("a number, 0.5 to 1"), "{error}");
    }
}

#[test]
fn no_secret_is_in_the_debug_output() {
    let config = good(&[
        ("sasl.mechanism", "PLAIN"),
        ("sasl.jaas.config", PLAIN),
        ("sasl.oauthbearer.client.secret", "s3cret"),
        ("sasl.oauthbearer.config", "s3cret"),
        ("sasl.oauthbearer.assertion.private.key.pem", "s3cret"),
        ("sasl.oauthbearer.assertion.private.key.passphrase", "s3cret"),
    ]);
    assert!(!format!("{config:?}").contains("s3cret"));
    let mut builder = ConfigBuilder::new();
    builder.set("sasl.jaas.config", PLAIN).unwrap();
    assert_eq!(builder.get("sasl.jaas.config").as_deref(), Some("[hidden]"));
    let bad = "PlainLoginModule required username=\"u\" password=\"s3cret";
    let error = builder.set("sasl.jaas.config", bad).unwrap_err();
    assert!(error.message.contains("a quote is not closed") && !error.message.contains("s3cret"), "{error}");
}
