//! Masks telephone numbers: dialed ones here, those in texts and ids in `text.rs`.

mod text;

pub use text::{holds_phone_number, mask_phone_numbers};

const MASK: char = '•';
/// A number with fewer digits is masked entirely: its last ones would reveal it.
const FEWEST_DIGITS: usize = 7;
/// The longest country code.
const COUNTRY_DIGITS: usize = 3;
const LAST_DIGITS: usize = 4;

/// Masks a number except its country code and last four digits: `+44 ••• 4 821`.
///
/// The log holds a call's `to` only in this form: data that is not stored can't leak. A number that is masked already
/// is rebuilt from its country code and its last digits, so that no other text stays in it.
pub fn mask_phone_number(number: &str) -> Box<str> {
    let head = number.trim_start().strip_prefix('+');
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let (country, rest) = match number.rsplit_once(MASK) {
        Some((_, rest)) => {
            let country = head.and_then(|head| head.split(|c: char| !c.is_ascii_digit()).next()).unwrap_or_default();
            (if country.len() <= COUNTRY_DIGITS { country } else { "" }.to_owned(), digits(rest))
        }
        None => {
            let mut country = digits(number);
            if country.len() < FEWEST_DIGITS {
                return "•••".into();
            }
            let rest = country.split_off(match (head, country.as_bytes()[0]) {
                (None, _) => 0,
                (Some(_), b'1' | b'7') => 1,
                (Some(_), _) => 2,
            });
            (country, rest)
        }
    };
    let mut last = rest[rest.len().saturating_sub(LAST_DIGITS)..].to_owned();
    if last.len() == LAST_DIGITS {
        last.insert(1, ' ');
    }
    [if country.is_empty() { "" } else { "+" }, &country, " ••• ", &last].concat().trim().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_country_code_and_four_digits_remain() {
        for (number, masked) in [
            ("+441632960123", "+44 ••• 0 123"),
            ("+1 (415) 555-2671", "+1 ••• 2 671"),
            ("01632960123", "••• 0 123"),
            ("999", "•••"),
            ("+44 ••• 0 123", "+44 ••• 0 123"),
            ("+353 ••• 123", "+353 ••• 123"),
            ("•••", "•••"),
            ("+44 16•• ••23", "+44 ••• 23"),
            ("•123456", "••• 3 456"),
            ("+441632960123 •", "•••"),
            ("Jane Smith • 1234", "••• 1 234"),
        ] {
            assert_eq!(&*mask_phone_number(number), masked, "{number}");
        }
    }

    proptest! {
        #[test]
        fn masking_a_masked_number_changes_nothing(number in "\\+?[0-9• ()-]{0,24}") {
            let masked = mask_phone_number(&number);
            prop_assert_eq!(&mask_phone_number(&masked), &masked);
            prop_assert!(masked.chars().filter(char::is_ascii_digit).count() <= COUNTRY_DIGITS + LAST_DIGITS);
        }
    }
}
