//! The rows of SASL, and what they come to together: Java's login module beside librdkafka's properties, where tokens
//! come from, and what is missing.

use crate::config::builder::ConfigBuilder;
use crate::config::jaas::{self, Jaas, Module};
use crate::config::rows::{LONG_MS, rows};
use crate::config::table::Convert::Same;
use crate::config::table::Kind::{Bool, Choice, Fraction, Int, Text};
use crate::config::table::State::{Absent, Built, Harmless, Partly};
use crate::config::table::{Alias, Kind, Property, Value};
use crate::config::{Config, SaslMechanism, TokenSource};
use crate::secret::Secret;

const ANY: usize = 65_536;
const JVM: &str = "it chooses a Java class, which a C library cannot load; remove it";
const BROKER: &str = "only brokers use it; remove it";
const KINIT: &str = "tickets come from the ticket cache, or are got with sasl.kerberos.keytab and renewed by the Kerberos library itself; remove it";
const KINIT_OF_LIBRDKAFKA: &str = "kinit -R -t \"%{sasl.kerberos.keytab}\" -k %{sasl.kerberos.principal} || kinit -t \"%{sasl.kerberos.keytab}\" -k %{sasl.kerberos.principal}";
const CALLBACK: &str = "set the function with producer_config_set_oauth_token_callback";

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const DEFAULT_RETRIEVER: &str = "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever";
const CREDENTIALS_RETRIEVER: &str = "org.apache.kafka.common.security.oauthbearer.ClientCredentialsJwtRetriever";
const BEARER_RETRIEVER: &str = "org.apache.kafka.common.security.oauthbearer.JwtBearerJwtRetriever";
const FILE_RETRIEVER: &str = "org.apache.kafka.common.security.oauthbearer.FileJwtRetriever";
const OIDC_HANDLER: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler";
const OIDC_HANDLER_BEFORE_4: &str =
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler";
const MSK_HANDLER: &str = "software.amazon.msk.auth.iam.IAMClientCallbackHandler";
const MSK_OAUTH_HANDLER: &str = "software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler";

pub(super) static SASL: &[Property] = rows! {
    "sasl.mechanism" ["sasl.mechanisms" Same] Choice(&["GSSAPI", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"]), "GSSAPI",
        Built(|c, v| c.sasl.mechanism = mechanism(v.text())),
        "How the client proves who it is, where security.protocol is SASL_SSL or SASL_PLAINTEXT.";
    "sasl.jaas.config" [] Kind::Jaas, "", Built(|c, v| c.sasl.jaas = jaas::parse(v.secret().reveal()).ok()),
        "Java: login module and credentials. What it says is taken as sasl.username, sasl.password and so on.";
    "sasl.username" [] Text(ANY), "", Built(|c, v| c.sasl.username = text(v)),
        "User for PLAIN and SCRAM.";
    "sasl.password" [] Kind::Secret, "", Built(|c, v| c.sasl.password = v.secret()),
        "Password for PLAIN and SCRAM.";
    "sasl.client.callback.handler.class" [] Text(ANY), "", Harmless(&["", MSK_HANDLER], JVM),
        "Java: class of its SASL implementation.";
    "sasl.login.callback.handler.class" [] Text(ANY), "",
        Partly(&["", OIDC_HANDLER, OIDC_HANDLER_BEFORE_4, MSK_OAUTH_HANDLER], |c, v| if v.text() == MSK_OAUTH_HANDLER { c.sasl.oauth.source = TokenSource::AwsIam }),
        "Java: class of its SASL implementation; Amazon's for OAUTHBEARER has tokens made from AWS credentials.";
    "sasl.login.class" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: class of its SASL implementation.";
    "sasl.kerberos.service.name" [] Text(ANY), "kafka", Built(|c, v| c.sasl.kerberos.service_name = text(v)),
        "Kerberos service of the brokers: the first part of their principals.";
    "sasl.kerberos.keytab" [] Text(ANY), "", Built(|c, v| c.sasl.kerberos.keytab = text(v)),
        "Key table file of the client. Empty: the ticket cache, as kinit fills it.";
    "sasl.kerberos.principal" [] Text(ANY), "", Built(|c, v| c.sasl.kerberos.principal = text(v)),
        "The client's principal. Empty: that of the ticket cache, or the key table's first.";
    "sasl.kerberos.kinit.cmd" [] Text(ANY), "", Harmless(&["", "/usr/bin/kinit", KINIT_OF_LIBRDKAFKA], KINIT),
        "Command that renews the ticket.";
    "sasl.kerberos.min.time.before.relogin" [] LONG_MS, "60000", Harmless(&["60000"], KINIT),
        "Least time between renewals.";
    "sasl.kerberos.ticket.renew.window.factor" [] Fraction(0, 1000), "0.8", Harmless(&["0.8"], KINIT),
        "Java: when tickets are renewed.";
    "sasl.kerberos.ticket.renew.jitter" [] Fraction(0, 1000), "0.05", Harmless(&["0.05"], KINIT),
        "Java: when tickets are renewed.";
    "sasl.login.refresh.window.factor" [] Fraction(500, 1000), "0.8", Built(|c, v| c.sasl.refresh.window_factor_permille = v.ms()),
        "The part of a token's life after which it is renewed.";
    "sasl.login.refresh.window.jitter" [] Fraction(0, 250), "0.05", Built(|c, v| c.sasl.refresh.window_jitter_permille = v.ms()),
        "The most that is added at random to that part, so that not all clients come at once.";
    "sasl.login.refresh.min.period.seconds" [] Int(0, 900, "s"), "60", Built(|c, v| c.sasl.refresh.min_period_seconds = v.ms()),
        "Least time before a token is renewed; it gives way where a token lives for less than this and the buffer together.";
    "sasl.login.refresh.buffer.seconds" [] Int(0, 3600, "s"), "300", Built(|c, v| c.sasl.refresh.buffer_seconds = v.ms()),
        "How long before its end a token is renewed at the latest; it gives way as the least time does.";
    "sasl.login.connect.timeout.ms" [] LONG_MS, "0", Built(|c, v| c.sasl.refresh.connect_timeout_ms = v.ms()),
        "Bound on connecting to the token endpoint; 0 is the library's own bound.";
    "sasl.login.read.timeout.ms" [] LONG_MS, "0", Built(|c, v| c.sasl.refresh.read_timeout_ms = v.ms()),
        "Bound on the token endpoint's answer; 0 is the library's own bound.";
    "sasl.login.retry.backoff.ms" [] LONG_MS, "100", Built(|c, v| c.sasl.refresh.retry_backoff_ms = v.ms()),
        "First delay before a token is asked for again after a failure.";
    "sasl.login.retry.backoff.max.ms" [] LONG_MS, "10000", Built(|c, v| c.sasl.refresh.retry_backoff_max_ms = v.ms()),
        "Cap of that growing delay.";
    "sasl.oauthbearer.method" [] Choice(&["default", "oidc"]), "default", Built(|_, _| {}),
        "librdkafka: oidc has tokens got from sasl.oauthbearer.token.endpoint.url, which setting that URL does too.";
    "sasl.oauthbearer.token.endpoint.url" [] Text(ANY), "", Built(|c, v| c.sasl.oauth.token_endpoint_url = text(v)),
        "Where tokens are got: http, https, or file for a token that somebody else renews.";
    "sasl.oauthbearer.client.credentials.client.id" ["sasl.oauthbearer.client.id" Same] Text(ANY), "", Built(|c, v| c.sasl.oauth.client_id = text(v)),
        "Client id for the token endpoint.";
    "sasl.oauthbearer.client.credentials.client.secret" ["sasl.oauthbearer.client.secret" Same] Kind::Secret, "", Built(|c, v| c.sasl.oauth.client_secret = v.secret()),
        "Client secret for the token endpoint.";
    "sasl.oauthbearer.scope" [] Text(ANY), "", Built(|c, v| c.sasl.oauth.scope = text(v)),
        "Scope of the token that is asked for.";
    "sasl.oauthbearer.scope.claim.name" [] Text(ANY), "scope", Built(|_, _| {}),
        "Java: the token's claim that holds the scope. Accepted and without effect: who checks the scope is the broker.";
    "sasl.oauthbearer.sub.claim.name" [] Text(ANY), "sub", Built(|c, v| c.sasl.oauth.sub_claim_name = text(v)),
        "The token's claim that holds the subject, for messages.";
    "sasl.oauthbearer.header.urlencode" [] Bool, "false", Built(|c, v| c.sasl.oauth.header_urlencode = v.flag()),
        "Whether client id and secret are URL-encoded in the header (KIP-1025).";
    "sasl.oauthbearer.jwt.retriever.class" [] Choice(&[DEFAULT_RETRIEVER, CREDENTIALS_RETRIEVER, BEARER_RETRIEVER, FILE_RETRIEVER]), "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
        Built(|c, v| if v.text() == BEARER_RETRIEVER { c.sasl.oauth.source = TokenSource::JwtBearer }),
        "Java: how tokens are got. The default chooses by the URL.";
    "sasl.oauthbearer.jwt.validator.class" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: class that checks tokens.";
    "sasl.oauthbearer.grant.type" [] Choice(&["client_credentials", JWT_BEARER]), "client_credentials",
        Built(|c, v| if v.text() == JWT_BEARER { c.sasl.oauth.source = TokenSource::JwtBearer }),
        "librdkafka: what is shown to the token endpoint: client id and secret, or a signed assertion.";
    "sasl.oauthbearer.assertion.algorithm" [] Choice(&["RS256", "ES256"]), "RS256", Built(|c, v| c.sasl.oauth.assertion.algorithm = text(v)),
        "How the assertion for the token endpoint is signed.";
    "sasl.oauthbearer.assertion.private.key.file" [] Text(ANY), "", Built(|c, v| c.sasl.oauth.assertion.private_key_file = text(v)),
        "PEM file of the key that signs the assertion.";
    "sasl.oauthbearer.assertion.private.key.passphrase" [] Kind::Secret, "", Built(|c, v| c.sasl.oauth.assertion.private_key_passphrase = v.secret()),
        "Password of that key.";
    "sasl.oauthbearer.assertion.private.key.pem" [] Kind::Secret, "", Built(|c, v| c.sasl.oauth.assertion.private_key_pem = v.secret()),
        "librdkafka: the key that signs the assertion, PEM text.";
    "sasl.oauthbearer.assertion.file" [] Text(ANY), "", Built(|c, v| c.sasl.oauth.assertion.file = text(v)),
        "File of an assertion that somebody else makes and renews.";
    "sasl.oauthbearer.assertion.claim.aud" [] Text(ANY), "", Built(|c, v| c.sasl.oauth.assertion.claim_aud = text(v)),
        "The assertion's audience.";
    "sasl.oauthbearer.assertion.claim.exp.seconds" [] Int(1, 86_400, "s"), "300", Built(|c, v| c.sasl.oauth.assertion.claim_exp_seconds = v.ms()),
        "How long the assertion is good.";
    "sasl.oauthbearer.assertion.claim.iss" [] Text(ANY), "", Built(|c, v| c.sasl.oauth.assertion.claim_iss = text(v)),
        "The assertion's issuer.";
    "sasl.oauthbearer.assertion.claim.jti.include" [] Bool, "false", Built(|c, v| c.sasl.oauth.assertion.claim_jti_include = v.flag()),
        "Whether each assertion has an id of its own.";
    "sasl.oauthbearer.assertion.claim.nbf.seconds" [] Int(0, 3600, "s"), "60", Built(|c, v| c.sasl.oauth.assertion.claim_nbf_seconds = v.ms()),
        "How long before it is made the assertion begins to be good, for clocks that differ.";
    "sasl.oauthbearer.assertion.claim.sub" [] Text(ANY), "", Built(|c, v| c.sasl.oauth.assertion.claim_sub = text(v)),
        "The assertion's subject.";
    "sasl.oauthbearer.assertion.template.file" ["sasl.oauthbearer.assertion.jwt.template.file" Same] Text(ANY), "", Built(|c, v| c.sasl.oauth.assertion.template_file = text(v)),
        "JSON file with more of the assertion's header and claims.";
    "sasl.oauthbearer.extensions" [] Text(ANY), "", Built(|c, v| c.sasl.oauth.extensions = text(v)),
        "SASL extensions that go with the token: name=value,name=value.";
    "sasl.oauthbearer.config" [] Kind::Secret, "", Built(|c, v| c.sasl.oauth.config = v.secret()),
        "librdkafka: settings of unsigned tokens and of cloud providers, name=value separated by spaces.";
    "enable.sasl.oauthbearer.unsecure.jwt" [] Bool, "false",
        Built(|c, v| if v.flag() { c.sasl.oauth.source = TokenSource::Unsecured }),
        "Tokens that are not signed, made of sasl.oauthbearer.config; only for tests.";
    "sasl.oauthbearer.metadata.authentication.type" [] Choice(&["none", "azure_imds", "aws_iam"]), "none",
        Built(|c, v| match v.text() {
            "aws_iam" => c.sasl.oauth.source = TokenSource::AwsIam,
            "azure_imds" => c.sasl.oauth.source = TokenSource::AzureImds,
            _ => {}
        }),
        "Tokens of cloud providers: made from AWS credentials, or asked of Azure's metadata service with the query in sasl.oauthbearer.config.";
    "oauthbearer_token_refresh_cb" [] Text(ANY), "", Harmless(&[""], CALLBACK),
        "librdkafka: function that gets tokens.";
    "sasl.oauthbearer.jwks.endpoint.url" [] Text(ANY), "", Absent(BROKER),
        "Java: how brokers check tokens.";
    "sasl.oauthbearer.jwks.endpoint.refresh.ms" [] Text(ANY), "", Absent(BROKER),
        "Java: how brokers check tokens.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" [] Text(ANY), "", Absent(BROKER),
        "Java: how brokers check tokens.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" [] Text(ANY), "", Absent(BROKER),
        "Java: how brokers check tokens.";
    "sasl.oauthbearer.clock.skew.seconds" [] Text(ANY), "", Absent(BROKER),
        "Java: how brokers check tokens.";
    "sasl.oauthbearer.expected.audience" [] Text(ANY), "", Absent(BROKER),
        "Java: how brokers check tokens.";
    "sasl.oauthbearer.expected.issuer" [] Text(ANY), "", Absent(BROKER),
        "Java: how brokers check tokens.";
    "sasl.aws.region" [] Text(ANY), "", Built(|c, v| c.sasl.aws_region = text(v)),
        "Region of AWS's signatures. Empty: from the environment, the profile, or the broker's name.";
    "sasl.aws.profile" [] Text(ANY), "", Built(|c, v| c.sasl.aws_profile = text(v)),
        "Profile of AWS's credential files. Empty: from the environment, or default.";
    "sasl.aws.role.arn" [] Text(ANY), "", Built(|c, v| c.sasl.aws_role.arn = text(v)),
        "Role that is taken with the AWS credentials that were found. Empty: they sign themselves.";
    "sasl.aws.role.session.name" [] Text(ANY), "", Built(|c, v| c.sasl.aws_role.session_name = text(v)),
        "Name of that role's session in AWS's logs. Empty: libkproducer.";
    "sasl.aws.role.external.id" [] Text(ANY), "", Built(|c, v| c.sasl.aws_role.external_id = text(v)),
        "External id, where that role's owner demands one.";
};

fn text(value: &Value) -> String {
    value.text().to_owned()
}

fn mechanism(name: &str) -> SaslMechanism {
    match name {
        "PLAIN" => SaslMechanism::Plain,
        "SCRAM-SHA-256" => SaslMechanism::ScramSha256,
        "SCRAM-SHA-512" => SaslMechanism::ScramSha512,
        "OAUTHBEARER" => SaslMechanism::OauthBearer,
        "AWS_MSK_IAM" => SaslMechanism::AwsMskIam,
        _ => SaslMechanism::Gssapi,
    }
}

impl SaslMechanism {
    /// As SaslHandshake and `sasl.mechanism` name it.
    pub fn name(self) -> &'static str {
        match self {
            SaslMechanism::Gssapi => "GSSAPI",
            SaslMechanism::Plain => "PLAIN",
            SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
            SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
            SaslMechanism::OauthBearer => "OAUTHBEARER",
            SaslMechanism::AwsMskIam => "AWS_MSK_IAM",
        }
    }

    /// Whether it is by user and password.
    pub fn uses_password(self) -> bool {
        matches!(self, SaslMechanism::Plain | SaslMechanism::ScramSha256 | SaslMechanism::ScramSha512)
    }

    fn fits(self, module: Module) -> bool {
        match module {
            Module::Plain => self == SaslMechanism::Plain,
            Module::Scram => matches!(self, SaslMechanism::ScramSha256 | SaslMechanism::ScramSha512),
            Module::OauthBearer => self == SaslMechanism::OauthBearer,
            Module::Krb5 => self == SaslMechanism::Gssapi,
            Module::AwsMskIam => self == SaslMechanism::AwsMskIam,
        }
    }
}

/// Puts together what several properties say of one thing, and names what contradicts or is missing.
pub(super) fn settle(builder: &ConfigBuilder, config: &mut Config, conflicts: &mut Vec<String>) {
    if let Some(jaas) = config.sasl.jaas.take() {
        if config.security_protocol.uses_sasl() && !config.sasl.mechanism.fits(jaas.module) {
            conflicts.push(mechanism_of_jaas(builder, config, &jaas));
        }
        take_jaas(builder, config, &jaas, conflicts);
    }
    let refresh = &mut config.sasl.refresh;
    let (first, most) = ("sasl.login.retry.backoff.ms", "sasl.login.retry.backoff.max.ms");
    if refresh.retry_backoff_ms > refresh.retry_backoff_max_ms {
        if !builder.is_set(most) {
            refresh.retry_backoff_max_ms = refresh.retry_backoff_ms;
        } else if !builder.is_set(first) {
            refresh.retry_backoff_ms = refresh.retry_backoff_max_ms;
        } else {
            let (first_ms, most_ms) = (refresh.retry_backoff_ms, refresh.retry_backoff_max_ms);
            conflicts
                .push(format!("{first}={first_ms} is more than {most}={most_ms}: lower the first or raise the second"));
        }
    }
    choose_source(builder, config);
    if config.security_protocol.uses_sasl() {
        missing(builder, config, conflicts);
    }
}

/// What is set and has no effect, or sends secrets in plain text, as sentences for the log: Java and librdkafka pass
/// over it in silence, so that it is no error. `has_callback`: for tokens.
pub fn warnings(config: &Config, has_callback: bool) -> Vec<String> {
    let mut found = Vec::new();
    let protocol = config.security_protocol;
    let set = |prefixes: [&str; 2]| {
        config.explicit.iter().find(|name| prefixes.iter().any(|prefix| name.starts_with(prefix))).copied()
    };
    let callback = has_callback.then_some("a token callback");
    if !protocol.uses_sasl()
        && let Some(set) = set(["sasl.", "enable.sasl."]).or(callback)
    {
        found.push(format!(
            "{set} is set, but without effect: security.protocol is without SASL; set it to SASL_SSL or SASL_PLAINTEXT"
        ));
    }
    if !protocol.uses_tls()
        && let Some(set) = set(["ssl.", "enable.ssl."])
    {
        found.push(format!(
            "{set} is set, but without effect: security.protocol is without TLS; set it to SSL or SASL_SSL"
        ));
    }
    if !protocol.uses_sasl() {
        return found;
    }
    let mechanism = config.sasl.mechanism;
    if !protocol.uses_tls() && matches!(mechanism, SaslMechanism::Plain | SaslMechanism::OauthBearer) {
        let what = if mechanism == SaslMechanism::Plain { "the password" } else { "the token" };
        found.push(format!(
            "sasl.mechanism={} with security.protocol=SASL_PLAINTEXT sends {what} readable for anybody on the way: use SASL_SSL",
            mechanism.name()
        ));
    }
    let url = &config.sasl.oauth.token_endpoint_url;
    let asks = matches!(config.sasl.oauth.source, TokenSource::ClientCredentials | TokenSource::JwtBearer);
    if mechanism == SaslMechanism::OauthBearer && asks && is_plain_and_elsewhere(url) {
        found.push(
            "sasl.oauthbearer.token.endpoint.url is http: secrets and tokens are readable for anybody on the way: use https"
                .to_owned(),
        );
    }
    found
}

fn is_plain_and_elsewhere(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    scheme.eq_ignore_ascii_case("http") && !is_here
}

fn mechanism_of_jaas(builder: &ConfigBuilder, config: &Config, jaas: &Jaas) -> String {
    let of = match jaas.module {
        Module::Plain => "PLAIN",
        Module::Scram => "SCRAM-SHA-256 or SCRAM-SHA-512",
        Module::OauthBearer => "OAUTHBEARER",
        Module::Krb5 => "GSSAPI",
        Module::AwsMskIam => "AWS_MSK_IAM",
    };
    let class = jaas.class();
    let is = config.sasl.mechanism.name();
    if builder.is_set("sasl.mechanism") {
        format!("sasl.jaas.config is of {class}, but sasl.mechanism={is}: use {of}, or the login module of {is}")
    } else {
        format!(
            "sasl.jaas.config is of {class}, but sasl.mechanism is not set, and its default is {is}: set it to {of}"
        )
    }
}

/// The login module's options as the properties that say the same. What is set twice must be the same.
fn take_jaas(builder: &ConfigBuilder, config: &mut Config, jaas: &Jaas, conflicts: &mut Vec<String>) {
    let sasl = &mut config.sasl;
    let oauth = &mut sasl.oauth;
    let mut differ = |option: &str, property: &str| {
        conflicts.push(format!("{option} in sasl.jaas.config and {property} are not the same: set one"));
    };
    let secrets: [(&str, &str, &mut Secret); 2] = [
        ("password", "sasl.password", &mut sasl.password),
        ("clientSecret", "sasl.oauthbearer.client.credentials.client.secret", &mut oauth.client_secret),
    ];
    for (option, property, field) in secrets {
        let Some(value) = jaas.option(option) else { continue };
        if builder.is_set(property) && field != value {
            differ(option, property);
        }
        value.clone_into(field);
    }
    let fields: [(&str, &str, &mut String); 10] = [
        ("username", "sasl.username", &mut sasl.username),
        ("clientId", "sasl.oauthbearer.client.credentials.client.id", &mut oauth.client_id),
        ("scope", "sasl.oauthbearer.scope", &mut oauth.scope),
        ("keyTab", "sasl.kerberos.keytab", &mut sasl.kerberos.keytab),
        ("principal", "sasl.kerberos.principal", &mut sasl.kerberos.principal),
        ("serviceName", "sasl.kerberos.service.name", &mut sasl.kerberos.service_name),
        ("awsProfileName", "sasl.aws.profile", &mut sasl.aws_profile),
        ("awsRoleArn", "sasl.aws.role.arn", &mut sasl.aws_role.arn),
        ("awsRoleSessionName", "sasl.aws.role.session.name", &mut sasl.aws_role.session_name),
        ("awsRoleExternalId", "sasl.aws.role.external.id", &mut sasl.aws_role.external_id),
    ];
    for (option, property, field) in fields {
        let Some(value) = jaas.option(option).map(Secret::reveal) else { continue };
        if builder.is_set(property) && field != value {
            differ(option, property);
        }
        value.clone_into(field);
    }
    if let Some(region) = jaas.option("awsStsRegion") {
        region.reveal().clone_into(&mut sasl.aws_role.sts_region);
    }
    if let Some(flag) = jaas.option("tokenauth") {
        match flag.reveal().to_ascii_lowercase().as_str() {
            "true" => sasl.token_auth = true,
            "false" => {}
            _ => conflicts.push("tokenauth in sasl.jaas.config is neither true nor false: set one of them".to_owned()),
        }
    }
    for (name, value) in &jaas.options {
        let Some(name) = name.strip_prefix("extension_") else { continue };
        let value = value.reveal();
        if value.contains(',') {
            let text = format!("extension_{name} in sasl.jaas.config has a comma in its value, which cannot be told");
            conflicts.push(format!("{text}: remove it"));
        }
        let comma = if oauth.extensions.is_empty() { "" } else { "," };
        oauth.extensions.push_str(&format!("{comma}{name}={value}"));
    }
}

/// Where tokens come from: what was named outright, else what the URL says, else the application.
fn choose_source(builder: &ConfigBuilder, config: &mut Config) {
    let oauth = &mut config.sasl.oauth;
    if oauth.source == TokenSource::Callback {
        let is_oidc = builder.value("sasl.oauthbearer.method").is_some_and(|method| method == "oidc");
        let retriever = builder.value("sasl.oauthbearer.jwt.retriever.class");
        oauth.source = if retriever == Some(FILE_RETRIEVER) || is_file(&oauth.token_endpoint_url) {
            TokenSource::File
        } else if is_oidc || !oauth.token_endpoint_url.is_empty() || retriever == Some(CREDENTIALS_RETRIEVER) {
            TokenSource::ClientCredentials
        } else {
            TokenSource::Callback
        };
    }
}

fn is_file(url: &str) -> bool {
    url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"))
}

/// What the mechanism needs and nobody has set.
fn missing(builder: &ConfigBuilder, config: &Config, conflicts: &mut Vec<String>) {
    let sasl = &config.sasl;
    let mechanism = sasl.mechanism;
    let by = match builder.is_set("sasl.mechanism") {
        true => format!("sasl.mechanism={}", mechanism.name()),
        false => format!("sasl.mechanism is not set and its default, {},", mechanism.name()),
    };
    let user = ("sasl.username", sasl.username.is_empty());
    let password = ("sasl.password", sasl.password.is_empty());
    if mechanism.uses_password() {
        let lacking: Vec<&str> = [user, password].iter().filter(|(_, lacks)| *lacks).map(|(name, _)| *name).collect();
        if !lacking.is_empty() {
            conflicts.push(format!("{by} needs {}: set them, or sasl.jaas.config", lacking.join(" and ")));
        }
    } else if let Some((name, _)) = [user, password].iter().find(|(_, lacks)| !lacks) {
        let remedy = "set sasl.mechanism to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, whichever the brokers want";
        conflicts.push(format!("{name} is set, but {by} does not use it: {remedy}"));
    }
    if mechanism == SaslMechanism::OauthBearer {
        sources_that_contradict(builder, config, conflicts);
        missing_of_tokens(config, conflicts);
    }
}

/// Each property that says where tokens come from leaves some sources; two that leave none together contradict each
/// other.
fn sources_that_contradict(builder: &ConfigBuilder, config: &Config, conflicts: &mut Vec<String>) {
    use TokenSource::{AwsIam, AzureImds, ClientCredentials, File, JwtBearer, Unsecured};
    let url = &config.sasl.oauth.token_endpoint_url;
    let mut said: Vec<(String, &[TokenSource])> = Vec::new();
    if is_file(url) {
        said.push(("sasl.oauthbearer.token.endpoint.url with a file".to_owned(), &[File]));
    } else if !url.is_empty() {
        let endpoint: &[TokenSource] = &[ClientCredentials, JwtBearer, AzureImds, File];
        said.push(("sasl.oauthbearer.token.endpoint.url".to_owned(), endpoint));
    }
    let rows: [(&str, &str, &[TokenSource]); 10] = [
        ("enable.sasl.oauthbearer.unsecure.jwt", "true", &[Unsecured]),
        ("sasl.oauthbearer.method", "oidc", &[ClientCredentials, JwtBearer, AzureImds, AwsIam, File]),
        ("sasl.oauthbearer.metadata.authentication.type", "aws_iam", &[AwsIam]),
        ("sasl.oauthbearer.metadata.authentication.type", "azure_imds", &[AzureImds]),
        ("sasl.login.callback.handler.class", MSK_OAUTH_HANDLER, &[AwsIam]),
        ("sasl.login.callback.handler.class", OIDC_HANDLER, &[ClientCredentials, JwtBearer, File]),
        ("sasl.oauthbearer.jwt.retriever.class", CREDENTIALS_RETRIEVER, &[ClientCredentials]),
        ("sasl.oauthbearer.jwt.retriever.class", BEARER_RETRIEVER, &[JwtBearer]),
        ("sasl.oauthbearer.jwt.retriever.class", FILE_RETRIEVER, &[File]),
        ("sasl.oauthbearer.grant.type", JWT_BEARER, &[JwtBearer]),
    ];
    for (name, value, sources) in rows {
        if builder.value(name).is_some_and(|set| set == value) {
            said.push((format!("{name}={value}"), sources));
        }
    }
    for (at, (name, sources)) in said.iter().enumerate() {
        let fits = |(_, others): &&(String, &[TokenSource])| !sources.iter().any(|source| others.contains(source));
        if let Some((other, _)) = said[..at].iter().find(fits) {
            conflicts.push(format!("{other} and {name} say that tokens come from two places: set one of them"));
            return;
        }
    }
}

fn missing_of_tokens(config: &Config, conflicts: &mut Vec<String>) {
    let oauth = &config.sasl.oauth;
    let url = ("sasl.oauthbearer.token.endpoint.url", oauth.token_endpoint_url.is_empty());
    let id = ("sasl.oauthbearer.client.credentials.client.id", oauth.client_id.is_empty());
    let secret = ("sasl.oauthbearer.client.credentials.client.secret", oauth.client_secret.is_empty());
    let (what, needed) = match oauth.source {
        // An assertion proves who the client is as well as a secret does.
        TokenSource::ClientCredentials if oauth.client_secret.is_empty() && oauth.assertion.is_set() => {
            ("a token endpoint with client credentials", vec![url])
        }
        TokenSource::ClientCredentials => ("a token endpoint with client credentials", vec![url, id, secret]),
        TokenSource::JwtBearer => ("a token endpoint with an assertion", vec![url]),
        TokenSource::File => ("a token from a file", vec![url]),
        TokenSource::AzureImds => {
            ("Azure's metadata service", vec![("sasl.oauthbearer.config", oauth.config.is_empty())])
        }
        TokenSource::Callback | TokenSource::AwsIam | TokenSource::Unsecured => return,
    };
    let lacking: Vec<&str> = needed.iter().filter(|(_, lacks)| *lacks).map(|(name, _)| *name).collect();
    if !lacking.is_empty() {
        conflicts.push(format!("{what} needs {}: set what is missing", lacking.join(" and ")));
    }
    let scheme = oauth.token_endpoint_url.split("://").next().unwrap_or_default().to_ascii_lowercase();
    let is_http = matches!(scheme.as_str(), "http" | "https");
    if !oauth.token_endpoint_url.is_empty() && !is_http && oauth.source != TokenSource::File {
        let text = "sasl.oauthbearer.token.endpoint.url begins with neither https:// nor http:// nor file:";
        conflicts.push(format!("{text}: write the whole URL"));
    }
    let assertion = &oauth.assertion;
    if oauth.source == TokenSource::JwtBearer && !assertion.is_set() {
        let name = "sasl.oauthbearer.assertion";
        conflicts.push(format!(
            "a token endpoint with an assertion needs {name}.private.key.file, {name}.private.key.pem or {name}.file: set one"
        ));
    }
}
