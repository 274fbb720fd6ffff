//! The files of AWS's tools: profiles with credentials, or with the way to credentials.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::secret::Secret;
use crate::security::aws::environment::Environment;
use crate::security::token_file::read_bounded;

/// Secrets are among the values.
type Section = BTreeMap<String, Secret>;

/// Both files, the credentials' before the other's.
#[derive(Default)]
pub struct Profiles {
    sections: BTreeMap<String, Section>,
    /// The files that were looked for, for messages.
    pub places: String,
}

impl Profiles {
    /// Files that are not there are empty; the error names one that cannot be read.
    pub fn read(environment: &Environment) -> Result<Profiles, String> {
        let mut profiles = Profiles::default();
        let mut places = Vec::new();
        for (variable, below_home, is_config) in
            [("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", false), ("AWS_CONFIG_FILE", ".aws/config", true)]
        {
            let Some(path) = environment.file(variable, below_home) else { continue };
            let text =
                read_if_there(&path).map_err(|error| format!("{} could not be read: {error}", path.display()))?;
            profiles.add(text.reveal(), is_config);
            places.push(path.display().to_string());
        }
        profiles.places = places.join(" and ");
        Ok(profiles)
    }

    /// Adds what a file says and no earlier one has said.
    pub fn add(&mut self, text: &str, is_config: bool) {
        for (name, values) in sections(text, is_config) {
            let section = self.sections.entry(name).or_default();
            for (key, value) in values {
                section.entry(key).or_insert(value);
            }
        }
    }

    pub fn has(&self, profile: &str) -> bool {
        self.sections.contains_key(profile)
    }

    /// A profile's value; one that is empty counts as not there.
    pub fn get(&self, profile: &str, key: &str) -> Option<&str> {
        self.sections.get(profile)?.get(key).map(Secret::reveal).filter(|value| !value.is_empty())
    }
}

fn read_if_there(path: &Path) -> io::Result<Secret> {
    match read_bounded(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Secret::default()),
        other => other,
    }
}

/// The sections of one file by the names of their profiles. Settings within settings (indented lines) are nobody's
/// here.
fn sections(text: &str, is_config: bool) -> Vec<(String, Section)> {
    let mut sections: Vec<(String, Section)> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let name = header.split(']').next().unwrap_or("").trim();
            let profile = profile_name(name, is_config);
            is_open = profile.is_some();
            sections.extend(profile.map(|name| (name, Section::new())));
            continue;
        }
        let (true, false, Some((key, value)), Some((_, section))) =
            (is_open, is_nested, line.split_once('='), sections.last_mut())
        else {
            continue;
        };
        section.insert(key.trim().to_ascii_lowercase(), Secret::from(without_comment(value)));
    }
    sections
}

/// `[name]` among credentials, `[profile name]` in the other file; both know `[default]`.
fn profile_name(header: &str, is_config: bool) -> Option<String> {
    if !is_config || header == "default" {
        return Some(header.to_owned());
    }
    let rest = header.strip_prefix("profile")?;
    rest.starts_with([' ', '\t']).then(|| rest.trim().trim_matches(['"', '\'']).to_owned())
}

/// A comment begins with a space before it, since secrets may have a `#`.
fn without_comment(value: &str) -> &str {
    let end = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| value.find(mark)).min();
    value[..end.unwrap_or(value.len())].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read_the_credentials_first() {
        let mut profiles = Profiles::default();
        profiles.add(
            "; comment\n[default]\naws_access_key_id = A # not mine\nAWS_SECRET_ACCESS_KEY=b#c\n[other]\naws_access_key_id=O\n",
            false,
        );
        profiles.add(
            "[default]\nregion = eu-west-1\naws_access_key_id = later\ns3 =\n  region = nested\n[profile \"two words\"]\nrole_arn = r\n\
             [sso-session x]\nregion=no\n[other]\nregion=no\n[profile other]\nregion=yes\n",
            true,
        );
        for (profile, key, value) in [
            ("default", "aws_access_key_id", Some("A")),
            ("default", "aws_secret_access_key", Some("b#c")),
            ("default", "region", Some("eu-west-1")),
            ("default", "s3", None),
            ("two words", "role_arn", Some("r")),
            ("other", "region", Some("yes")),
            ("other", "aws_access_key_id", Some("O")),
            ("x", "region", None),
        ] {
            assert_eq!(profiles.get(profile, key), value, "{profile} {key}");
        }
        assert!(profiles.has("other") && !profiles.has("x"));
    }

    #[test]
    fn nonsense_is_no_profile() {
        let mut profiles = Profiles::default();
        profiles.add("key=1\n[\n]\n[]\n=\n[default\na=b\n[profile]\nc=d\n\u{0}\n[default]=\n", true);
        assert_eq!(profiles.get("default", "a"), Some("b"));
        assert_eq!(profiles.get("default", "c"), None);
    }
}
