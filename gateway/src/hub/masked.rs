//! What is shared by all who see as much of phone numbers.

use std::sync::OnceLock;

use ringside_access::PhoneMask;

/// Beside a thing with calls in it: the same without their numbers, each made for the first who asks.
#[derive(Debug, Clone)]
pub(super) struct Masked<T> {
    last2: OnceLock<T>,
    hidden: OnceLock<T>,
}

impl<T> Default for Masked<T> {
    fn default() -> Self {
        Self { last2: OnceLock::new(), hidden: OnceLock::new() }
    }
}

impl<T> Masked<T> {
    /// What `mask` makes of it, once; none for those who see the thing itself.
    pub(super) fn of(&self, numbers: PhoneMask, mask: impl FnOnce() -> T) -> Option<&T> {
        match numbers {
            PhoneMask::Last4 => None,
            PhoneMask::Last2 => Some(self.last2.get_or_init(mask)),
            PhoneMask::Hidden => Some(self.hidden.get_or_init(mask)),
        }
    }
}
