//! A stream in memory, as the other library sees it: it brings and takes as few bytes at a time as it is told.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Result, Write};
use std::rc::Rc;

/// Both the library and the test hold it.
#[derive(Debug, Clone, Default)]
pub struct Pipe(Rc<RefCell<Ends>>);

#[derive(Debug, Default)]
struct Ends {
    to_them: VecDeque<u8>,
    from_them: Vec<u8>,
    /// The most that one read or write moves, in turn; none is no limit.
    sizes: VecDeque<usize>,
}

impl Pipe {
    /// From now on each read and write moves at most these many bytes, in turn.
    pub fn set_sizes(&self, sizes: &[usize]) {
        self.0.borrow_mut().sizes = sizes.iter().map(|&size| size.max(1)).collect();
    }

    /// Gives them bytes to read.
    pub fn give(&self, bytes: &[u8]) {
        self.0.borrow_mut().to_them.extend(bytes);
    }

    /// What they wrote.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().from_them)
    }
}

impl Ends {
    fn next_size(&mut self) -> usize {
        let size = self.sizes.pop_front();
        self.sizes.extend(size);
        size.unwrap_or(usize::MAX)
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut ends = self.0.borrow_mut();
        if ends.to_them.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let size = ends.next_size().min(buffer.len());
        ends.to_them.read(&mut buffer[..size])
    }
}

impl Write for Pipe {
    fn write(&mut self, data: &[u8]) -> Result<usize> {
        let mut ends = self.0.borrow_mut();
        let size = ends.next_size().min(data.len());
        ends.from_them.extend(&data[..size]);
        Ok(size)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
