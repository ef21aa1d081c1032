//! When connections want to be looked at: a hierarchical timer wheel. Arming, moving and removing a timer cost the same
//! however many there are, and time that passes costs what it brings.
//!
//! Level 0 has a slot for each millisecond of the present 64; level 1 one for each of the 64 times 64 around those, and
//! so on: a timer lies at the level of the highest group of six bits in which its deadline differs from the present.
//! When time enters a slot of a higher level, its timers move down, each at most once a level. So the lowest level that
//! holds a timer holds the next one, and its lowest slot is where that is.

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// Enough for every 64-bit time.
const LEVELS: usize = 64usize.div_ceil(BITS as usize);

/// Timers are allocated so many at a time: their number grows without moving those that are there, and few lie unused.
const CHUNK: usize = 64;

/// The longest time that a timer can be set for, and that may pass at once: twelve days, longer than any timeout, and
/// short enough that 32 bits say which of two times is later.
pub(crate) const MAX_SPAN: u32 = 1 << 30;

/// No entry.
const NONE: u32 = u32::MAX;
/// In `previous`: the entry is the first of the list whose number follows.
const FIRST_OF: u32 = 1 << 31;
/// The number of the list of those that are due; below it are the slots.
const DUE: u32 = (LEVELS * SLOTS) as u32;

/// The timers of an engine: one for each connection, which knows it by its index.
pub(crate) struct Timers {
    #[expect(clippy::vec_box)] // a chunk stays where it is
    chunks: Vec<Box<Chunk>>,
    /// How many were made: those in use and those to be used again.
    made: u32,
    /// The first that can be used again.
    free: u32,
    now: u64,
    levels: [Level; LEVELS],
    first_due: u32,
    last_due: u32,
    /// Entries that the passing of time has touched.
    #[cfg(test)]
    touched: usize,
}

/// 20 bytes for each timer. The tokens stand apart, since they would be aligned at the expense of four more.
struct Chunk {
    entries: [Entry; CHUNK],
    tokens: [usize; CHUNK],
}

/// Each is in the list of a slot, in the list of those that are due, or in none.
#[derive(Clone, Copy)]
struct Entry {
    /// The low half of the time; see [`Timers::deadline`].
    deadline: u32,
    next: u32,
    previous: u32,
}

impl Entry {
    const NEW: Entry = Entry { deadline: 0, next: NONE, previous: NONE };
}

#[derive(Clone, Copy)]
struct Level {
    /// A bit for each slot that holds a timer.
    occupied: u64,
    first: [u32; SLOTS],
}

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers {
            chunks: Vec::new(),
            made: 0,
            free: NONE,
            now: 0,
            levels: [Level { occupied: 0, first: [NONE; SLOTS] }; LEVELS],
            first_due: NONE,
            last_due: NONE,
            #[cfg(test)]
            touched: 0,
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// Makes a timer, which is not armed.
    pub(crate) fn add(&mut self) -> u32 {
        if self.free != NONE {
            let index = self.free;
            self.free = self.entry(index).next;
            *self.entry(index) = Entry::NEW;
            self.set_token(index, 0);
            return index;
        }
        let index = self.made;
        if index as usize == self.chunks.len() * CHUNK {
            self.chunks.push(Box::new(Chunk { entries: [Entry::NEW; CHUNK], tokens: [0; CHUNK] }));
        }
        self.made += 1; // memory ends before 2^31 connections
        index
    }

    /// Gives a timer back, armed, due or not.
    pub(crate) fn remove(&mut self, index: u32) {
        self.disarm(index);
        self.entry(index).next = self.free;
        self.free = index;
    }

    /// What [`Timers::next_due`] says when this timer is due.
    pub(crate) fn set_token(&mut self, index: u32, token: usize) {
        self.chunks[index as usize / CHUNK].tokens[index as usize % CHUNK] = token;
    }

    pub(crate) fn token(&self, index: u32) -> usize {
        self.chunks[index as usize / CHUNK].tokens[index as usize % CHUNK]
    }

    /// Sets the timer for `after` from now, at most [`MAX_SPAN`], or sets it anew. 0 is due at once.
    pub(crate) fn arm(&mut self, index: u32, after: u32) {
        self.disarm(index);
        let deadline = self.now.saturating_add(after.min(MAX_SPAN).into());
        self.entry(index).deadline = deadline as u32; // wraps
        self.put_at(index, deadline);
    }

    pub(crate) fn disarm(&mut self, index: u32) {
        let Entry { next, previous, .. } = *self.entry(index);
        if previous == NONE {
            return;
        }
        self.entry(index).previous = NONE;
        if next != NONE {
            self.entry(next).previous = previous;
        }
        if previous < FIRST_OF {
            self.entry(previous).next = next;
        }
        let list = previous.wrapping_sub(FIRST_OF);
        if previous >= FIRST_OF && list < DUE {
            let level = &mut self.levels[list as usize / SLOTS];
            let slot = list as usize % SLOTS;
            level.first[slot] = next;
            if next == NONE {
                level.occupied &= !(1 << slot);
            }
        } else {
            if list == DUE {
                self.first_due = next;
            }
            if self.last_due == index {
                self.last_due = if previous < FIRST_OF { previous } else { NONE };
            }
        }
    }

    /// Moves time forward, by at most [`MAX_SPAN`]; those whose deadline is reached become due.
    pub(crate) fn advance(&mut self, now: u64) {
        if now <= self.now {
            return;
        }
        let before = std::mem::replace(&mut self.now, now);
        for level in 0..LEVELS {
            // Slots that time has left, and the one that it is in now.
            let turned = group_above(before, level) != group_above(now, level);
            let passed = if turned { u64::MAX } else { u64::MAX >> (SLOTS - 1 - slot_of(now, level)) };
            let mut slots = self.levels[level].occupied & passed;
            self.levels[level].occupied &= !passed;
            while slots != 0 {
                let slot = slots.trailing_zeros() as usize;
                slots &= slots - 1;
                let mut index = self.levels[level].first[slot];
                while index != NONE {
                    let next = self.entry(index).next;
                    self.put(index);
                    index = next;
                    #[cfg(test)]
                    {
                        self.touched += 1;
                    }
                }
            }
            if !turned {
                break; // in the levels above, time is in the slot in which it was
            }
        }
    }

    /// When to advance next at the latest: the next deadline, or the moment at which it moves down a level.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        if self.first_due != NONE {
            return Some(self.now);
        }
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        let slot = u64::from(self.levels[level].occupied.trailing_zeros());
        Some((group_above(self.now, level) << BITS | slot) << (BITS as usize * level))
    }

    /// The token of the timer that has been due for longest, which is not armed afterwards.
    pub(crate) fn next_due(&mut self) -> Option<usize> {
        let index = self.first_due;
        if index == NONE {
            return None;
        }
        self.disarm(index);
        Some(self.token(index))
    }

    /// Puts an entry that is in no list where its deadline belongs.
    fn put(&mut self, index: u32) {
        let deadline = self.deadline(index);
        self.put_at(index, deadline);
    }

    fn put_at(&mut self, index: u32, deadline: u64) {
        if deadline <= self.now {
            self.put_due(index);
            return;
        }
        let level = ((deadline ^ self.now).ilog2() / BITS) as usize;
        let slot = slot_of(deadline, level);
        let lists = &mut self.levels[level];
        let next = if lists.occupied & (1 << slot) == 0 { NONE } else { lists.first[slot] };
        lists.occupied |= 1 << slot;
        lists.first[slot] = index;
        if next != NONE {
            self.entry(next).previous = index;
        }
        let list = (level * SLOTS + slot) as u32;
        let entry = self.entry(index);
        (entry.next, entry.previous) = (next, FIRST_OF | list);
    }

    fn put_due(&mut self, index: u32) {
        let last = std::mem::replace(&mut self.last_due, index);
        let entry = self.entry(index);
        (entry.next, entry.previous) = (NONE, if last == NONE { FIRST_OF | DUE } else { last });
        if last == NONE {
            self.first_due = index;
        } else {
            self.entry(last).next = index;
        }
    }

    /// The time for which a timer was set: not far from now.
    fn deadline(&mut self, index: u32) -> u64 {
        let left = self.entry(index).deadline.wrapping_sub(self.now as u32) as i32;
        self.now.saturating_add_signed(left.into())
    }

    fn entry(&mut self, index: u32) -> &mut Entry {
        &mut self.chunks[index as usize / CHUNK].entries[index as usize % CHUNK]
    }
}

/// The slot of a level in which a time lies.
fn slot_of(time: u64, level: usize) -> usize {
    (time >> (BITS as usize * level)) as usize % SLOTS
}

/// What of a time lies above a level.
fn group_above(time: u64, level: usize) -> u64 {
    time.checked_shr(BITS * (level as u32 + 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const DAY: u32 = 24 * 60 * 60 * 1000;

    fn due(timers: &mut Timers) -> Vec<usize> {
        let mut tokens: Vec<usize> = std::iter::from_fn(|| timers.next_due()).collect();
        tokens.sort_unstable();
        tokens
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Chunk>() <= 20 * CHUNK);
    }

    /// What 100,000 armed timers cost when 100 of them expire: those 100, and their moves down. And in the end each was
    /// moved a few times.
    #[test]
    fn time_costs_what_expires() {
        let mut timers = Timers::new();
        timers.advance(123_456_789);
        let start = timers.now();
        for i in 0..100_000 {
            let index = timers.add();
            timers.set_token(index, i);
            let expires = i % 1000 == 0;
            // The others do after two hours, many at the same time.
            let after = if expires { 1 + i as u32 / 100 } else { 2 * 60 * 60 * 1000 + (i as u32 % 5000) };
            timers.arm(index, after);
        }
        let mut expired = 0;
        let mut steps = 0;
        while let Some(next) = timers.next_deadline().filter(|&next| next <= start + 1000) {
            timers.advance(next);
            expired += due(&mut timers).len();
            steps += 1;
        }
        timers.advance(start + 1000);
        assert_eq!(expired, 100);
        assert!(timers.touched <= 300, "{} entries were touched", timers.touched);
        assert!(steps <= 200, "{steps} steps");
        while let Some(next) = timers.next_deadline() {
            timers.advance(next);
            expired += due(&mut timers).len();
        }
        assert_eq!(expired, 100_000);
        assert!(timers.touched <= 5 * 100_000, "{} entries were touched", timers.touched);
    }

    /// Every timer is touched once for each level at most, however far it is.
    #[test]
    fn a_timer_moves_down_once_a_level() {
        let mut timers = Timers::new();
        let start = (1 << 60) - 1; // its deadline differs from that in a bit of the highest level
        timers.advance(start);
        let index = timers.add();
        timers.arm(index, MAX_SPAN);
        let mut steps = 0;
        while timers.next_due().is_none() {
            let next = timers.next_deadline().expect("it is armed");
            timers.advance(next);
            steps += 1;
        }
        assert_eq!(timers.now(), start + u64::from(MAX_SPAN));
        assert!(steps <= LEVELS && timers.touched <= LEVELS, "{steps} steps, {} touched", timers.touched);
    }

    #[test]
    fn those_that_are_due_come_in_turn_and_can_be_removed() {
        let mut timers = Timers::new();
        let indexes: Vec<u32> = (0..5).map(|_| timers.add()).collect();
        for (token, &index) in indexes.iter().enumerate() {
            timers.set_token(index, token);
            timers.arm(index, 10 + token as u32);
        }
        timers.advance(100);
        assert_eq!(timers.next_deadline(), Some(100));
        timers.remove(indexes[0]); // the first, one in the middle, and the last
        timers.disarm(indexes[2]);
        timers.arm(indexes[4], 100);
        assert_eq!(timers.next_due(), Some(1));
        timers.arm(indexes[0], 0); // a new timer at an old place is due at once, behind the others
        assert_eq!(timers.next_due(), Some(3));
        assert_eq!(timers.next_due(), Some(0));
        assert_eq!(timers.next_due(), None);
        timers.advance(200);
        assert_eq!(timers.next_due(), Some(4));
        assert_eq!(timers.next_deadline(), None);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Add,
        Remove(usize),
        Arm(usize, u32),
        Disarm(usize),
        Advance(u32),
        AdvanceToNext,
        TakeDue(usize),
    }

    fn span() -> impl Strategy<Value = u32> {
        prop_oneof![
            Just(0),
            1..3u32,
            1..200u32,
            1..100_000u32,
            1..7 * DAY,
            Just(64),
            Just(4096),
            Just(262_144),
            DAY..MAX_SPAN,
            Just(MAX_SPAN)
        ]
    }

    /// From where a step may carry into any bit, and where the low half of the time wraps.
    fn start() -> impl Strategy<Value = u64> {
        (0..63u32, span()).prop_map(|(bit, before)| (1u64 << bit).saturating_sub(before.into()))
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2 => Just(Step::Add),
            1 => any::<usize>().prop_map(Step::Remove),
            6 => (any::<usize>(), span()).prop_map(|(which, after)| Step::Arm(which, after)),
            1 => any::<usize>().prop_map(Step::Disarm),
            2 => span().prop_map(Step::Advance),
            3 => Just(Step::AdvanceToNext),
            2 => (0..5usize).prop_map(Step::TakeDue),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

        /// The wheel does what a sorted map does.
        #[test]
        fn the_wheel_is_like_a_map(start in start(), steps in prop::collection::vec(step(), 1..120)) {
            let mut timers = Timers::new();
            timers.advance(start);
            let mut live: Vec<(u32, usize)> = Vec::new();
            let mut armed: BTreeMap<usize, u64> = BTreeMap::new(); // by token
            let mut tokens = 0..;
            for step in steps {
                match step {
                    Step::Add => {
                        let (index, token) = (timers.add(), tokens.next().expect("endless"));
                        timers.set_token(index, token);
                        prop_assert!(live.iter().all(|&(other, _)| other != index), "an index has one user");
                        live.push((index, token));
                    }
                    Step::Remove(which) if !live.is_empty() => {
                        let (index, token) = live.swap_remove(which % live.len());
                        timers.remove(index);
                        armed.remove(&token);
                    }
                    Step::Arm(which, after) if !live.is_empty() => {
                        let (index, token) = live[which % live.len()];
                        timers.arm(index, after);
                        armed.insert(token, timers.now() + u64::from(after));
                    }
                    Step::Disarm(which) if !live.is_empty() => {
                        let (index, token) = live[which % live.len()];
                        timers.disarm(index);
                        armed.remove(&token);
                    }
                    Step::Advance(by) => timers.advance(timers.now() + u64::from(by)),
                    Step::AdvanceToNext => {
                        if let Some(next) = timers.next_deadline() {
                            timers.advance(next);
                        }
                    }
                    Step::TakeDue(count) => {
                        for _ in 0..count {
                            let Some(token) = timers.next_due() else { break };
                            let deadline = armed.remove(&token);
                            prop_assert!(deadline.is_some_and(|deadline| deadline <= timers.now()));
                        }
                    }
                    _ => {}
                }
                let earliest = armed.values().min().copied();
                match (timers.next_deadline(), earliest) {
                    (None, None) => {}
                    (Some(next), Some(earliest)) if earliest <= timers.now() => prop_assert_eq!(next, timers.now()),
                    (Some(next), Some(earliest)) => prop_assert!(timers.now() < next && next <= earliest),
                    (next, earliest) => prop_assert!(false, "{:?} where a map says {:?}", next, earliest),
                }
            }
            let now = timers.now();
            let expected: Vec<usize> = armed.iter().filter(|&(_, &at)| at <= now).map(|(&token, _)| token).collect();
            prop_assert_eq!(due(&mut timers), expected);
            armed.retain(|_, at| *at > now);
            timers.advance(now + u64::from(MAX_SPAN));
            prop_assert_eq!(due(&mut timers), armed.keys().copied().collect::<Vec<_>>());
            prop_assert_eq!(timers.next_deadline(), None);
        }
    }
}
