//! Credentials that the machine has: those of a container, and those of an instance.

use std::net::IpAddr;

use crate::secret::Secret;
use crate::security::aws::answers::{Credentials, credentials_json};
use crate::security::aws::environment::Environment;
use crate::security::http::{Http, HttpTrouble, Method, Question, shown_url};
use crate::security::token_file::read_text;

const CONTAINER_HOST: &str = "http://169.254.170.2";
/// Hosts besides this machine that may be asked without TLS: those of ECS and EKS.
const CONTAINER_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// How often a service that does not answer in time is asked.
const ATTEMPTS: u32 = 3;

/// What a source has to say.
pub enum Found {
    Credentials(Credentials),
    /// There is nothing to find here, and why.
    Nothing(String),
}

/// Of ECS, EKS Pod Identity and whoever else sets AWS_CONTAINER_CREDENTIALS_*.
pub fn of_container(environment: &Environment, http: &mut Http) -> Result<Found, HttpTrouble> {
    let relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let url = match (relative, environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
        (Some(path), _) => format!("{CONTAINER_HOST}/{}", path.trim_start_matches('/')),
        (None, Some(url)) => url.to_owned(),
        (None, None) => {
            return Ok(Found::Nothing("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set".to_owned()));
        }
    };
    if !may_be_asked(&url) {
        return Err(HttpTrouble {
            text: format!(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI {} is neither https nor on this machine, and credentials are not asked for in plain text elsewhere",
                shown_url(&url)
            ),
            is_permanent: true,
        });
    }
    let token = container_token(environment)?;
    let mut headers = vec![("Accept", "application/json")];
    if !token.is_empty() {
        headers.push(("Authorization", token.reveal().trim()));
    }
    let answer = http.ask(&Question { method: Method::Get, url: &url, headers: &headers, body: "" })?;
    let name = format!("the container's credentials service {}", shown_url(&url));
    if answer.status != 200 {
        return Err(status_trouble(&name, answer.status));
    }
    credentials_json(&answer.body).map(Found::Credentials).map_err(|what| of_service(&name, &http.said(&what)))
}

fn container_token(environment: &Environment) -> Result<Secret, HttpTrouble> {
    if let Some(path) = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        return read_text(path, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
            .map_err(|refusal| HttpTrouble { text: refusal.text, is_permanent: refusal.is_permanent });
    }
    Ok(Secret::from(environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").unwrap_or("")))
}

fn may_be_asked(url: &str) -> bool {
    if url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://")) {
        return true;
    }
    let authority = url.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?', '#']).next().unwrap_or("");
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    };
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_here || CONTAINER_HOSTS.contains(&host)
}

/// Of an EC2 instance's role, by version 2 of its metadata service.
pub fn of_instance(environment: &Environment, http: &mut Http) -> Result<Found, HttpTrouble> {
    if environment.is_true("AWS_EC2_METADATA_DISABLED") {
        return Ok(Found::Nothing("AWS_EC2_METADATA_DISABLED is true".to_owned()));
    }
    let url = instance_url(environment);
    let token_question = Question {
        method: Method::Put,
        url: &format!("{url}/latest/api/token"),
        headers: &[("X-aws-ec2-metadata-token-ttl-seconds", "21600")],
        body: "",
    };
    let name = format!("the instance metadata service {}", shown_url(&url));
    // One lost packet must not look like a machine without the service.
    let mut attempt = 1;
    let mut asked = http.ask(&token_question);
    while asked.is_err() && http.timed_out() && attempt < ATTEMPTS {
        attempt += 1;
        asked = http.ask(&token_question);
    }
    let token = match asked {
        Ok(answer) if answer.status == 200 => Secret::new(String::from_utf8_lossy(&answer.body).trim().to_owned()),
        Ok(answer) => return Err(status_trouble(&name, answer.status)),
        Err(trouble) => return Ok(Found::Nothing(format!("this is no EC2 instance, it seems ({})", trouble.text))),
    };
    if token.is_empty() || !token.reveal().bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Err(of_service(&name, "answered with something that is no token"));
    }
    let headers = [("X-aws-ec2-metadata-token", token.reveal())];
    let mut ask = |path: &str| {
        http.ask(&Question { method: Method::Get, url: &format!("{url}{path}"), headers: &headers, body: "" })
    };
    let answer = ask(ROLES)?;
    let role = String::from_utf8_lossy(&answer.body).lines().next().unwrap_or("").trim().to_owned();
    if answer.status == 404 || answer.status == 200 && role.is_empty() {
        return Ok(Found::Nothing("the instance has no role".to_owned()));
    }
    if answer.status != 200 {
        return Err(status_trouble(&name, answer.status));
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if !role.chars().all(is_name) {
        return Err(of_service(&name, "answered with something that is no name of a role"));
    }
    let answer = ask(&format!("{ROLES}{role}"))?;
    if answer.status != 200 {
        return Err(status_trouble(&name, answer.status));
    }
    credentials_json(&answer.body).map(Found::Credentials).map_err(|what| of_service(&name, &http.said(&what)))
}

fn instance_url(environment: &Environment) -> String {
    if let Some(url) = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
        return url.trim_end_matches('/').to_owned();
    }
    let is_v6 =
        environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
    if is_v6 { "http://[fd00:ec2::254]" } else { "http://169.254.169.254" }.to_owned()
}

fn status_trouble(name: &str, status: u16) -> HttpTrouble {
    HttpTrouble {
        text: format!("{name} answered with HTTP status {status}"),
        is_permanent: (400..500).contains(&status) && status != 429,
    }
}

fn of_service(name: &str, what: &str) -> HttpTrouble {
    HttpTrouble { text: format!("{name} {what}"), is_permanent: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_asked_for_in_plain_text_on_this_machine_only() {
        for (url, may) in [
            ("https://example.com/x", true),
            ("http://127.0.0.1:80/x", true),
            ("http://localhost/x", true),
            ("http://[::1]:8080/x", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("http://example.com/x", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://example.com/127.0.0.1", false),
            ("http://example.com#@127.0.0.1/", false),
            ("nonsense", false),
        ] {
            assert_eq!(may_be_asked(url), may, "{url}");
        }
    }
}
