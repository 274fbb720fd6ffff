//! The environment as it was when the producer was made.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use crate::secret::Secret;

/// A copy: the login's thread must not read the environment while threads of the application may change it.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, Secret>);

impl Environment {
    /// Those variables of the process that AWS's tools read.
    pub fn of_process() -> Environment {
        let is_wanted = |name: &str| name.starts_with("AWS_") || name == "HOME" || name == "USERPROFILE";
        let texts = env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| is_wanted(name))?;
            Some((name, Secret::new(value.into_string().ok()?)))
        });
        Environment(texts.collect())
    }

    /// What a test wants it to be.
    pub fn of(variables: &[(&str, &str)]) -> Environment {
        Environment(variables.iter().map(|(name, value)| ((*name).to_owned(), Secret::from(*value))).collect())
    }

    /// A variable; one that is empty counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.reveal().trim()).filter(|value| !value.is_empty())
    }

    /// `true` in any case.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A file of AWS's tools: where the variable says, or below the home directory.
    pub fn file(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        match self.get(variable) {
            Some(path) => Some(self.below_home(path)),
            None => Some(PathBuf::from(self.home()?).join(below_home)),
        }
    }

    /// `~/` is the home directory.
    pub fn below_home(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), self.home()) {
            (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
            _ => PathBuf::from(path),
        }
    }

    fn home(&self) -> Option<&str> {
        self.get("HOME").or_else(|| self.get("USERPROFILE"))
    }
}
