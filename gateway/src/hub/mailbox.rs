//! Which of a watcher's rooms have something new. One bit a room, so that a burst costs one wake-up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::Notify;

/// One bit for each of a watcher's rooms.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Of the first 64, which is all that most have.
    few: AtomicU64,
    many: OnceLock<Box<Mutex<Vec<u64>>>>,
}

impl Marks {
    /// Sets a bit; true where it was not set.
    pub(crate) fn set(&self, slot: u32) -> bool {
        let (word, bit) = (slot as usize / 64, 1_u64 << (slot % 64));
        if word == 0 {
            return self.few.fetch_or(bit, Ordering::AcqRel) & bit == 0;
        }
        let mut many = self.many.get_or_init(Box::default).lock().expect("nobody panics while marking");
        if many.len() < word {
            many.resize(word, 0);
        }
        let before = many[word - 1];
        many[word - 1] |= bit;
        before & bit == 0
    }

    /// Takes all.
    pub(crate) fn take(&self, slots: &mut Vec<u32>) {
        unpack(0, self.few.swap(0, Ordering::AcqRel), slots);
        let Some(many) = self.many.get() else { return };
        for (word, bits) in many.lock().expect("nobody panics while marking").iter_mut().enumerate() {
            unpack(word as u32 + 1, std::mem::take(bits), slots);
        }
    }
}

fn unpack(word: u32, mut bits: u64, slots: &mut Vec<u32>) {
    while bits != 0 {
        slots.push(word * 64 + bits.trailing_zeros());
        bits &= bits - 1;
    }
}

/// Somebody who watches rooms.
pub(crate) trait Watcher: Send + Sync {
    /// What has something new.
    fn marks(&self) -> &Marks;

    /// Something was marked that was not marked before.
    fn ring(&self);

    /// Marks a slot; rings where it was not marked.
    fn mark(&self, slot: u32) {
        if self.marks().set(slot) {
            self.ring();
        }
    }
}

/// The watcher that a task of its own waits for.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    marks: Marks,
    bell: Notify,
}

impl Watcher for Mailbox {
    fn marks(&self) -> &Marks {
        &self.marks
    }

    fn ring(&self) {
        self.bell.notify_one();
    }
}

impl Mailbox {
    /// Returns once something may have been marked since the last time.
    pub(crate) async fn rang(&self) {
        self.bell.notified().await;
    }
}

/// Who is told when something is new.
#[derive(Default)]
pub(crate) struct Members {
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    taken: Vec<Option<(Arc<dyn Watcher>, u32)>>,
    free: Vec<usize>,
}

impl Members {
    /// Joins, for as long as the seat is held.
    pub(crate) fn join(self: &Arc<Self>, watcher: Arc<dyn Watcher>, slot: u32) -> Seat {
        let mut seats = self.seats.lock().expect("nobody panics while sitting down");
        let number = match seats.free.pop() {
            Some(seat) => {
                seats.taken[seat] = Some((watcher, slot));
                seat
            }
            None => {
                seats.taken.push(Some((watcher, slot)));
                seats.taken.len() - 1
            }
        };
        Seat { members: self.clone(), number }
    }

    /// True where anybody is there.
    pub(crate) fn any(&self) -> bool {
        let seats = self.seats.lock().expect("nobody panics while sitting down");
        seats.free.len() < seats.taken.len()
    }

    /// Tells all.
    pub(crate) fn tell(&self) {
        let seats = self.seats.lock().expect("nobody panics while sitting down");
        for (watcher, slot) in seats.taken.iter().flatten() {
            watcher.mark(*slot);
        }
    }
}

/// A membership. Who drops it has left.
pub(crate) struct Seat {
    members: Arc<Members>,
    number: usize,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.members.seats.lock().expect("nobody panics while sitting down");
        seats.taken[self.number] = None;
        seats.free.push(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_once_and_those_who_left_get_none() {
        let (members, mailbox) = (Arc::new(Members::default()), Arc::new(Mailbox::default()));
        let seat = members.join(mailbox.clone(), 3);
        let _other = members.join(mailbox.clone(), 130);
        members.tell();
        members.tell();
        let mut slots = Vec::new();
        mailbox.marks().take(&mut slots);
        assert_eq!(slots, [3, 130]);
        drop(seat);
        members.tell();
        slots.clear();
        mailbox.marks().take(&mut slots);
        assert_eq!(slots, [130]);
    }
}
