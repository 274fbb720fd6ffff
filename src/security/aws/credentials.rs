//! Who is asked for credentials in which order, as AWS's own tools do it, and until when an answer is good.
//!
//! A source that is configured and fails ends the search: going on could find another identity than the one that is
//! meant.

use crate::config::AwsRoleSettings;
use crate::error::Status;
use crate::secret::Secret;
use crate::security::aws::answers::Credentials;
use crate::security::aws::environment::Environment;
use crate::security::aws::metadata::{Found, of_container, of_instance};
use crate::security::aws::profile::Profiles;
use crate::security::aws::sts::{Role, Sts, sts_url};
use crate::security::http::{Http, HttpSettings, HttpTrouble};
use crate::security::login::Refusal;
use crate::security::token_file::read_text;

/// Credentials are renewed so long before they end, and used until they end if that fails.
const RENEWED_AHEAD_MS: i64 = 300_000;
/// Metadata services are next door: who does not answer is not there.
const METADATA_TIMEOUT_MS: u64 = 1_000;
/// A profile's source may have a source.
const PROFILES_MAX: usize = 8;

/// Finds credentials and keeps them as long as they are good.
pub struct CredentialChain {
    environment: Environment,
    /// `sasl.aws.profile`; empty for the usual order.
    profile: String,
    /// `sasl.aws.region`; may be empty.
    region: String,
    /// `sasl.aws.role.*`; without an ARN nobody's.
    role: AwsRoleSettings,
    http: Http,
    metadata: Http,
    kept: Option<Credentials>,
}

impl CredentialChain {
    /// `http`: how STS is talked to.
    pub fn new(
        environment: Environment,
        profile: &str,
        region: &str,
        role: &AwsRoleSettings,
        http: HttpSettings,
    ) -> CredentialChain {
        let metadata = HttpSettings {
            connect_timeout_ms: METADATA_TIMEOUT_MS,
            read_timeout_ms: METADATA_TIMEOUT_MS,
            uses_proxy: false,
            ..http.clone()
        };
        CredentialChain {
            environment,
            profile: profile.to_owned(),
            region: region.to_owned(),
            role: role.clone(),
            http: Http::new(http),
            metadata: Http::of_metadata(metadata),
            kept: None,
        }
    }

    /// Credentials that are good at `now_ms`.
    pub fn get(&mut self, now_ms: i64) -> Result<Credentials, Refusal> {
        if let Some(kept) =
            self.kept.as_ref().filter(|kept| kept.expires_at_ms.saturating_sub(now_ms) > RENEWED_AHEAD_MS)
        {
            return Ok(kept.clone());
        }
        match self.find_and_take_role(now_ms) {
            Ok(found) if found.expires_at_ms <= now_ms => {
                let text =
                    "AWS credentials were found, but they have expired; is this machine's clock right?".to_owned();
                Err(refusal(text, false))
            }
            Ok(found) => {
                // What does not end may still be changed: keys in files are read anew each time.
                self.kept = (found.expires_at_ms < i64::MAX).then(|| found.clone());
                Ok(found)
            }
            Err(refusal) => {
                self.kept.take_if(|kept| kept.expires_at_ms <= now_ms);
                self.kept.clone().ok_or(refusal)
            }
        }
    }

    /// The region by the environment or the profile; the property comes before both, and empty is nowhere.
    pub fn region(&self) -> String {
        let by_variable = || self.environment.get("AWS_REGION").or_else(|| self.environment.get("AWS_DEFAULT_REGION"));
        if !self.region.is_empty() {
            return self.region.clone();
        }
        if let Some(region) = by_variable() {
            return region.to_owned();
        }
        // A file that cannot be read is told of by whoever looks for credentials in it.
        let profiles = Profiles::read(&self.environment).unwrap_or_default();
        profiles.get(self.profile_name(), "region").unwrap_or("").to_owned()
    }

    fn profile_name(&self) -> &str {
        if self.profile.is_empty() { self.environment.get("AWS_PROFILE").unwrap_or("default") } else { &self.profile }
    }

    fn find_and_take_role(&mut self, now_ms: i64) -> Result<Credentials, Refusal> {
        let found = self.find(now_ms)?;
        if self.role.arn.is_empty() {
            return Ok(found);
        }
        let AwsRoleSettings { arn, session_name, external_id, .. } = self.role.clone();
        let session_name = if session_name.is_empty() { SESSION_NAME } else { &session_name };
        let role = Role { arn: &arn, session_name, external_id: &external_id };
        self.sts().assume(&role, &found, now_ms).map_err(HttpTrouble::refusal)
    }

    fn find(&mut self, now_ms: i64) -> Result<Credentials, Refusal> {
        let mut searched = Vec::new();
        if self.profile.is_empty() {
            match self.of_environment() {
                Found::Credentials(credentials) => return Ok(credentials),
                Found::Nothing(why) => searched.push(format!("environment: {why}")),
            }
            match self.of_web_identity().map_err(HttpTrouble::refusal)? {
                Found::Credentials(credentials) => return Ok(credentials),
                Found::Nothing(why) => searched.push(format!("web identity: {why}")),
            }
        }
        let profiles = Profiles::read(&self.environment).map_err(|text| refusal(text, true))?;
        let name = self.profile_name().to_owned();
        let is_asked_for = !self.profile.is_empty() || self.environment.get("AWS_PROFILE").is_some();
        if is_asked_for || profiles.has(&name) {
            match self.of_profile(&profiles, &name, now_ms, 0)? {
                Found::Credentials(credentials) => return Ok(credentials),
                Found::Nothing(why) if is_asked_for => return Err(refusal(why, true)),
                Found::Nothing(why) => searched.push(format!("profile: {why}")),
            }
        } else {
            searched.push(format!("profile: there is no profile {name} in {}", profiles.places));
        }
        match of_container(&self.environment, &mut self.metadata).map_err(HttpTrouble::refusal)? {
            Found::Credentials(credentials) => return Ok(credentials),
            Found::Nothing(why) => searched.push(format!("container: {why}")),
        }
        match of_instance(&self.environment, &mut self.metadata).map_err(HttpTrouble::refusal)? {
            Found::Credentials(credentials) => return Ok(credentials),
            Found::Nothing(why) => searched.push(format!("instance: {why}")),
        }
        let text = format!("no AWS credentials were found; {}", searched.join("; "));
        Err(refusal(text, !self.metadata.timed_out()))
    }

    fn of_environment(&self) -> Found {
        let get = |name: &str| self.environment.get(name);
        match (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => Found::Credentials(Credentials {
                access_key_id: id.to_owned(),
                secret_access_key: Secret::from(secret),
                session_token: Secret::from(get("AWS_SESSION_TOKEN").unwrap_or("")),
                expires_at_ms: i64::MAX,
            }),
            (Some(_), None) => Found::Nothing("AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not".to_owned()),
            _ => Found::Nothing("AWS_ACCESS_KEY_ID is not set".to_owned()),
        }
    }

    fn of_web_identity(&mut self) -> Result<Found, HttpTrouble> {
        let get = |name: &str| self.environment.get(name).map(str::to_owned);
        let (Some(file), Some(arn)) = (get("AWS_WEB_IDENTITY_TOKEN_FILE"), get("AWS_ROLE_ARN")) else {
            let why = "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not both set";
            return Ok(Found::Nothing(why.to_owned()));
        };
        let session = get("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| SESSION_NAME.to_owned());
        let role = Role { arn: &arn, session_name: &session, external_id: "" };
        self.with_web_identity(&role, &file).map(Found::Credentials)
    }

    fn with_web_identity(&mut self, role: &Role<'_>, file: &str) -> Result<Credentials, HttpTrouble> {
        let path = self.environment.below_home(file);
        let token = read_text(&path.to_string_lossy(), "the web identity's token file setting")
            .map_err(|refusal| HttpTrouble { text: refusal.text, is_permanent: refusal.is_permanent })?;
        self.sts().assume_with_web_identity(role, &token)
    }

    fn sts(&mut self) -> Sts<'_> {
        let region = if self.role.sts_region.is_empty() { self.region() } else { self.role.sts_region.clone() };
        Sts { url: sts_url(&self.environment, &region), region, http: &mut self.http }
    }

    fn of_profile(&mut self, profiles: &Profiles, name: &str, now_ms: i64, depth: usize) -> Result<Found, Refusal> {
        let get = |key: &str| profiles.get(name, key);
        if !profiles.has(name) {
            return Ok(Found::Nothing(format!("there is no profile {name} in {}", profiles.places)));
        }
        let session = get("role_session_name").unwrap_or(SESSION_NAME);
        if let Some(arn) = get("role_arn") {
            let role = Role { arn, session_name: session, external_id: get("external_id").unwrap_or("") };
            if get("mfa_serial").is_some() {
                let text = format!(
                    "the profile {name} wants a code typed in (mfa_serial), which a library cannot ask for; use credentials of a session"
                );
                return Err(refusal(text, true));
            }
            if let Some(file) = get("web_identity_token_file") {
                return self.with_web_identity(&role, file).map(Found::Credentials).map_err(HttpTrouble::refusal);
            }
            let by = match (get("source_profile"), get("credential_source")) {
                (Some(source), _) if source == name => static_keys(profiles, name),
                (Some(source), _) if depth < PROFILES_MAX => self.of_profile(profiles, source, now_ms, depth + 1)?,
                (Some(_), _) => {
                    return Err(refusal(format!("the profile {name} goes in circles by source_profile"), true));
                }
                (None, Some(source)) => self.of_named_source(source, name)?,
                (None, None) => {
                    let text = format!(
                        "the profile {name} has a role_arn, and neither source_profile, credential_source nor web_identity_token_file"
                    );
                    return Err(refusal(text, true));
                }
            };
            return match by {
                Found::Credentials(by) => {
                    self.sts().assume(&role, &by, now_ms).map(Found::Credentials).map_err(HttpTrouble::refusal)
                }
                Found::Nothing(why) => {
                    let is_permanent = !self.metadata.timed_out();
                    Err(refusal(format!("the role of profile {name} has no one to take it: {why}"), is_permanent))
                }
            };
        }
        if let found @ Found::Credentials(_) = static_keys(profiles, name) {
            return Ok(found);
        }
        for (key, what) in [
            ("credential_process", "a program (credential_process)"),
            ("sso_session", "single sign-on (sso_session)"),
            ("sso_start_url", "single sign-on (sso_start_url)"),
        ] {
            if get(key).is_some() {
                let text = format!(
                    "the profile {name} gets its credentials from {what}, which this library does not run; put the output of `aws configure export-credentials --profile {name} --format env` into the environment"
                );
                return Err(refusal(text, true));
            }
        }
        Ok(static_keys(profiles, name))
    }

    fn of_named_source(&mut self, source: &str, profile: &str) -> Result<Found, Refusal> {
        match source {
            "Environment" => Ok(self.of_environment()),
            "EcsContainer" => of_container(&self.environment, &mut self.metadata).map_err(HttpTrouble::refusal),
            "Ec2InstanceMetadata" => of_instance(&self.environment, &mut self.metadata).map_err(HttpTrouble::refusal),
            other => Err(refusal(
                format!(
                    "the profile {profile} has credential_source {other}; known are Environment, EcsContainer and Ec2InstanceMetadata"
                ),
                true,
            )),
        }
    }
}

/// Of a role's session, where nobody has named it.
const SESSION_NAME: &str = "libkproducer";

fn static_keys(profiles: &Profiles, name: &str) -> Found {
    let get = |key: &str| profiles.get(name, key);
    match (get("aws_access_key_id"), get("aws_secret_access_key")) {
        (Some(id), Some(secret)) => Found::Credentials(Credentials {
            access_key_id: id.to_owned(),
            secret_access_key: Secret::from(secret),
            session_token: Secret::from(get("aws_session_token").unwrap_or("")),
            expires_at_ms: i64::MAX,
        }),
        _ => Found::Nothing(format!(
            "the profile {name} in {} has no aws_access_key_id with its aws_secret_access_key",
            profiles.places
        )),
    }
}

fn refusal(text: String, is_permanent: bool) -> Refusal {
    Refusal { status: Status::CREDENTIALS, text, is_permanent }
}
