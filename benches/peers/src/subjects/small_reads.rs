//! A subject that reads less at a time. Large messages in small reads are unmasked while they lie in the nearest cache;
//! whether that outweighs the calls differs, so each subject gets both, and what is better for it counts.

use crate::job::{Job, Kind, READ, Run, Subject};

/// A quarter of the nearest cache, so that a read, what it becomes, and what is near them fit there.
const SMALL_READ: usize = 8 * 1024;

/// What a message has at least for this to be a choice.
const LARGE_MESSAGE: usize = 16 * 1024;

pub struct SmallReads(pub Box<dyn Subject>);

impl Subject for SmallReads {
    fn name(&self) -> String {
        format!("{}, 8 KiB reads", self.0.name())
    }

    fn make(&self, job: &Job) -> Option<Box<dyn Run>> {
        let is_message = matches!(job.kind, Kind::Receive | Kind::Echo) && job.read_size == READ;
        let is_large = is_message && job.input.get().len() / job.input_messages >= LARGE_MESSAGE;
        is_large.then(|| self.0.make(&Job { read_size: SMALL_READ, ..*job }))?
    }
}
