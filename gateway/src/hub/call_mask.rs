//! Masks the phone numbers of calls in a frame.
//!
//! The log has a number's country and last four digits at most (`shared/model/src/phone/`). Roles that may see less get
//! calls that are rewritten here: once per frame and mask, never per client.

use bytes::Bytes;
use ringside_access::PhoneMask;
use ringside_wire::{CallsBody, body_bytes};
use tracing::warn;

/// Masks a body with `calls`, of a frame or of an `initial`.
///
/// A body that can't be parsed becomes one without calls: it can't be masked either.
pub(crate) fn mask_calls(mask: PhoneMask, body: &Bytes) -> Bytes {
    if mask == PhoneMask::Last4 {
        return body.clone();
    }
    let mut parsed: CallsBody = serde_json::from_slice(body).unwrap_or_else(|error| {
        warn!(%error, "calls could not be masked; leaving them out for roles that may not see their numbers");
        CallsBody::default()
    });
    for call in &mut parsed.calls {
        call.to = call.to.take().and_then(|to| mask.apply(&to));
        if mask == PhoneMask::Hidden {
            call.agent = None;
        }
    }
    body_bytes(&parsed)
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

    fn call(mask: PhoneMask, to: &str) -> CallChangeJson {
        let read: CallsBody = serde_json::from_slice(&mask_calls(mask, &body(to))).unwrap();
        read.calls.into_iter().next().unwrap()
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
            assert_eq!(call(PhoneMask::Last2, stored).to.as_deref(), Some(told), "{stored}");
        }
    }

    #[test]
    fn who_may_see_them_gets_the_very_bytes() {
        let stored = body("+44 ••• 0 123");
        assert!(std::ptr::eq(mask_calls(PhoneMask::Last4, &stored).as_ptr(), stored.as_ptr()), "nothing is copied");
    }

    #[test]
    fn a_wall_shows_neither_number_nor_agent() {
        let told = call(PhoneMask::Hidden, "+44 ••• 0 123");
        assert_eq!((told.to, told.agent), (None, None));
        assert_eq!(call(PhoneMask::Last2, "+44 ••• 0 123").agent.as_deref(), Some("ann"));
    }

    #[test]
    fn what_can_not_be_read_leaves_empty() {
        for broken in [&b"{"[..], b"[]", br#"{"calls":[{"to":"+44 16 329"}]}"#] {
            for mask in [PhoneMask::Last2, PhoneMask::Hidden] {
                let told: Value = serde_json::from_slice(&mask_calls(mask, &Bytes::from_static(broken))).unwrap();
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
            let text = |mask: PhoneMask| str::from_utf8(&mask_calls(mask, &body(&stored))).unwrap().to_owned();
            prop_assert!(!text(PhoneMask::Hidden).contains("\"to\""));
            prop_assert!(!text(PhoneMask::Hidden).chars().any(char::is_numeric));
            let told = call(PhoneMask::Last2, &stored).to.unwrap();
            let (country, last) = told.split_once("•••").expect("there is always a mask");
            let country = country.trim();
            prop_assert!(country.is_empty() || stored.trim_start().starts_with(country));
            prop_assert!(country.is_empty() || (2..=1 + PhoneMask::COUNTRY_DIGITS).contains(&country.len()));
            prop_assert!(last.trim().len() <= PhoneMask::LAST_DIGITS);
            prop_assert!(told.chars().all(|c| c.is_ascii_digit() || "+ •".contains(c)));
            // Nothing else of the number is anywhere in the body.
            prop_assert!(!text(PhoneMask::Last2).contains("l-4471"));
        }
    }
}
