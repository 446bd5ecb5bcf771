//! Bookings as notifications: each is soon confirmed or cancelled.

use ringside_model::{EventId, Notification, Severity, Timestamp};

use super::dice::Dice;

const KINDS: [&str; 4] = ["property", "car", "transfer", "tour"];
const PLACES: [&str; 12] =
    ["Lisbon", "Porto", "Seville", "Naples", "Athens", "Split", "Kraków", "Ghent", "Bergen", "Cork", "Bath", "Vienna"];

/// A booking that is not decided yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Booking {
    number: u64,
    kind: &'static str,
    place: &'static str,
    days: i64,
}

impl Booking {
    pub(super) fn new(number: u64, dice: &mut Dice) -> Self {
        let (kind, place) = (*dice.pick(&KINDS), *dice.pick(&PLACES));
        Self { number, kind, place, days: dice.between(1, 14) }
    }

    /// Returns the notification of a new booking.
    pub(super) fn made(self, id: &EventId, at: Timestamp, dice: &mut Dice) -> Notification {
        let status = if dice.chance(0.6) { "new" } else { "pending" };
        self.notification(id, at, status, Severity::Info)
    }

    /// Returns the notification of the decision.
    pub(super) fn decided(self, id: &EventId, at: Timestamp, confirmed: bool) -> Notification {
        let (status, severity) =
            if confirmed { ("confirmed", Severity::Info) } else { ("cancelled", Severity::Warning) };
        self.notification(id, at, status, severity)
    }

    fn notification(self, id: &EventId, at: Timestamp, status: &'static str, severity: Severity) -> Notification {
        let Self { number, kind, place, days } = self;
        let body = match kind {
            "transfer" => format!("Airport to {place}"),
            "tour" => format!("{place}, {} people", days.min(8)),
            _ if days == 1 => format!("1 day, {place}"),
            _ => format!("{days} days, {place}"),
        };
        Notification {
            id: id.as_str().into(),
            at,
            category: "booking".into(),
            kind: Some(kind.into()),
            status: Some(status.into()),
            severity,
            title: format!("Booking {number} {status}").into(),
            body: Some(body.into()),
        }
    }
}
