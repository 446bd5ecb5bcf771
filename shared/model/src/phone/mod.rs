//! Dialed numbers, masked before anything keeps them. [`mask_numbers`] finds them in texts.

mod text;

pub use text::{id_holds_number, mask_numbers};

const MASK: char = '•';
/// A number of fewer digits is told from its last ones.
const FEWEST_DIGITS: usize = 7;
/// No country's code is longer.
const COUNTRY_DIGITS: usize = 3;
const LAST_DIGITS: usize = 4;

/// Masks a dialed number but for its country and its last four digits: `+44 ••• 4 821`.
///
/// It is all that the log has of a call's `to`: what is not stored can't leak. One that came masked is written anew from
/// what it says in front and behind, so that nothing else comes along.
pub fn mask_number(number: &str) -> Box<str> {
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
    fn only_the_country_and_four_digits_remain() {
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
            assert_eq!(&*mask_number(number), masked, "{number}");
        }
    }

    proptest! {
        #[test]
        fn what_is_masked_stays_as_it_is(number in "\\+?[0-9• ()-]{0,24}") {
            let masked = mask_number(&number);
            prop_assert_eq!(&mask_number(&masked), &masked);
            prop_assert!(masked.chars().filter(char::is_ascii_digit).count() <= COUNTRY_DIGITS + LAST_DIGITS);
        }
    }
}
