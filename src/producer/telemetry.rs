//! What application threads have to do with client telemetry: ask for the id.

use super::{Producer, in_callback};
use crate::error::{Error, Result, Status};

impl Producer {
    /// The id under which brokers know this client's telemetry. Waits up to `timeout_ms` (-1: for ever) for the broker that
    /// gives it.
    pub fn client_instance_id(&self, timeout_ms: i32) -> Result<[u8; 16]> {
        if timeout_ms != 0 && self.reports.in_callback() {
            return Err(in_callback("producer_client_instance_id"));
        }
        if !self.config.enable_metrics_push {
            let text = "enable.metrics.push=false: brokers give no client instance id then; set it to true";
            return Err(Error::new(Status::CONFIG_CONFLICT, text));
        }
        let instance = &self.accumulator.client_instance;
        if timeout_ms != 0 {
            self.reports.wait_complete(&instance.settled, self.call_deadline(timeout_ms));
        }
        if let Some(id) = instance.id() {
            return Ok(id);
        }
        if let Some(why) = instance.refused() {
            return Err(why.clone());
        }
        if self.reports.is_shut() {
            return Err(self.ended());
        }
        let waits_for = instance.waits_for();
        Err(Error::new(
            Status::TIMED_OUT,
            format!("no broker gave a client instance id within {timeout_ms} ms: {waits_for}"),
        ))
    }
}
