//! Who holds how much of `buffer.memory`, and who may take more: a broker or a partition that does not get rid of its
//! records must not leave the others without room. Arithmetic only; `Memory` asks it under its lock, once per chunk.
//!
//! - Up to half of the budget nobody is asked.
//! - A broker is in use while it holds something, and for some seconds after the last record for it. With n brokers in use
//!   each is guaranteed 1/(2n) of the budget: what the others have not taken of theirs is kept for them.
//! - Within its broker's part, a partition that shares it with others takes at most `STEEPNESS` times what is left there, or
//!   its guarantee, 1/(2m) for m partitions in use: the fuller, the less.
//! - Whoever holds nothing may take what the budget has, so that a record that fits at all gets in.
//!
//! One partition in use may fill the whole budget. Records without a leader, and those that wait for metadata, count as one
//! broker's.

use crate::accumulator::NO_LEADER;
use crate::time::{Micros, Time};

/// A broker that was sent nothing for so long has no guarantee.
const ACTIVE_FOR: Micros = Micros::from_ms(10_000);
/// Partitions in use are counted by spans of this length: those of this span or the one before.
const SPAN: Micros = Micros::from_ms(5_000);
/// A partition may hold this many times what its broker's part has left: 4 leaves a fifth to the others.
const STEEPNESS: usize = 4;

/// Whose bytes they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// Batches of the partition with this dense id.
    Partition(u32),
    /// Records of the topic with this id that wait for metadata.
    Parked(u32),
    /// Nobody's in particular: only the bound counts.
    Nobody,
}

/// Somebody asks for memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    pub holder: Holder,
    /// The broker that gets the records, or `NO_LEADER`.
    pub leader: i32,
    pub at: Time,
}

impl Claim {
    /// Outside all shares.
    pub const fn nobody() -> Claim {
        Claim { holder: Holder::Nobody, leader: NO_LEADER, at: Time::ZERO }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Fits,
    /// The budget has no room for it at present: it stands in the line for memory.
    Short,
    /// Its own partition has what it may have: others need not wait for that.
    Capped,
    /// Its broker has what it may have, and the partition less than its like: others of that broker stand behind it.
    CappedByLeader,
}

impl Verdict {
    /// Whether it is a share that has no room: those whose broker is another need not wait for that.
    pub fn is_capped(self) -> bool {
        matches!(self, Verdict::Capped | Verdict::CappedByLeader)
    }
}

/// How far a holder has come with its share: for words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Crowd {
    pub holder: Holder,
    pub leader: i32,
    /// Bytes that the holder has, and the most that it may have now.
    pub held: usize,
    pub share: usize,
    /// The same for everything of its leader.
    pub leader_held: usize,
    pub leader_share: usize,
    /// Brokers in use.
    pub leaders: usize,
}

#[derive(Clone, Copy, Default, Debug)]
struct Account {
    held: usize,
    /// Its place among the leaders.
    leader: u32,
    /// The span in which it was last asked for, counted from 1.
    span: u32,
}

#[derive(Debug)]
struct Leader {
    id: i32,
    held: usize,
    /// Accounts that hold something.
    holders: u32,
    asked_at: Time,
    /// Accounts that asked in the present span, and in the one before it.
    span: u32,
    seen_now: u32,
    seen_before: u32,
    /// Its partitions have been told to send what lingers, and nothing has come since.
    is_told: bool,
}

#[derive(Debug)]
pub(super) struct Shares {
    limit: usize,
    /// The latest time that anybody has told.
    now: Time,
    leaders: Vec<Leader>,
    partitions: Vec<Account>,
    parked: Vec<Account>,
}

/// What one leader may have.
struct Part {
    /// Guaranteed to each leader in use.
    guarantee: usize,
    /// What it may take now.
    room: usize,
    /// The most that it may hold, however little the others hold.
    most: usize,
    leaders: usize,
}

impl Shares {
    pub fn new(limit: usize) -> Shares {
        let nobody = Leader::new(NO_LEADER);
        Shares { limit, now: Time::ZERO, leaders: vec![nobody], partitions: Vec::new(), parked: Vec::new() }
    }

    /// Notes that somebody asks: it is in use, and belongs to the leader that it names.
    pub fn ask(&mut self, claim: Claim) {
        self.now = self.now.max(claim.at);
        let at = self.place(claim.leader);
        let span = (self.now.0 / SPAN.0) as u32 + 1;
        let Some(account) = account_mut(&mut self.partitions, &mut self.parked, claim.holder) else { return };
        let (old, held) = (account.leader, account.held);
        account.leader = at;
        let is_new = old != at || account.span != span;
        account.span = span;
        if old != at && held > 0 {
            let left = &mut self.leaders[old as usize];
            left.held -= held;
            left.holders -= 1;
            let taken = &mut self.leaders[at as usize];
            taken.held += held;
            taken.holders += 1;
        }
        let leader = &mut self.leaders[at as usize];
        leader.asked_at = self.now;
        if leader.span != span {
            leader.seen_before = if leader.span + 1 == span { leader.seen_now } else { 0 };
            leader.seen_now = 0;
            leader.span = span;
        }
        leader.seen_now += u32::from(is_new);
    }

    /// Whether the holder may have `bytes` more when `used` are handed out in all.
    pub fn verdict(&self, holder: Holder, bytes: usize, used: usize) -> Verdict {
        let is_there = used + bytes <= self.limit;
        let Some(account) = self.account(holder) else {
            return if is_there { Verdict::Fits } else { Verdict::Short };
        };
        if used + bytes <= self.limit / 2 {
            return Verdict::Fits;
        }
        let leader = &self.leaders[account.leader as usize];
        let part = self.part(account.leader, used);
        let within = leader.held + bytes <= part.guarantee || leader.held == 0;
        let leader_fits = is_there && (within || bytes <= part.room);
        let share = partition_share(leader, part.room, self.limit);
        let partition_fits = account.held == 0 || account.held + bytes <= share;
        if leader_fits && partition_fits {
            return Verdict::Fits;
        }
        // Where there is no room, those stand in line who have less than their like: they are served in turn, and who has
        // more holds nobody up.
        let leader_capped = part.leaders > 1 && leader.held > 0 && leader.held + bytes > part.most;
        let has_more = leader.partitions() > 1 && account.held > leader.held / leader.partitions();
        match () {
            () if leader_fits || has_more => Verdict::Capped,
            () if leader_capped => Verdict::CappedByLeader,
            () => Verdict::Short,
        }
    }

    /// Whether these bytes are kept for the holder's leader, whoever waits for others.
    pub fn is_guaranteed(&self, holder: Holder, bytes: usize) -> bool {
        let Some(account) = self.account(holder) else { return false };
        let leader = &self.leaders[account.leader as usize];
        leader.held + bytes <= self.guarantee(self.in_use(account.leader))
    }

    pub fn same_leader(&self, one: Holder, other: Holder) -> bool {
        match (self.account(one), self.account(other)) {
            (Some(one), Some(other)) => one.leader == other.leader,
            _ => false,
        }
    }

    pub fn add(&mut self, holder: Holder, bytes: usize) {
        let Some(account) = account_mut(&mut self.partitions, &mut self.parked, holder) else { return };
        if bytes == 0 {
            return;
        }
        let leader = &mut self.leaders[account.leader as usize];
        leader.holders += u32::from(account.held == 0);
        leader.held += bytes;
        leader.is_told = false;
        account.held += bytes;
    }

    pub fn sub(&mut self, holder: Holder, bytes: usize) {
        let Some(account) = account_mut(&mut self.partitions, &mut self.parked, holder) else { return };
        if bytes == 0 {
            return;
        }
        let leader = &mut self.leaders[account.leader as usize];
        account.held -= bytes;
        leader.held -= bytes;
        leader.holders -= u32::from(account.held == 0);
    }

    /// Whether the sender is to be told that this leader's partitions should send what lingers.
    pub fn tell(&mut self, holder: Holder) -> Option<i32> {
        let at = self.account(holder)?.leader as usize;
        let leader = &mut self.leaders[at];
        (!std::mem::replace(&mut leader.is_told, true)).then_some(leader.id)
    }

    pub fn crowd(&self, holder: Holder, used: usize) -> Option<Crowd> {
        let account = self.account(holder)?;
        let leader = &self.leaders[account.leader as usize];
        let part = self.part(account.leader, used);
        let leader_share = part.most.min(leader.held + part.room).max(part.guarantee);
        Some(Crowd {
            holder,
            leader: leader.id,
            held: account.held,
            share: partition_share(leader, part.room, self.limit).min(leader_share),
            leader_held: leader.held,
            leader_share,
            leaders: part.leaders,
        })
    }

    /// Bytes that the holder has.
    pub fn held(&self, holder: Holder) -> usize {
        self.account(holder).map_or(0, |account| account.held)
    }

    fn part(&self, at: u32, used: usize) -> Part {
        let leaders = self.in_use(at);
        let guarantee = self.guarantee(leaders);
        let others =
            self.leaders.iter().enumerate().filter(|(other, leader)| *other != at as usize && self.is_in_use(leader));
        let kept: usize = others.map(|(_, leader)| guarantee.saturating_sub(leader.held)).sum();
        let room = self.limit.saturating_sub(used + kept);
        Part { guarantee, room, most: self.limit - guarantee * (leaders - 1), leaders }
    }

    fn guarantee(&self, leaders: usize) -> usize {
        self.limit / (2 * leaders)
    }

    /// Leaders in use, the asking one included.
    fn in_use(&self, at: u32) -> usize {
        let counts = |(other, leader): (usize, &Leader)| other == at as usize || self.is_in_use(leader);
        self.leaders.iter().enumerate().filter(|entry| counts(*entry)).count()
    }

    fn is_in_use(&self, leader: &Leader) -> bool {
        // Who has no leader now will have one that is in use.
        let asks = leader.id != NO_LEADER && self.now.since(leader.asked_at) < ACTIVE_FOR;
        leader.held > 0 || asks
    }

    fn account(&self, holder: Holder) -> Option<&Account> {
        match holder {
            Holder::Partition(id) => self.partitions.get(id as usize),
            Holder::Parked(topic) => self.parked.get(topic as usize),
            Holder::Nobody => None,
        }
    }

    /// The leader's place, made when it is new: brokers are few, and are never forgotten.
    fn place(&mut self, id: i32) -> u32 {
        let at = self.leaders.iter().position(|leader| leader.id == id).unwrap_or_else(|| {
            self.leaders.push(Leader::new(id));
            self.leaders.len() - 1
        });
        at as u32
    }
}

impl Leader {
    fn new(id: i32) -> Leader {
        Leader { id, held: 0, holders: 0, asked_at: Time::ZERO, span: 0, seen_now: 0, seen_before: 0, is_told: false }
    }

    /// Its partitions in use, and topics that wait.
    fn partitions(&self) -> usize {
        self.holders.max(self.seen_now).max(self.seen_before).max(1) as usize
    }
}

fn account_mut<'a>(
    partitions: &'a mut Vec<Account>,
    parked: &'a mut Vec<Account>,
    holder: Holder,
) -> Option<&'a mut Account> {
    let (accounts, at) = match holder {
        Holder::Partition(id) => (partitions, id as usize),
        Holder::Parked(topic) => (parked, topic as usize),
        Holder::Nobody => return None,
    };
    if at >= accounts.len() {
        accounts.resize(at + 1, Account::default());
    }
    accounts.get_mut(at)
}

/// The most that one of the leader's partitions may hold while `room` is left there.
fn partition_share(leader: &Leader, room: usize, limit: usize) -> usize {
    let partitions = leader.partitions();
    if partitions == 1 {
        return limit;
    }
    ((leader.held + room) / (2 * partitions)).max(room.saturating_mul(STEEPNESS))
}

#[cfg(test)]
mod tests;
