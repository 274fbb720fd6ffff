//! Failing fast: a producer that no broker has ever let in, and that every bootstrap server refuses for a reason that
//! does not pass by itself (credentials, certificates), says so at once to whoever waits. A server that cannot be
//! connected to says nothing: after its second failure, or one that took all the time there is, it is not waited for
//! where another refuses. The producer goes on trying: what comes later has an attempt of its own. Once a broker has
//! let it in, a refusal is an outage as any other, which ends or does not.

use super::Sender;
use crate::error::{Error, Status};
use crate::time::{Micros, Time};

/// New work does not wait longer than this since the last refusal before it has its own.
const PATIENCE: Micros = Micros::from_ms(1_000);

/// Whatever waits for a broker that speaks none of our versions fails: the next attempt to connect will show the same.
pub(super) fn fail_unsupported(sender: &mut Sender, now: Time, id: i32) {
    let Some(broker) = sender.brokers.get_mut(&id) else { return };
    let (text, waiting) = (broker.trouble(), std::mem::take(&mut broker.ready));
    for dense in waiting {
        let state = &mut sender.partitions[dense as usize];
        if state.queued_on != Some(id) {
            continue;
        }
        state.queued_on = None;
        if state.leader == id {
            sender.fail_queued(now, dense, Status::UNSUPPORTED_BROKER, &text);
        } else {
            sender.mark_ready(now, dense);
        }
    }
    // Another may lead by now what this one led.
    sender.want_topics_led_by(id);
}

impl Sender {
    /// Whether nobody has ever let us in and everybody refuses us; then what the last of them said.
    fn refused_by_all(&self) -> Option<(Status, String)> {
        if self.published.was_let_in {
            return None;
        }
        let mut last = None;
        for broker in self.brokers.values().filter(|broker| broker.is_bootstrap()) {
            let refused = match broker.refused {
                None if broker.is_dead() => continue,
                refused => refused.filter(|refused| refused.is_permanent)?,
            };
            if last.is_none_or(|(at, _, _)| at < refused.at) {
                last = Some((refused.at, refused.status, broker));
            }
        }
        last.map(|(_, status, broker)| (status, broker.trouble()))
    }

    /// After a refusal: what waits fails when it is everybody's.
    pub(super) fn fail_refused(&mut self, now: Time) {
        if !std::mem::take(&mut self.published.was_refused) {
            return;
        }
        // What was sent after they changed is not to hear of the old ones: they get an attempt of their own.
        if self.accumulator.inbox.has_new_credentials() {
            return;
        }
        let Some((status, text)) = self.refused_by_all() else { return };
        let topics: Vec<_> = self.cluster.topics.values().map(|state| state.topic.clone()).collect();
        for topic in topics {
            self.fail_all_parked(now, &topic, status, &text);
        }
        let error = Error::new(status, text);
        self.fail_queries(&error);
        self.fail_warm_ups(&error);
        self.fail_init(&error);
    }

    /// There is something new to do: it does not wait for all of a back-off that has grown while nothing was.
    pub(super) fn try_refusers(&mut self, now: Time) {
        if self.published.was_let_in {
            return;
        }
        let mut is_sooner = false;
        for broker in self.brokers.values_mut() {
            if let Some(at) = broker.refused.filter(|refused| refused.is_permanent).map(|refused| refused.at + PATIENCE)
                && at < broker.retry_at
            {
                broker.retry_at = at;
                is_sooner = true;
            }
        }
        if is_sooner {
            self.drive_metadata(now);
        }
    }
}
