//! A program that is talked to: lines in, lines out.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::process::{Process, Signal};

/// A running program with its input and its lines of output; killed when dropped.
#[derive(Debug)]
pub struct Dialogue {
    name: String,
    process: Process,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Dialogue {
    /// Starts a command; `name` is for messages. Standard error is this program's.
    pub fn start(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn(command).unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let input = process.child().stdin.take();
        let output = process.child().stdout.take().expect("a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                // Nobody listens any more, or the program was killed in the middle of a line.
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { name: name.to_owned(), process, input, lines }
    }

    /// Gives the program a line.
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{line}").unwrap_or_else(|error| panic!("{} does not listen to {line:?}: {error}", self.name));
    }

    /// The program's next line; None when it has ended.
    pub fn hear(&mut self, patience: Duration) -> Option<String> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} hangs: no line for {patience:?}", self.name),
        }
    }

    /// A line that is there already.
    pub fn overhear(&mut self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// Ends the program's input.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Whether the program still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Kills the program with SIGKILL and returns the lines not yet heard.
    pub fn kill(mut self) -> Vec<String> {
        self.process.signal(Signal::Kill);
        self.process.wait();
        self.lines.iter().collect()
    }

    /// Waits for the program's end and returns its status and the lines not yet heard.
    pub fn finish(mut self, patience: Duration) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + patience;
        let mut rest = Vec::new();
        while let Some(line) = self.hear(deadline.saturating_duration_since(Instant::now())) {
            rest.push(line);
        }
        (self.process.wait(), rest)
    }
}
