//! Runs `c/txn_shell.c`: one call of the C interface at a time, for tests that decide what happens when.

use std::process::Command;
use std::time::Duration;

use crate::cluster::KafkaCluster;
use crate::dialogue::Dialogue;
use crate::env;

/// Longer than any call's own timeout in these tests.
const PATIENCE: Duration = Duration::from_secs(150);

/// What a call returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// ok, retriable, abortable, fatal or plain.
    pub class: String,
    /// The status by name.
    pub name: String,
    /// The sentence that goes with it.
    pub text: String,
}

impl Answer {
    /// Whether the call succeeded.
    pub fn is_ok(&self) -> bool {
        self.class == "ok"
    }
}

/// A record's report: its value, no / maybe / yes, the status by name.
pub type ShellReport = (String, String, String);

/// A running shell with one producer.
#[derive(Debug)]
pub struct Shell {
    dialogue: Dialogue,
    /// The reports so far.
    pub reports: Vec<ShellReport>,
}

impl Shell {
    /// Starts a producer with these properties.
    pub fn start(cluster: &KafkaCluster, properties: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env::program("txn_shell"));
        command.args(["--property", &format!("bootstrap.servers={}", cluster.bootstrap())]);
        for (name, value) in properties {
            command.args(["--property", &format!("{name}={value}")]);
        }
        Self { dialogue: Dialogue::start("txn_shell", command), reports: Vec::new() }
    }

    /// Makes a call and returns its answer.
    pub fn call(&mut self, line: &str) -> Answer {
        self.dialogue.say(line);
        loop {
            let heard = self.dialogue.hear(PATIENCE).unwrap_or_else(|| panic!("txn_shell ended at {line:?}"));
            let fields: Vec<&str> = heard.split('\t').collect();
            match fields[..] {
                ["report", value, persisted, name, _] => {
                    self.reports.push((value.to_owned(), persisted.to_owned(), name.to_owned()));
                }
                ["answer", _, class, name, text] => {
                    return Answer { class: class.to_owned(), name: name.to_owned(), text: text.to_owned() };
                }
                _ => panic!("txn_shell printed {heard:?}"),
            }
        }
    }

    /// Makes a call that has to succeed; a retriable answer is answered by the same call.
    pub fn must(&mut self, line: &str) {
        for _ in 0..20 {
            let answer = self.call(line);
            if answer.class == "retriable" {
                continue;
            }
            assert!(answer.is_ok(), "{line}: {answer:?}");
            return;
        }
        panic!("{line}: no end of retriable answers");
    }

    /// Kills the process with SIGKILL.
    pub fn kill(self) {
        self.dialogue.kill();
    }
}
