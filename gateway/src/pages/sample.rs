//! How many calls make a ratio worth showing.

/// A share of fewer than these says little, and is marked.
pub(super) const FEW: i64 = 30;
