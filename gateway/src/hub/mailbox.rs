//! Which of a watcher's rooms have something new. One bit a room, so that a burst costs one wake-up.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

/// A watcher's bits and its bell.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    bits: Mutex<Vec<u64>>,
    bell: Notify,
}

impl Mailbox {
    /// Marks a slot; rings where it was not marked.
    pub(crate) fn mark(&self, slot: u32) {
        let (word, bit) = (slot as usize / 64, 1_u64 << (slot % 64));
        let mut bits = self.bits.lock().expect("nobody panics while marking");
        if bits.len() <= word {
            bits.resize(word + 1, 0);
        }
        if bits[word] & bit == 0 {
            bits[word] |= bit;
            drop(bits);
            self.bell.notify_one();
        }
    }

    /// Takes all marks.
    pub(crate) fn take(&self, slots: &mut Vec<u32>) {
        let mut bits = self.bits.lock().expect("nobody panics while marking");
        for (word, bits) in bits.iter_mut().enumerate() {
            while *bits != 0 {
                slots.push(word as u32 * 64 + bits.trailing_zeros());
                *bits &= *bits - 1;
            }
        }
    }

    /// Returns once something may have been marked since the last time.
    pub(crate) async fn rang(&self) {
        self.bell.notified().await;
    }
}

/// Who is told when something is new.
#[derive(Debug, Default)]
pub(crate) struct Members {
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    taken: Vec<Option<(Arc<Mailbox>, u32)>>,
    free: Vec<usize>,
}

impl Members {
    /// Joins, for as long as the seat is held.
    pub(crate) fn join(self: &Arc<Self>, mailbox: Arc<Mailbox>, slot: u32) -> Seat {
        let mut seats = self.seats.lock().expect("nobody panics while sitting down");
        let number = match seats.free.pop() {
            Some(seat) => {
                seats.taken[seat] = Some((mailbox, slot));
                seat
            }
            None => {
                seats.taken.push(Some((mailbox, slot)));
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
        for (mailbox, slot) in seats.taken.iter().flatten() {
            mailbox.mark(*slot);
        }
    }
}

/// A membership. Who drops it has left.
#[derive(Debug)]
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
        mailbox.take(&mut slots);
        assert_eq!(slots, [3, 130]);
        drop(seat);
        members.tell();
        slots.clear();
        mailbox.take(&mut slots);
        assert_eq!(slots, [130]);
    }
}
