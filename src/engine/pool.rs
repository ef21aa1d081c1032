//! Values that are kept for the next user.

/// Keeps up to a fixed number of values.
pub(crate) struct Pool<T> {
    free: Vec<T>,
    max: usize,
}

impl<T> Pool<T> {
    pub(crate) fn new(max: usize) -> Pool<T> {
        Pool { free: Vec::new(), max }
    }

    pub(crate) fn len(&self) -> usize {
        self.free.len()
    }

    pub(crate) fn take(&mut self) -> Option<T> {
        self.free.pop()
    }

    pub(crate) fn put(&mut self, value: T) {
        if self.free.len() < self.max {
            self.free.push(value);
        }
    }
}
