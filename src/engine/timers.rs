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

/// No entry.
const NONE: u32 = u32::MAX;
/// In `previous`: the entry is the first of the list whose number follows.
const FIRST_OF: u32 = 1 << 31;
/// The number of the list of those that are due; below it are the slots.
const DUE: u32 = (LEVELS * SLOTS) as u32;

/// The timers of an engine: one for each connection, which knows it by its index.
pub(crate) struct Timers {
    /// Those in use and those to be used again.
    entries: Vec<Entry>,
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

/// Each is in the list of a slot, in the list of those that are due, or in none.
#[derive(Clone, Copy)]
struct Entry {
    deadline: u64,
    token: usize,
    next: u32,
    previous: u32,
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
            entries: Vec::new(),
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
        let entry = Entry { deadline: 0, token: 0, next: NONE, previous: NONE };
        if self.free != NONE {
            let index = self.free;
            self.free = self.entry(index).next;
            *self.entry(index) = entry;
            return index;
        }
        self.entries.push(entry);
        (self.entries.len() - 1) as u32 // memory ends before 2^31 connections
    }

    /// Gives a timer back, armed, due or not.
    pub(crate) fn remove(&mut self, index: u32) {
        self.disarm(index);
        self.entry(index).next = self.free;
        self.free = index;
    }

    /// What [`Timers::next_due`] says when this timer is due.
    pub(crate) fn set_token(&mut self, index: u32, token: usize) {
        self.entry(index).token = token;
    }

    pub(crate) fn token(&self, index: u32) -> usize {
        self.entries[index as usize].token
    }

    /// Sets the timer, or sets it anew. A deadline that is not in the future is due at once.
    pub(crate) fn arm(&mut self, index: u32, deadline: u64) {
        self.disarm(index);
        self.entry(index).deadline = deadline;
        self.put(index);
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

    /// Moves time forward; those whose deadline is reached become due.
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
        let deadline = self.entry(index).deadline;
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

    fn entry(&mut self, index: u32) -> &mut Entry {
        &mut self.entries[index as usize]
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

    const DAY: u64 = 24 * 60 * 60 * 1000;

    fn due(timers: &mut Timers) -> Vec<usize> {
        let mut tokens: Vec<usize> = std::iter::from_fn(|| timers.next_due()).collect();
        tokens.sort_unstable();
        tokens
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 24);
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
            let after = if expires { 1 + i as u64 / 100 } else { 2 * 60 * 60 * 1000 + (i as u64 % 5000) };
            timers.arm(index, start + after);
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
        timers.advance(1);
        let index = timers.add();
        timers.arm(index, u64::MAX);
        let mut steps = 0;
        while timers.next_due().is_none() {
            let next = timers.next_deadline().expect("it is armed");
            timers.advance(next);
            steps += 1;
        }
        assert_eq!(timers.now(), u64::MAX);
        assert!(steps <= LEVELS && timers.touched <= LEVELS, "{steps} steps, {} touched", timers.touched);
    }

    #[test]
    fn those_that_are_due_come_in_turn_and_can_be_removed() {
        let mut timers = Timers::new();
        let indexes: Vec<u32> = (0..5).map(|_| timers.add()).collect();
        for (token, &index) in indexes.iter().enumerate() {
            timers.set_token(index, token);
            timers.arm(index, 10 + token as u64);
        }
        timers.advance(100);
        assert_eq!(timers.next_deadline(), Some(100));
        timers.remove(indexes[0]); // the first, one in the middle, and the last
        timers.disarm(indexes[2]);
        timers.arm(indexes[4], 200);
        assert_eq!(timers.next_due(), Some(1));
        timers.arm(indexes[0], 50); // a new timer at an old place is due at once, behind the others
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
        Arm(usize, u64),
        Disarm(usize),
        Advance(u64),
        AdvanceToNext,
        TakeDue(usize),
    }

    fn span() -> impl Strategy<Value = u64> {
        prop_oneof![
            Just(0),
            1..3u64,
            1..200u64,
            1..100_000u64,
            1..7 * DAY,
            Just(64),
            Just(4096),
            Just(262_144),
            DAY..400 * DAY,
            Just(1 << 60)
        ]
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
        fn the_wheel_is_like_a_map(steps in prop::collection::vec(step(), 1..120)) {
            let mut timers = Timers::new();
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
                        let deadline = timers.now().saturating_add(after);
                        timers.arm(index, deadline);
                        armed.insert(token, deadline);
                    }
                    Step::Disarm(which) if !live.is_empty() => {
                        let (index, token) = live[which % live.len()];
                        timers.disarm(index);
                        armed.remove(&token);
                    }
                    Step::Advance(by) => timers.advance(timers.now().saturating_add(by)),
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
            timers.advance(u64::MAX);
            prop_assert_eq!(due(&mut timers), armed.keys().copied().collect::<Vec<_>>());
            prop_assert_eq!(timers.next_deadline(), None);
        }
    }
}
