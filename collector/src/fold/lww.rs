//! A last-write-wins register: merging is commutative, associative and idempotent.

use serde::{Deserialize, Serialize};

/// A last-write-wins register.
/// The later write holds; of two at the same time, the greater value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Lww<T> {
    pub(super) at: i64,
    pub(super) value: T,
}

/// The outcome of merging a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merged {
    Changed,
    Duplicate,
    Outdated,
}

/// Merges a write into a register that may be empty.
pub(super) fn merge<T: PartialOrd>(register: &mut Option<Lww<T>>, at: i64, value: T) -> Merged {
    let merged = match register {
        None => Merged::Changed,
        Some(known) if at < known.at => Merged::Outdated,
        Some(known) if at == known.at && value == known.value => Merged::Duplicate,
        Some(known) if at == known.at && value < known.value => Merged::Outdated,
        Some(_) => Merged::Changed,
    };
    if merged == Merged::Changed {
        *register = Some(Lww { at, value });
    }
    merged
}

/// Returns the value of a register, if it was ever written.
pub(super) fn value<T: Copy>(register: &Option<Lww<T>>) -> Option<T> {
    register.as_ref().map(|register| register.value)
}
