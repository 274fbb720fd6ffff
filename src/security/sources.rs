//! From the configuration to who gets tokens, and to the mechanisms whose credentials are the machine's.

use crate::config::{OauthSettings, SaslMechanism, SaslSettings, TokenSource};
use crate::error::{Error, Result, Status};
use crate::secret::Secret;
use crate::security::assertion::Assertion;
use crate::security::aws::credentials::CredentialChain;
use crate::security::aws::environment::Environment;
use crate::security::aws::iam::{IamTokens, MskIam};
use crate::security::exchange::Mechanism;
use crate::security::gssapi::Gssapi;
use crate::security::gssapi_library::system_kerberos;
use crate::security::http::{Http, HttpSettings};
use crate::security::oidc::{AZURE_URL, Grant, TokenEndpoint, read_extensions};
use crate::security::token::TokenGetter;
use crate::security::token_file::TokenFile;
use crate::security::unsecured::UnsecuredTokens;

/// Who gets OAUTHBEARER's tokens; `None`: the application's callback. Reads the environment, and so belongs on the
/// thread that makes the producer.
pub fn token_getter(sasl: &SaslSettings) -> Result<Option<Box<dyn TokenGetter>>> {
    let oauth = &sasl.oauth;
    let extensions = read_extensions(&oauth.extensions)
        .map_err(|what| conflict(format!("sasl.oauthbearer.extensions: {what}; write name=value,name=value")))?;
    let endpoint = |grant: Grant, url: &str, uses_proxy: bool| -> Option<Box<dyn TokenGetter>> {
        Some(Box::new(TokenEndpoint {
            http: Http::new(http_settings(sasl, uses_proxy)),
            url: url.to_owned(),
            grant,
            scope: oauth.scope.trim().to_owned(),
            sub_claim: oauth.sub_claim_name.clone(),
            extensions: extensions.clone(),
        }))
    };
    Ok(match oauth.source {
        TokenSource::Callback => None,
        TokenSource::ClientCredentials => endpoint(client_grant(oauth)?, &oauth.token_endpoint_url, true),
        TokenSource::JwtBearer => {
            let assertion = Assertion::new(&oauth.assertion).map_err(conflict)?;
            endpoint(Grant::JwtBearer { assertion }, &oauth.token_endpoint_url, true)
        }
        TokenSource::AzureImds => {
            let url = if oauth.token_endpoint_url.is_empty() { AZURE_URL } else { &oauth.token_endpoint_url };
            endpoint(Grant::AzureMachine { query: azure_query(oauth.config.reveal()) }, url, false)
        }
        TokenSource::File => {
            Some(Box::new(TokenFile::new(&oauth.token_endpoint_url, &oauth.sub_claim_name, extensions)))
        }
        TokenSource::AwsIam => Some(Box::new(IamTokens::new(credential_chain(sasl), extensions))),
        TokenSource::Unsecured => {
            let tokens = UnsecuredTokens::new(oauth.config.reveal(), extensions)
                .map_err(|what| conflict(format!("sasl.oauthbearer.config {what}")))?;
            Some(Box::new(tokens))
        }
    })
}

/// The mechanism of a producer whose credentials are the machine's; `None` for the others. Reads the environment as
/// well.
pub fn machine_mechanism(sasl: &SaslSettings) -> Option<Box<dyn Mechanism>> {
    match sasl.mechanism {
        SaslMechanism::Gssapi => Some(Box::new(Gssapi::new(system_kerberos(), &sasl.kerberos))),
        SaslMechanism::AwsMskIam => Some(Box::new(MskIam::new(credential_chain(sasl), &sasl.aws_region))),
        SaslMechanism::Plain | SaslMechanism::ScramSha256 | SaslMechanism::ScramSha512 | SaslMechanism::OauthBearer => {
            None
        }
    }
}

fn client_grant(oauth: &OauthSettings) -> Result<Grant> {
    let client_id = oauth.client_id.clone();
    if oauth.client_secret.is_empty() && oauth.assertion.is_set() {
        let assertion = Assertion::new(&oauth.assertion).map_err(conflict)?;
        return Ok(Grant::ClientAssertion { client_id, assertion });
    }
    let client_secret = oauth.client_secret.clone();
    Ok(Grant::Secret { client_id, client_secret, is_urlencoded: oauth.header_urlencode })
}

/// librdkafka has it behind `query=`; without that word it is the whole text.
fn azure_query(config: &str) -> Secret {
    let config = config.trim();
    let query = ["query=", "params="].iter().find_map(|word| config.strip_prefix(word)).unwrap_or(config);
    Secret::from(query.trim_start_matches('?'))
}

fn credential_chain(sasl: &SaslSettings) -> CredentialChain {
    let http = http_settings(sasl, true);
    CredentialChain::new(Environment::of_process(), &sasl.aws_profile, &sasl.aws_region, &sasl.aws_role, http)
}

fn http_settings(sasl: &SaslSettings, uses_proxy: bool) -> HttpSettings {
    HttpSettings {
        connect_timeout_ms: sasl.refresh.connect_timeout_ms,
        read_timeout_ms: sasl.refresh.read_timeout_ms,
        ca_location: sasl.oauth.https_ca_location.clone(),
        ca_pem: sasl.oauth.https_ca_pem.clone(),
        uses_proxy,
    }
}

fn conflict(text: String) -> Error {
    Error::new(Status::CONFIG_CONFLICT, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn getter(settings: impl FnOnce(&mut OauthSettings)) -> Result<Option<Box<dyn TokenGetter>>> {
        let mut sasl = SaslSettings { mechanism: SaslMechanism::OauthBearer, ..SaslSettings::default() };
        settings(&mut sasl.oauth);
        token_getter(&sasl)
    }

    #[test]
    fn each_source_has_its_getter() {
        assert!(getter(|_| ()).expect("the callback").is_none());
        for source in [
            TokenSource::ClientCredentials,
            TokenSource::File,
            TokenSource::AwsIam,
            TokenSource::AzureImds,
            TokenSource::Unsecured,
        ] {
            assert!(getter(|oauth| oauth.source = source).expect("a getter").is_some(), "{source:?}");
        }
        let without_key = getter(|oauth| oauth.source = TokenSource::JwtBearer).err().expect("no key");
        assert!(without_key.message.contains("sasl.oauthbearer.assertion.private.key.file"), "{without_key}");
        let wrong = getter(|oauth| oauth.extensions = "auth=x".to_owned()).err().expect("reserved");
        assert!(wrong.message.contains("sasl.oauthbearer.extensions"), "{wrong}");
    }

    #[test]
    fn mechanisms_of_the_machine() {
        let name = |mechanism| {
            machine_mechanism(&SaslSettings { mechanism, ..SaslSettings::default() }).map(|made| made.name())
        };
        assert_eq!(name(SaslMechanism::Gssapi), Some("GSSAPI"));
        assert_eq!(name(SaslMechanism::AwsMskIam), Some("AWS_MSK_IAM"));
        assert_eq!(name(SaslMechanism::Plain), None);
    }

    #[test]
    fn azures_query_is_found() {
        for config in
            ["query=api-version=1&resource=x", "?api-version=1&resource=x", " params=api-version=1&resource=x"]
        {
            assert_eq!(azure_query(config).reveal(), "api-version=1&resource=x");
        }
    }
}
