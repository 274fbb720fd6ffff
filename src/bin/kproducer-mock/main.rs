//! `kproducer-mock`: the mock cluster as a program of its own, for any Kafka client. Options begin it; lines on standard input,
//! which are options without their dashes, change it while clients are connected.

mod commands;
mod options;

use std::io::{BufRead, Write};
use std::process::ExitCode;

use kproducer::mock::MockCluster;
use options::{Begin, Options, Wanted};

/// A command line that cannot be carried out.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = match std::env::args_os().skip(1).map(|word| word.into_string()).collect() {
        Ok(arguments) => arguments,
        Err(word) => return misused(&format!("'{}' is not UTF-8", word.to_string_lossy())),
    };
    let options = match options::read(&arguments) {
        Ok(Wanted::Run(options)) => options,
        Ok(Wanted::Print(text)) => {
            println!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(text) => return misused(&text),
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Begin::Misused(text)) => misused(&text),
        Err(Begin::Failed(text)) => {
            eprintln!("kproducer-mock: {text}");
            ExitCode::FAILURE
        }
    }
}

fn misused(text: &str) -> ExitCode {
    eprintln!("kproducer-mock: {text}; see kproducer-mock --help");
    ExitCode::from(MISUSED)
}

/// Returns when standard input says `quit`; otherwise the program runs until it is ended.
fn run(options: &Options) -> Result<(), Begin> {
    let mock = options.start()?;
    // Whoever started this reads the line to know that brokers listen, and where.
    say(&format!("listening on {}", mock.bootstrap_servers()));
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let (name, value) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
        match name {
            "" => {}
            "quit" => return Ok(()),
            _ => run_command(&mock, name, value.trim()),
        }
    }
    // Standard input has ended, as that of a program in the background has: the brokers go on.
    loop {
        std::thread::park();
    }
}

/// Runs the command in a line of standard input and prints the outcome in one line.
fn run_command(mock: &MockCluster, name: &str, value: &str) {
    let done = commands::read(name, value).and_then(|command| command.run(mock));
    match done {
        Ok(()) => say("ok"),
        Err(text) => say(&format!("error: {text}")),
    }
}

/// A reader that has gone is no reason to stop the brokers.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
