//! Runs the program that sends records and prints every report as a line: `c/driver.c`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::env;
use crate::process::Process;
use crate::record::Record;

/// Longer than any test's delivery timeout: a driver that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(150);

/// Whether a failed record may be in the log, as its report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persisted {
    /// Certainly not.
    No,
    /// Nobody knows.
    Maybe,
    /// Certainly.
    Yes,
}

/// A delivery report, as the driver printed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which record, counted from 0 in the order of sending.
    pub index: usize,
    /// 0, Kafka's error code, or the library's own negative status.
    pub status: i32,
    /// The status by name.
    pub name: String,
    /// The partition; -1 when none was chosen.
    pub partition: i32,
    /// The offset; -1 when unknown.
    pub offset: i64,
    /// Whether it is in the log.
    pub persisted: Persisted,
    /// The record's timestamp.
    pub timestamp_ms: i64,
    /// The key's length in bytes; -1 for no key.
    pub key_len: i64,
    /// The value's length in bytes; -1 for a null value.
    pub value_len: i64,
    /// How many requests carried it.
    pub attempts: i32,
    /// The last cause of a failure.
    pub text: String,
}

/// A record `producer_send` did not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which record, counted from 0.
    pub index: usize,
    /// The status of the call.
    pub status: i32,
    /// Its name and detail.
    pub text: String,
}

/// All that happened in a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was given to the driver, in order.
    pub sent: Vec<Record>,
    /// Every report, in the order of the callbacks.
    pub reports: Vec<Report>,
    /// Every refused record.
    pub refusals: Vec<Refusal>,
    /// What `producer_flush` returned.
    pub flush_status: Option<i32>,
    /// What `producer_close` returned.
    pub close_status: Option<i32>,
}

impl Outcome {
    /// The reports by record; the last one when there are several, which [`crate::verify`] complains about.
    pub fn by_index(&self) -> BTreeMap<usize, &Report> {
        self.reports.iter().map(|report| (report.index, report)).collect()
    }

    /// Panics unless every record was accepted and acknowledged and flush and close succeeded.
    pub fn assert_all_acknowledged(&self) {
        assert_eq!(self.refusals, [], "no record is refused");
        let failed: Vec<&Report> = self.reports.iter().filter(|report| report.status != 0).take(3).collect();
        assert!(failed.is_empty(), "records failed, among them {failed:?}");
        assert_eq!(self.reports.len(), self.sent.len(), "as many reports as records");
        assert_eq!((self.flush_status, self.close_status), (Some(0), Some(0)), "flush and close succeed");
    }
}

type Pipe = BufWriter<ChildStdin>;

enum Line {
    Report(Report),
    Refusal(Refusal),
    Flushed(i32),
    Closed(i32),
}

/// A running driver.
pub struct Driver {
    process: Process,
    input: Arc<Mutex<Option<Pipe>>>,
    sent: Arc<Mutex<Vec<Record>>>,
    lines: Receiver<Result<Line, String>>,
    stop: Arc<AtomicBool>,
    feeder: Option<JoinHandle<()>>,
    outcome: Outcome,
}

impl Driver {
    /// Starts the driver with producer properties.
    pub fn start(bootstrap: &str, properties: &[(&str, &str)]) -> Self {
        Self::start_program(&env::program("driver"), bootstrap, properties)
    }

    /// The same with another driver program.
    pub fn start_program(program: &Path, bootstrap: &str, properties: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.args(["--property", &format!("bootstrap.servers={bootstrap}")]);
        for (name, value) in properties {
            command.args(["--property", &format!("{name}={value}")]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process =
            Process::spawn(command).unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let input = process.child().stdin.take().map(BufWriter::new);
        let output = process.child().stdout.take().expect("a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let line = line.unwrap_or_else(|error| error.to_string());
                // Judged by the test's own thread, where a panic fails the test.
                if sender.send(parse(&line).ok_or(line)).is_err() {
                    return;
                }
            }
        });
        Self {
            process,
            input: Arc::new(Mutex::new(input)),
            sent: Arc::default(),
            lines,
            stop: Arc::default(),
            feeder: None,
            outcome: Outcome::default(),
        }
    }

    /// Gives the driver records to send at once; returns when it has read them.
    pub fn send(&mut self, records: &[Record]) {
        for record in records {
            feed(&self.input, &self.sent, record);
        }
        flush(&self.input);
    }

    /// Sends records made by `make` from now on, `per_second` of them, until [`Self::finish`] or [`Self::stop_load`].
    pub fn start_load(&mut self, per_second: u32, make: impl Fn(usize) -> Record + Send + 'static) {
        let (input, sent, stop) = (Arc::clone(&self.input), Arc::clone(&self.sent), Arc::clone(&self.stop));
        let per_tick = usize::try_from(per_second.div_ceil(100)).expect("fits");
        self.feeder = Some(std::thread::spawn(move || {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..per_tick {
                    feed(&input, &sent, &make(number));
                    number += 1;
                }
                flush(&input);
                std::thread::sleep(Duration::from_millis(10));
            }
        }));
    }

    /// Ends the load; what was given is still sent.
    pub fn stop_load(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(feeder) = self.feeder.take() {
            feeder.join().expect("the load does not panic");
        }
    }

    /// Waits for that many reports of success that arrive from now on.
    pub fn wait_for_acknowledgements(&mut self, count: usize) {
        while let Ok(line) = self.lines.try_recv() {
            self.keep(line);
        }
        let deadline = Instant::now() + PATIENCE;
        let mut left = count;
        while left > 0 {
            let before = self.outcome.reports.len();
            assert!(self.take_line(deadline), "the driver ended with {left} acknowledgements missing");
            left -= self.outcome.reports[before..].iter().filter(|report| report.status == 0).count();
        }
    }

    /// Lets the driver flush, close and end, and returns all that happened.
    pub fn finish(mut self) -> Outcome {
        self.stop_load();
        drop(self.input.lock().unwrap_or_else(PoisonError::into_inner).take());
        let deadline = Instant::now() + PATIENCE;
        while self.take_line(deadline) {}
        let status = self.process.wait();
        assert!(status.success(), "the driver ended with {status}");
        let mut outcome = std::mem::take(&mut self.outcome);
        outcome.sent = std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner));
        outcome
    }

    /// Takes the driver's next line; false when it has ended.
    fn take_line(&mut self, deadline: Instant) -> bool {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => self.keep(line),
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => panic!("the driver hangs: nothing for {PATIENCE:?}"),
        }
        true
    }

    fn keep(&mut self, line: Result<Line, String>) {
        match line.unwrap_or_else(|line| panic!("the driver printed {line:?}")) {
            Line::Report(report) => self.outcome.reports.push(report),
            Line::Refusal(refusal) => self.outcome.refusals.push(refusal),
            Line::Flushed(status) => self.outcome.flush_status = Some(status),
            Line::Closed(status) => self.outcome.close_status = Some(status),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The load must not go on writing to a driver that is gone.
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Starts a driver, sends the records, and lets it end.
pub fn run(bootstrap: &str, properties: &[(&str, &str)], records: &[Record]) -> Outcome {
    let mut driver = Driver::start(bootstrap, properties);
    driver.send(records);
    driver.finish()
}

fn feed(input: &Mutex<Option<Pipe>>, sent: &Mutex<Vec<Record>>, record: &Record) {
    let mut line = record.line();
    line.push('\n');
    sent.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
    let mut input = input.lock().unwrap_or_else(PoisonError::into_inner);
    // A driver that died has closed the pipe; finish() sees its exit status and says so.
    if input.as_mut().is_some_and(|pipe| pipe.write_all(line.as_bytes()).is_err()) {
        *input = None;
    }
}

fn flush(input: &Mutex<Option<Pipe>>) {
    if let Some(pipe) = input.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        // As above: finish() reports a driver that died.
        drop(pipe.flush());
    }
}

fn parse(line: &str) -> Option<Line> {
    let mut fields = line.split('\t');
    match fields.next()? {
        "report" => Some(Line::Report(Report {
            index: fields.next()?.parse().ok()?,
            status: fields.next()?.parse().ok()?,
            name: fields.next()?.to_owned(),
            partition: fields.next()?.parse().ok()?,
            offset: fields.next()?.parse().ok()?,
            persisted: match fields.next()? {
                "no" => Persisted::No,
                "maybe" => Persisted::Maybe,
                "yes" => Persisted::Yes,
                _ => return None,
            },
            timestamp_ms: fields.next()?.parse().ok()?,
            key_len: fields.next()?.parse().ok()?,
            value_len: fields.next()?.parse().ok()?,
            attempts: fields.next()?.parse().ok()?,
            text: fields.next()?.to_owned(),
        })),
        "refused" => Some(Line::Refusal(Refusal {
            index: fields.next()?.parse().ok()?,
            status: fields.next()?.parse().ok()?,
            text: fields.next()?.to_owned(),
        })),
        "flushed" => Some(Line::Flushed(fields.next()?.parse().ok()?)),
        "closed" => Some(Line::Closed(fields.next()?.parse().ok()?)),
        _ => None,
    }
}
