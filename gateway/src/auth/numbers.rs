//! How much of a dialed number somebody sees.
//!
//! The log has a number's country and last four digits at most (`shared/model/src/phone/`). That is what goes out to
//! those who run campaigns or answer for them. For all others the calls in a frame are rewritten here before it leaves:
//! once for a frame and a sight ([`crate::hub`] keeps them), never for each who gets it.

use bytes::Bytes;
use ringside_wire::{CallsBody, body_bytes};
use tracing::warn;

use super::Role;

/// No country's code is longer.
const COUNTRY_DIGITS: usize = 3;
/// What remains of a number for those who only look.
const LAST_DIGITS: usize = 2;

/// What somebody sees of dialed numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Numbers {
    /// As they are stored: the country and the last four digits.
    Last4,
    /// The country and the last two digits.
    Last2,
    /// Nothing, nor who took the call: what hangs on a wall is read by whoever passes.
    Hidden,
}

impl Role {
    /// What this role sees of dialed numbers.
    pub(crate) fn numbers(self) -> Numbers {
        match self {
            Self::Supervisor | Self::Auditor | Self::Admin => Numbers::Last4,
            Self::Viewer | Self::Operator => Numbers::Last2,
            Self::Wallboard => Numbers::Hidden,
        }
    }
}

impl Numbers {
    /// A body with `calls`, of a frame or of an `initial`, as it may leave. One that can't be read leaves empty: what is
    /// not understood can't be masked.
    pub(crate) fn of_calls(self, body: &Bytes) -> Bytes {
        if self == Self::Last4 {
            return body.clone();
        }
        let mut read: CallsBody = serde_json::from_slice(body).unwrap_or_else(|error| {
            warn!(%error, "calls could not be masked, so they are left out for whoever may not see their numbers");
            CallsBody::default()
        });
        for call in &mut read.calls {
            call.to = call.to.take().and_then(|to| self.of(&to));
            if self == Self::Hidden {
                call.agent = None;
            }
        }
        body_bytes(&read)
    }

    /// A number as it is stored, as it may leave. It is written anew from its digits, so that nothing else that a source
    /// has put there comes along.
    fn of(self, stored: &str) -> Option<Box<str>> {
        match self {
            Self::Last4 => Some(stored.into()),
            Self::Last2 => {
                let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
                let head = stored.trim_start().strip_prefix('+').unwrap_or_default();
                let country = head.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
                let country = if country.len() <= COUNTRY_DIGITS { country } else { "" };
                let rest = digits(stored).split_off(country.len());
                let last = &rest[rest.len().saturating_sub(LAST_DIGITS)..];
                let parts = [if country.is_empty() { "" } else { "+" }, country, " ••• ", last];
                Some(parts.concat().trim().into())
            }
            Self::Hidden => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringside_model::mask_phone_number;
    use ringside_wire::CallChangeJson;
    use serde_json::{Value, json};

    use super::*;

    fn body(to: &str) -> Bytes {
        json!({ "calls": [{ "campaignId": "alpha", "callId": "c", "at": "x", "phase": "ended", "to": to, "agent": "ann",
            "lead": "l-4471" }] })
        .to_string()
        .into()
    }

    fn call(numbers: Numbers, to: &str) -> CallChangeJson {
        let read: CallsBody = serde_json::from_slice(&numbers.of_calls(&body(to))).unwrap();
        read.calls.into_iter().next().unwrap()
    }

    #[test]
    fn each_role_sees_as_much_as_it_needs() {
        for role in [Role::Supervisor, Role::Auditor, Role::Admin] {
            assert_eq!(role.numbers(), Numbers::Last4, "{}", role.as_str());
        }
        for role in [Role::Viewer, Role::Operator] {
            assert_eq!(role.numbers(), Numbers::Last2, "{}", role.as_str());
        }
    }

    #[test]
    fn only_the_country_and_two_digits_remain() {
        for (stored, told) in [
            ("+44 ••• 0 123", "+44 ••• 23"),
            ("+1 ••• 2 671", "+1 ••• 71"),
            ("••• 0 123", "••• 23"),
            ("+44 16•• ••23", "+44 ••• 23"),
            ("+4416••••23", "••• 23"),
            ("+44 ••• 7", "+44 ••• 7"),
            ("+44 •••", "+44 •••"),
            ("•••", "•••"),
            ("anonymous", "•••"),
            ("", "•••"),
            ("+441632960123", "••• 23"),
            ("+•", "•••"),
        ] {
            assert_eq!(call(Numbers::Last2, stored).to.as_deref(), Some(told), "{stored}");
        }
    }

    #[test]
    fn who_may_see_them_gets_the_very_bytes() {
        let stored = body("+44 ••• 0 123");
        assert!(std::ptr::eq(Numbers::Last4.of_calls(&stored).as_ptr(), stored.as_ptr()), "nothing is copied");
    }

    #[test]
    fn a_wall_shows_neither_number_nor_agent() {
        let told = call(Numbers::Hidden, "+44 ••• 0 123");
        assert_eq!((told.to, told.agent), (None, None));
        assert_eq!(call(Numbers::Last2, "+44 ••• 0 123").agent.as_deref(), Some("ann"));
    }

    #[test]
    fn what_can_not_be_read_leaves_empty() {
        for broken in [&b"{"[..], b"[]", br#"{"calls":[{"to":"+44 16 329"}]}"#] {
            for numbers in [Numbers::Last2, Numbers::Hidden] {
                let told: Value = serde_json::from_slice(&numbers.of_calls(&Bytes::from_static(broken))).unwrap();
                assert_eq!(told, json!({ "calls": [] }));
            }
        }
    }

    /// Everything that the log may have as a number: our masks, masks of sources, and what a broken one would leave.
    fn stored() -> impl Strategy<Value = String> {
        prop_oneof![
            "\\+?[0-9 ()-]{0,20}".prop_map(|number| mask_phone_number(&number).into()),
            "\\+?[0-9]{0,4}[ .•x*]{1,5}[0-9 •]{0,6}",
            "\\+?[0-9 •+٠-٩０-９a-z\"\\\\<]{0,24}",
        ]
    }

    proptest! {
        #[test]
        fn no_digits_beyond_the_allowed_leave(stored in stored()) {
            let text = |numbers: Numbers| str::from_utf8(&numbers.of_calls(&body(&stored))).unwrap().to_owned();
            prop_assert!(!text(Numbers::Hidden).contains("\"to\""));
            prop_assert!(!text(Numbers::Hidden).chars().any(char::is_numeric));
            let told = call(Numbers::Last2, &stored).to.unwrap();
            let (country, last) = told.split_once("•••").expect("there is always a mask");
            let country = country.trim();
            prop_assert!(country.is_empty() || stored.trim_start().starts_with(country));
            prop_assert!(country.is_empty() || (2..=1 + COUNTRY_DIGITS).contains(&country.len()));
            prop_assert!(last.trim().len() <= LAST_DIGITS);
            prop_assert!(told.chars().all(|c| c.is_ascii_digit() || "+ •".contains(c)));
            // Nothing else of the number is anywhere in the body.
            prop_assert!(!text(Numbers::Last2).contains("l-4471"));
        }
    }
}
