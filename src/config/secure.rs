//! What is configured of TLS and SASL, as the rest of the library reads it. Texts are empty when nothing is set.
//! `Debug` shows nothing that could be a secret.

use std::fmt;

use crate::config::Jaas;
use crate::secret::Secret;

/// How connections are protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    #[default]
    Plaintext,
    /// TLS; the client may show a certificate.
    Ssl,
    /// SASL without encryption.
    SaslPlaintext,
    /// SASL inside TLS.
    SaslSsl,
}

/// Their names, as security.protocol and entries of server lists spell them.
pub(super) const SECURITY_PROTOCOLS: &[&str] = &["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

impl SecurityProtocol {
    pub fn uses_tls(self) -> bool {
        matches!(self, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl)
    }

    pub fn uses_sasl(self) -> bool {
        matches!(self, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl)
    }
}

/// The form of a key or trust store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StoreType {
    /// Told by the file's content.
    #[default]
    Any,
    Pem,
    Pkcs12,
}

/// The oldest TLS version that is spoken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum TlsVersion {
    #[default]
    V12,
    V13,
}

/// Everything under `ssl.`.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// `ssl.ca.location`: file or directory.
    pub ca_location: String,
    pub truststore_location: String,
    pub truststore_password: Secret,
    pub truststore_type: StoreType,
    /// `ssl.truststore.certificates`, `ssl.ca.pem`: PEM text.
    pub truststore_certificates: String,
    pub crl_location: String,
    pub keystore_location: String,
    pub keystore_password: Secret,
    pub keystore_type: StoreType,
    /// `ssl.keystore.key`, `ssl.key.pem`: PEM text.
    pub keystore_key: Secret,
    /// `ssl.keystore.certificate.chain`, `ssl.certificate.pem`: PEM text.
    pub keystore_certificate_chain: String,
    pub key_location: String,
    pub certificate_location: String,
    pub key_password: Secret,
    /// `ssl.endpoint.identification.algorithm` is `https`.
    pub verify_hostname: bool,
    /// `enable.ssl.certificate.verification`.
    pub verify_certificates: bool,
    pub version_min: TlsVersion,
    pub version_max: TlsVersion,
    /// `ssl.protocol`: the newest version whatever `version_max` says.
    pub version_cap: TlsVersion,
    /// Empty, as the next two: those of the TLS library.
    pub cipher_suites: Vec<String>,
    pub curves: Vec<String>,
    pub signature_algorithms: Vec<String>,
    /// `ssl.reload.interval.ms`: how often the files are looked at; 0 is never.
    pub reload_interval_ms: u64,
}

impl Default for TlsSettings {
    fn default() -> TlsSettings {
        TlsSettings {
            ca_location: String::new(),
            truststore_location: String::new(),
            truststore_password: Secret::default(),
            truststore_type: StoreType::Any,
            truststore_certificates: String::new(),
            crl_location: String::new(),
            keystore_location: String::new(),
            keystore_password: Secret::default(),
            keystore_type: StoreType::Any,
            keystore_key: Secret::default(),
            keystore_certificate_chain: String::new(),
            key_location: String::new(),
            certificate_location: String::new(),
            key_password: Secret::default(),
            verify_hostname: true,
            verify_certificates: true,
            version_min: TlsVersion::V12,
            version_max: TlsVersion::V13,
            version_cap: TlsVersion::V13,
            cipher_suites: Vec::new(),
            curves: Vec::new(),
            signature_algorithms: Vec::new(),
            reload_interval_ms: 60_000,
        }
    }
}

/// Without keys and passwords.
impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("ca_location", &self.ca_location)
            .field("truststore_location", &self.truststore_location)
            .field("keystore_location", &self.keystore_location)
            .field("key_location", &self.key_location)
            .field("certificate_location", &self.certificate_location)
            .field("crl_location", &self.crl_location)
            .field("verify_hostname", &self.verify_hostname)
            .field("verify_certificates", &self.verify_certificates)
            .field("version_min", &self.version_min)
            .field("version_max", &self.version_max.min(self.version_cap))
            .field("cipher_suites", &self.cipher_suites)
            .field("reload_interval_ms", &self.reload_interval_ms)
            .finish_non_exhaustive()
    }
}

/// Who says who we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SaslMechanism {
    #[default]
    Gssapi,
    Plain,
    ScramSha256,
    ScramSha512,
    OauthBearer,
    AwsMskIam,
}

/// Everything under `sasl.`.
#[derive(Clone, PartialEq, Eq)]
pub struct SaslSettings {
    pub mechanism: SaslMechanism,
    pub username: String,
    pub password: Secret,
    /// SCRAM with a delegation token: `username` is its id, `password` its HMAC (KIP-48).
    pub token_auth: bool,
    /// Until its options are in the fields here; then there is none.
    pub jaas: Option<Jaas>,
    pub kerberos: KerberosSettings,
    pub oauth: OauthSettings,
    pub refresh: RefreshSettings,
    /// Region of AWS's signatures; empty: from the environment, or from the broker's name.
    pub aws_region: String,
    /// Profile of AWS's credential files; empty: from the environment, or `default`.
    pub aws_profile: String,
    pub aws_role: AwsRoleSettings,
}

impl Default for SaslSettings {
    fn default() -> SaslSettings {
        SaslSettings {
            mechanism: SaslMechanism::Gssapi,
            username: String::new(),
            password: Secret::default(),
            token_auth: false,
            jaas: None,
            kerberos: KerberosSettings::default(),
            oauth: OauthSettings::default(),
            refresh: RefreshSettings::default(),
            aws_region: String::new(),
            aws_profile: String::new(),
            aws_role: AwsRoleSettings::default(),
        }
    }
}

impl fmt::Debug for SaslSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaslSettings")
            .field("mechanism", &self.mechanism)
            .field("username", &self.username)
            .field("kerberos", &self.kerberos)
            .field("oauth", &self.oauth)
            .field("refresh", &self.refresh)
            .finish_non_exhaustive()
    }
}

/// Everything under `sasl.aws.role.`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AwsRoleSettings {
    /// Taken by the credentials that were found; empty: those sign themselves.
    pub arn: String,
    pub session_name: String,
    pub external_id: String,
    /// Java's `awsStsRegion`: where roles are had; empty: in the region of the signatures.
    pub sts_region: String,
}

/// Everything under `sasl.kerberos.`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KerberosSettings {
    pub service_name: String,
    /// Empty: that of the ticket cache.
    pub principal: String,
    /// Empty: tickets come from the cache.
    pub keytab: String,
}

impl Default for KerberosSettings {
    fn default() -> KerberosSettings {
        KerberosSettings { service_name: "kafka".into(), principal: String::new(), keytab: String::new() }
    }
}

/// Where OAUTHBEARER's tokens come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TokenSource {
    /// The application's callback.
    #[default]
    Callback,
    /// A token endpoint, by client id and secret (KIP-768).
    ClientCredentials,
    /// A token endpoint, by a signed assertion (KIP-1139).
    JwtBearer,
    /// A file that somebody else renews.
    File,
    /// AWS's signed URL as a token.
    AwsIam,
    /// Azure's metadata service, for the machine's own identity.
    AzureImds,
    /// Unsigned, for tests of brokers that take them.
    Unsecured,
}

/// Everything under `sasl.oauthbearer.`.
#[derive(Clone, PartialEq, Eq)]
pub struct OauthSettings {
    pub source: TokenSource,
    /// `http://`, `https://` or `file://`.
    pub token_endpoint_url: String,
    pub client_id: String,
    pub client_secret: Secret,
    pub scope: String,
    pub sub_claim_name: String,
    pub header_urlencode: bool,
    /// `name=value,name=value`.
    pub extensions: String,
    /// librdkafka's `sasl.oauthbearer.config`.
    pub config: Secret,
    /// `https.ca.location`, `https.ca.pem`: whom the token endpoint's certificate is checked against.
    pub https_ca_location: String,
    pub https_ca_pem: String,
    pub assertion: AssertionSettings,
}

impl Default for OauthSettings {
    fn default() -> OauthSettings {
        OauthSettings {
            source: TokenSource::Callback,
            token_endpoint_url: String::new(),
            client_id: String::new(),
            client_secret: Secret::default(),
            scope: String::new(),
            sub_claim_name: "sub".into(),
            header_urlencode: false,
            extensions: String::new(),
            config: Secret::default(),
            https_ca_location: String::new(),
            https_ca_pem: String::new(),
            assertion: AssertionSettings::default(),
        }
    }
}

impl fmt::Debug for OauthSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OauthSettings")
            .field("source", &self.source)
            .field("client_id", &self.client_id)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Everything under `sasl.oauthbearer.assertion.`.
#[derive(Clone, PartialEq, Eq)]
pub struct AssertionSettings {
    /// `RS256` or `ES256`.
    pub algorithm: String,
    pub private_key_file: String,
    pub private_key_pem: Secret,
    pub private_key_passphrase: Secret,
    /// A ready assertion.
    pub file: String,
    pub template_file: String,
    pub claim_aud: String,
    pub claim_exp_seconds: u64,
    pub claim_iss: String,
    pub claim_jti_include: bool,
    pub claim_nbf_seconds: u64,
    pub claim_sub: String,
}

impl Default for AssertionSettings {
    fn default() -> AssertionSettings {
        AssertionSettings {
            algorithm: "RS256".into(),
            private_key_file: String::new(),
            private_key_pem: Secret::default(),
            private_key_passphrase: Secret::default(),
            file: String::new(),
            template_file: String::new(),
            claim_aud: String::new(),
            claim_exp_seconds: 300,
            claim_iss: String::new(),
            claim_jti_include: false,
            claim_nbf_seconds: 60,
            claim_sub: String::new(),
        }
    }
}

impl AssertionSettings {
    /// Whether there is anything to make an assertion of.
    pub fn is_set(&self) -> bool {
        !self.file.is_empty() || !self.private_key_file.is_empty() || !self.private_key_pem.is_empty()
    }
}

impl fmt::Debug for AssertionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionSettings").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Everything under `sasl.login.`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefreshSettings {
    /// Thousandths of a token's life after which it is renewed.
    pub window_factor_permille: u64,
    pub window_jitter_permille: u64,
    pub min_period_seconds: u64,
    pub buffer_seconds: u64,
    /// 0: the library's own bound.
    pub connect_timeout_ms: u64,
    pub read_timeout_ms: u64,
    pub retry_backoff_ms: u64,
    pub retry_backoff_max_ms: u64,
}

impl Default for RefreshSettings {
    fn default() -> RefreshSettings {
        RefreshSettings {
            window_factor_permille: 800,
            window_jitter_permille: 50,
            min_period_seconds: 60,
            buffer_seconds: 300,
            connect_timeout_ms: 0,
            read_timeout_ms: 0,
            retry_backoff_ms: 100,
            retry_backoff_max_ms: 10_000,
        }
    }
}
