//! What answers say of a topic that contradicts what is known, until enough of them agree. One broker may lag behind
//! the others, or be in trouble and leave something out; but a topic may also have been made again with fewer
//! partitions, and a cluster that was restored may count its leaders' epochs from an earlier point. The newest truth
//! wins, not the latest answer.

use std::collections::BTreeMap;

use crate::time::{Micros, Time};
use crate::wire::produce::{NO_TOPIC_ID, TopicId};

/// So many answers in a row have to agree on fewer partitions where no topic id tells: more than one broker that lags.
const FEWER_BELIEVED_AFTER: u32 = 3;
/// And on an older leader epoch, where the leader that is known has failed us.
const SETBACK_BELIEVED_AFTER: u32 = 2;
/// And on more partitions, if some of them are left out: an index may be damage.
const SPARSE_BELIEVED_AFTER: u32 = 2;
/// For so long an answer that names the id of the topic before it is late news.
const FORMER_ID_KEPT: Micros = Micros::from_ms(5_000);

/// Which topic of the name an answer is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Identified {
    Same,
    /// It was deleted and made again.
    Another,
    /// The answer is about the one that was deleted.
    Former,
}

#[derive(Debug, Default)]
pub struct TopicDoubts {
    /// As brokers tell it; none from those that are older than 2.8.
    id: TopicId,
    former: Option<(TopicId, Time)>,
    /// A number of partitions that is not believed yet, and how many answers in a row have named it.
    count: Option<(u32, u32)>,
    /// By index: an older epoch of the leader, and how many answers in a row have named it.
    setbacks: BTreeMap<u32, (i32, u32)>,
    /// By index: since when no answer names a partition that records wait for.
    absent: BTreeMap<u32, Time>,
}

impl TopicDoubts {
    /// Takes the id over that an answer tells.
    pub fn identify(&mut self, now: Time, id: TopicId) -> Identified {
        if id == NO_TOPIC_ID || id == self.id {
            return Identified::Same;
        }
        if self.former.is_some_and(|(former, at)| former == id && now.since(at) < FORMER_ID_KEPT) {
            return Identified::Former;
        }
        let before = std::mem::replace(&mut self.id, id);
        if before == NO_TOPIC_ID {
            return Identified::Same;
        }
        self.former = Some((before, now));
        self.clear();
        Identified::Another
    }

    /// The id that produce requests name the topic by.
    pub fn id(&self) -> TopicId {
        self.id
    }

    /// Whether brokers tell ids: then only another id can mean fewer partitions.
    pub fn has_id(&self) -> bool {
        self.id != NO_TOPIC_ID
    }

    /// What has been doubted so far was about another topic.
    pub fn clear(&mut self) {
        self.count = None;
        self.setbacks.clear();
        self.absent.clear();
    }

    /// Whether fewer partitions than known are the truth by now.
    pub fn believes_fewer(&mut self, count: u32) -> bool {
        self.counts(count) >= FEWER_BELIEVED_AFTER
    }

    /// Whether more partitions than known are, though some of them are left out.
    pub fn believes_sparse(&mut self, count: u32) -> bool {
        self.counts(count) >= SPARSE_BELIEVED_AFTER
    }

    fn counts(&mut self, count: u32) -> u32 {
        let times = match self.count {
            Some((before, times)) if before == count => times + 1,
            _ => 1,
        };
        self.count = Some((count, times));
        times
    }

    /// An answer names as many partitions as are known.
    pub fn count_confirmed(&mut self) {
        self.count = None;
    }

    /// Whether an older epoch of the partition's leader is the truth by now. `fails`: the leader that is known does not
    /// take what is sent to it; as long as it does, there is no reason to believe in another.
    pub fn believes_setback(&mut self, index: u32, epoch: i32, fails: bool) -> bool {
        let entry = self.setbacks.entry(index).or_insert((epoch, 0));
        // Elections may go on meanwhile, in the older count.
        let follows = epoch >= entry.0;
        *entry = (epoch, if follows { entry.1 + 1 } else { 1 });
        let believes = fails && entry.1 >= SETBACK_BELIEVED_AFTER;
        if believes {
            self.setbacks.remove(&index);
        }
        believes
    }

    /// An answer names an epoch of the partition's leader that is not older than what is known.
    pub fn epoch_confirmed(&mut self, index: u32) {
        if !self.setbacks.is_empty() {
            self.setbacks.remove(&index);
        }
    }

    /// An answer leaves out a partition that records wait for: since when that is so.
    pub fn absent_since(&mut self, now: Time, index: u32) -> Time {
        *self.absent.entry(index).or_insert(now)
    }

    /// The partition is there, or nothing waits for it.
    pub fn not_absent(&mut self, index: u32) {
        if !self.absent.is_empty() {
            self.absent.remove(&index);
        }
    }

    /// Partitions that have been left out for as long as `grace`.
    pub fn absent_for(&self, now: Time, grace: Micros) -> Vec<u32> {
        self.absent.iter().filter(|(_, since)| **since + grace <= now).map(|(index, _)| *index).collect()
    }
}

/// Whether the error that metadata has for a topic is for good: its name is illegal, or forbidden to this client. Every
/// other may pass by itself, those that are not known here too.
pub fn is_refusal(code: i16) -> bool {
    const INVALID_TOPIC_EXCEPTION: i16 = 17;
    const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
    const CLUSTER_AUTHORIZATION_FAILED: i16 = 31;
    matches!(code, INVALID_TOPIC_EXCEPTION | TOPIC_AUTHORIZATION_FAILED | CLUSTER_AUTHORIZATION_FAILED)
}

/// Whether it says that the topic does not exist; no error and no partitions is a topic on its way in or out.
pub fn is_absence(code: i16) -> bool {
    const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
    const UNKNOWN_TOPIC_ID: i16 = 100;
    matches!(code, 0 | UNKNOWN_TOPIC_OR_PARTITION | UNKNOWN_TOPIC_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_id_is_another_topic_and_the_former_one_is_late_news_for_a_while() {
        let mut doubts = TopicDoubts::default();
        let (none, first, second) = ([0; 16], [1; 16], [2; 16]);
        assert_eq!(doubts.identify(Time::ZERO, none), Identified::Same);
        assert!(!doubts.has_id());
        assert_eq!(doubts.identify(Time::ZERO, first), Identified::Same, "told for the first time");
        assert_eq!(doubts.identify(Time::ZERO, second), Identified::Another);
        assert_eq!(doubts.identify(Time::from_ms(4_999), first), Identified::Former);
        assert_eq!(doubts.identify(Time::from_ms(4_999), none), Identified::Same, "an older broker");
        assert_eq!(doubts.identify(Time::from_ms(5_000), first), Identified::Another, "it was the other that was late");
    }

    #[test]
    fn fewer_partitions_are_believed_when_three_answers_in_a_row_agree() {
        let mut doubts = TopicDoubts::default();
        assert!(![3, 3, 2, 3, 3].into_iter().any(|count| doubts.believes_fewer(count)));
        doubts.count_confirmed();
        assert!(![3, 3].into_iter().any(|count| doubts.believes_fewer(count)));
        assert!(doubts.believes_fewer(3));
    }

    #[test]
    fn an_older_epoch_is_believed_only_where_the_known_leader_fails() {
        let mut doubts = TopicDoubts::default();
        assert!(!(0..9).any(|_| doubts.believes_setback(0, 4, false)));
        assert!(doubts.believes_setback(0, 4, true));
        assert!(!doubts.believes_setback(1, 4, true));
        doubts.epoch_confirmed(1);
        assert!(!doubts.believes_setback(1, 4, true), "once more from the start");
        assert!(!doubts.believes_setback(1, 3, true), "brokers that do not agree");
        assert!(doubts.believes_setback(1, 5, true), "the older count goes on");
    }

    #[test]
    fn a_partition_is_absent_from_the_first_answer_that_leaves_it_out() {
        let mut doubts = TopicDoubts::default();
        assert_eq!(doubts.absent_since(Time(5), 2), Time(5));
        assert_eq!(doubts.absent_since(Time(9), 2), Time(5));
        assert_eq!(doubts.absent_for(Time(14), Micros(10)), [0_u32; 0]);
        assert_eq!(doubts.absent_for(Time(15), Micros(10)), [2]);
        doubts.not_absent(2);
        assert_eq!(doubts.absent_since(Time(20), 2), Time(20));
    }
}
