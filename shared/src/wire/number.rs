//! Dialed numbers, masked before anything keeps them. [`super::mask_numbers`] finds them in texts.

/// Masks a dialed number but for its country and its last four digits: `+44 ••• 4 821`.
///
/// It is all that the log has of a call's `to`: what is not stored can't leak.
pub fn mask_number(number: &str) -> Box<str> {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    if digits.len() < 7 {
        return "•••".into();
    }
    let country = match (number.trim_start().starts_with('+'), digits[0]) {
        (false, _) => 0,
        (true, '1' | '7') => 1,
        (true, _) => 2,
    };
    let head: String = digits[..country].iter().collect();
    let tail: String = digits[digits.len() - 3..].iter().collect();
    let before = digits[digits.len() - 4];
    let plus = if country > 0 { format!("+{head} ") } else { String::new() };
    format!("{plus}••• {before} {tail}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_country_and_four_digits_remain() {
        assert_eq!(&*mask_number("+441632960123"), "+44 ••• 0 123");
        assert_eq!(&*mask_number("+1 (415) 555-2671"), "+1 ••• 2 671");
        assert_eq!(&*mask_number("01632960123"), "••• 0 123");
        assert_eq!(&*mask_number("999"), "•••");
    }
}
