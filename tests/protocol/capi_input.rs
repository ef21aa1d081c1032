//! Input through the C ABI.
