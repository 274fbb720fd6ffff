//! Asking the cluster: metadata, and connections before they are needed. The waiting thread dispatches nothing.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use super::close::IO_TURN;
use super::{Producer, in_callback};
use crate::accumulator::{CallReply, Command, GivenUp, MetadataReply, Question, Snapshot, check_topic_name};
use crate::error::{Error, Result, Status};

impl Producer {
    /// What the cluster says of a topic, or of those in use; with a timeout of 0 what is known now.
    pub fn metadata(&self, topic: Option<&str>, timeout_ms: i32) -> Result<Snapshot> {
        if timeout_ms != 0 && self.reports.in_callback() {
            return Err(in_callback("producer_metadata, with a timeout_ms other than 0,"));
        }
        let topic: Option<Arc<CStr>> = match topic {
            None => None,
            Some(name) => {
                check_topic_name(name)?;
                Some(CString::new(name).unwrap_or_default().into())
            }
        };
        let named = topic.as_ref().map_or_else(String::new, |topic| format!(" of topic '{}'", topic.to_string_lossy()));
        let reply = Arc::new(MetadataReply::default());
        let question = Question { topic, fresh: timeout_ms != 0 };
        self.accumulator.inbox.command(Command::Metadata { question, reply: reply.clone() });
        if timeout_ms == 0 {
            self.wait_for_io_thread(&reply.done)?;
        } else {
            self.reports.wait_complete(&reply.done, self.call_deadline(timeout_ms));
        }
        match reply.take() {
            Some(answer) => answer,
            None if self.reports.is_shut() => Err(self.ended()),
            None => {
                let why = self.health().text;
                let why = if why.is_empty() { String::new() } else { format!(": {}", why.to_string_lossy()) };
                let text = format!("no broker has answered with metadata{named} within {timeout_ms} ms{why}");
                Err(Error::new(Status::TIMED_OUT, text))
            }
        }
    }

    /// The cluster's id; asked for when it is not known yet.
    pub fn cluster_id(&self, timeout_ms: i32) -> Result<Arc<CStr>> {
        if let Some(id) = &self.accumulator.cluster.load().cluster_id {
            return Ok(id.clone());
        }
        if timeout_ms != 0
            && let Some(id) = self.metadata(None, timeout_ms)?.cluster_id
        {
            return Ok(id);
        }
        let text = "the cluster id is not known: no broker has told it yet; give producer_cluster_id more time";
        Err(Error::new(Status::NOT_FOUND, text))
    }

    /// Gets the topic's metadata and a connection to each of its leaders; with a timeout of 0 only begins to.
    pub fn warm_up(&self, name: &str, timeout_ms: i32) -> Result<()> {
        if timeout_ms != 0 && self.reports.in_callback() {
            return Err(in_callback("producer_warm_up, with a timeout_ms other than 0,"));
        }
        if let Some(fatal) = self.accumulator.fatal() {
            return Err(fatal.clone());
        }
        let topic = self.topic(name)?;
        let reply = Arc::new(CallReply::default());
        self.accumulator.inbox.command(Command::WarmUp { topic: topic.id, reply: reply.clone() });
        if timeout_ms == 0 {
            return Ok(());
        }
        let in_time = self.reports.wait_complete(&reply.done, self.call_deadline(timeout_ms));
        match reply.give_up() {
            GivenUp::Answered(result) => {
                if !in_time {
                    self.reports.wait_complete(&reply.done, Some(std::time::Instant::now() + IO_TURN));
                }
                result
            }
            GivenUp::Waiting(_) if self.reports.is_shut() => Err(self.ended()),
            GivenUp::Waiting(note) => {
                let note = note.unwrap_or_else(|| "a broker's answer".into());
                let text = format!("topic '{name}' is not warm after {timeout_ms} ms, it goes on; it waits for {note}");
                Err(Error::new(Status::TIMED_OUT, text))
            }
        }
    }
}
