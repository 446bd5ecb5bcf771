//! Finds telephone numbers in texts and ids from sources, before they are stored.
//!
//! A telephone number is seven digits or more, with at most three of the usual separators between two digits: spaces,
//! dashes, dots, parentheses, and slashes if it begins with `0` or `+`. Seven digits in a row are always taken for
//! one. Not masked, because people write them in the same characters:
//! - dates (`2026-11-21`, `21.11.2026`), which a time may follow;
//! - IPv4 addresses (`192.168.10.20`), except four pairs of digits, the way Danish telephone numbers are written;
//! - amounts: `12345.67`, and grouped thousands with cents or a currency sign (`1.234.567,00`, `€1.234.567`). A comma
//!   is not a separator, so `1,234,567.00` never matches;
//! - UUIDs, except those with only digits in their first or last group.

use std::borrow::Cow;

/// The fewest digits of a telephone number.
const DIGITS: usize = 7;
/// The most separators between two of its digits.
const MOST_SEPARATORS: usize = 3;
/// Replaces a telephone number.
const MASK: &str = "•••";
/// The positions of a UUID's dashes.
const UUID_DASHES: [usize; 4] = [8, 13, 18, 23];
const UUID_CHARS: usize = 36;
/// A hexadecimal word of this length and with this many letters is a generated id.
const HEXADECIMAL_CHARS: usize = 20;
const HEXADECIMAL_LETTERS: usize = 4;
/// The digits of the seconds since 1970, from 2001 until 2286.
const CHANNEL_SECOND_DIGITS: usize = 10;

/// Masks telephone numbers in a text: `Call +44 1632 960123` becomes `Call •••`.
///
/// No digit of them remains, because all viewers read the same text and some may see no digit. The result is never
/// longer than the text, and masking it again changes nothing.
pub fn mask_phone_numbers(text: &str) -> Cow<'_, str> {
    if text.chars().filter(|c| c.is_numeric()).count() < DIGITS {
        return text.into();
    }
    let chars: Vec<char> = text.chars().collect();
    let mut masked = String::with_capacity(text.len());
    let mut written = 0;
    for number in (PhoneNumbers { chars: &chars, at: 0 }) {
        masked.extend(&chars[written..number.0]);
        masked.push_str(MASK);
        written = number.1;
    }
    if written == 0 {
        return text.into();
    }
    masked.extend(&chars[written..]);
    masked.into()
}

/// Whether an id holds a telephone number: seven digits in a row.
///
/// UUIDs, long hexadecimal words (Twilio's ids) and Asterisk's channel ids (a time and a counter) don't count. Dashes
/// and dots separate here: ids have them between dates and counters.
pub fn holds_phone_number(id: &str) -> bool {
    if id.split(|c: char| !c.is_numeric()).all(|run| run.chars().count() < DIGITS) {
        return false;
    }
    let chars: Vec<char> = id.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let plain = uuid_end(&chars, at).or_else(|| hexadecimal_end(&chars, at)).or_else(|| channel_end(&chars, at));
        if let Some(end) = plain {
            at = end;
            continue;
        }
        let run = chars[at..].iter().take_while(|c| c.is_numeric()).count();
        if run >= DIGITS {
            return true;
        }
        at += run.max(1);
    }
    false
}

/// The telephone numbers of a text, as ranges: begin, and end exclusive.
struct PhoneNumbers<'a> {
    chars: &'a [char],
    at: usize,
}

impl Iterator for PhoneNumbers<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let begin = self.at;
            let end = match uuid_end(self.chars, begin) {
                Some(end) => end,
                None if !self.chars.get(begin)?.is_numeric() => begin + 1,
                None => match plain_end(self.chars, begin) {
                    Some(end) => end,
                    None => {
                        let (end, digits) = span_end(self.chars, begin);
                        self.at = end;
                        if digits >= DIGITS && !is_decimal(&self.chars[begin..end]) {
                            return Some((with_prefix(self.chars, begin, end), end));
                        }
                        end
                    }
                },
            };
            self.at = end;
        }
    }
}

/// Returns the end of the digits and separators that begin here, and their digits.
fn span_end(chars: &[char], begin: usize) -> (usize, usize) {
    let slashes = chars[begin] == '0' || begin.checked_sub(1).is_some_and(|before| chars[before] == '+');
    let (mut end, mut digits) = (begin + 1, 1);
    loop {
        let separators = chars[end..]
            .iter()
            .take(MOST_SEPARATORS + 1)
            .take_while(|c| is_space(**c) || is_joint(**c) || slashes && **c == '/')
            .count();
        let next = end + separators;
        if separators > MOST_SEPARATORS || !chars.get(next).is_some_and(|c| c.is_numeric()) {
            return (end, digits);
        }
        let apart = chars[end..next].iter().any(|c| is_space(*c));
        if apart && plain_end(chars, next).is_some() || uuid_end(chars, next).is_some() {
            return (end, digits);
        }
        (end, digits) = (next + 1, digits + 1);
    }
}

/// Moves the beginning back over a `+` and over a parenthesis that is closed.
fn with_prefix(chars: &[char], begin: usize, end: usize) -> usize {
    let closes = chars[begin..end].contains(&')');
    let prefix = chars[..begin].iter().rev().take(2).take_while(|c| **c == '+' || closes && **c == '(').count();
    begin - prefix
}

/// Returns the end of a date, address or amount that begins here and stands alone.
fn plain_end(chars: &[char], begin: usize) -> Option<usize> {
    if begin.checked_sub(1).is_some_and(|before| chars[before] == '+') {
        return None;
    }
    let end = date_end(chars, begin).or_else(|| host_end(chars, begin)).or_else(|| amount_end(chars, begin))?;
    let goes_on = match chars.get(end) {
        Some(c) if is_joint(*c) || *c == '/' => chars.get(end + 1).is_some_and(|c| c.is_numeric()),
        after => after.is_some_and(|c| c.is_numeric()),
    };
    (!goes_on).then_some(end)
}

/// `2026-11-21`, `21.11.2026`, `11/21/2026`.
fn date_end(chars: &[char], begin: usize) -> Option<usize> {
    let (groups, separator, end) = groups(chars, begin, 3, &['-', '.', '/'])?;
    let [first, second, third] = groups[..] else { return None };
    let year = |group: Group| group.digits == 4 && (1900..2100).contains(&group.value);
    let part = |group: Group, most| group.digits <= 2 && (1..=most).contains(&group.value);
    let pair = |a, b| part(a, 12) && part(b, 31);
    let is_date = year(first) && pair(second, third) || year(third) && (pair(first, second) || pair(second, first));
    (is_date && separator.is_some()).then_some(end)
}

/// `192.168.10.20`, and `192-168-10-20` as in host names.
fn host_end(chars: &[char], begin: usize) -> Option<usize> {
    let (groups, _, end) = groups(chars, begin, 4, &['.', '-'])?;
    let is_part = |group: &Group| group.digits <= 3 && group.value <= 255 && (group.digits == 1 || !group.leading_zero);
    let is_host = groups.len() == 4 && groups.iter().all(is_part) && groups.iter().any(|group| group.digits != 2);
    is_host.then_some(end)
}

/// `1.234.567,00`, `1 234 567,00`, `€1.234.567`, `1.234.567 €`.
fn amount_end(chars: &[char], begin: usize) -> Option<usize> {
    let (groups, _, end) = groups(chars, begin, 6, &['.', ' ', '\u{a0}', '\u{202f}', '\'', '’'])?;
    let grouped = groups.len() > 1
        && !groups[0].leading_zero
        && groups[0].digits <= 3
        && groups[1..].iter().all(|group| group.digits == 3);
    if !grouped {
        return None;
    }
    let digit = |at: usize| chars.get(at).is_some_and(|c| c.is_numeric());
    if chars.get(end) == Some(&',') && digit(end + 1) && digit(end + 2) && !digit(end + 3) {
        return Some(end + 3);
    }
    let money = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| matches!(c, '€' | '$' | '£' | '¥'));
    let gap = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| is_space(*c));
    let before = begin.checked_sub(1);
    let signed = money(before)
        || gap(before) && money(begin.checked_sub(2))
        || money(Some(end))
        || gap(Some(end)) && money(Some(end + 1));
    signed.then_some(end)
}

/// `12345.67`: one dot, and one or two digits after it.
fn is_decimal(span: &[char]) -> bool {
    let Some(dot) = span.iter().position(|c| *c == '.') else { return false };
    span[0] != '0'
        && dot < DIGITS
        && (1..=2).contains(&(span.len() - dot - 1))
        && span.iter().enumerate().all(|(at, c)| at == dot || c.is_numeric())
}

#[derive(Debug, Clone, Copy)]
struct Group {
    digits: usize,
    value: u32,
    leading_zero: bool,
}

/// Reads at most `most` groups of digits; returns them, the separator and the end.
fn groups(chars: &[char], begin: usize, most: usize, separators: &[char]) -> Option<(Vec<Group>, Option<char>, usize)> {
    let mut groups = Vec::with_capacity(most);
    let (mut at, mut separator) = (begin, None);
    loop {
        let digits = chars[at..].iter().take(DIGITS).take_while(|c| c.is_ascii_digit()).count();
        if digits == 0 || digits >= DIGITS {
            return None;
        }
        let value = chars[at..at + digits].iter().fold(0, |value, c| value * 10 + c.to_digit(10).unwrap_or(0));
        groups.push(Group { digits, value, leading_zero: chars[at] == '0' });
        at += digits;
        let Some(next) = chars.get(at).filter(|c| separators.contains(c)) else { break };
        let goes_on = groups.len() < most
            && separator.is_none_or(|separator| separator == *next)
            && chars.get(at + 1).is_some_and(char::is_ascii_digit);
        if !goes_on {
            break;
        }
        separator = Some(*next);
        at += 1;
    }
    Some((groups, separator, at))
}

/// Returns the end of the UUID that begins here.
fn uuid_end(chars: &[char], begin: usize) -> Option<usize> {
    let end = begin + UUID_CHARS;
    let uuid = chars.get(begin..end)?;
    let apart = |at: Option<usize>| !at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
    let formed = uuid.iter().enumerate().all(
        |(at, c)| {
            if UUID_DASHES.contains(&at) { *c == '-' } else { c.is_ascii_hexdigit() }
        },
    );
    let lettered = |group: &[char]| group.iter().any(|c| !c.is_ascii_digit());
    let is_uuid = formed
        && lettered(&uuid[..UUID_DASHES[0]])
        && lettered(&uuid[UUID_DASHES[3] + 1..])
        && apart(begin.checked_sub(1))
        && apart(Some(end));
    is_uuid.then_some(end)
}

/// Returns the end of the long hexadecimal word that begins here.
///
/// No telephone number is that long.
fn hexadecimal_end(chars: &[char], begin: usize) -> Option<usize> {
    if begin.checked_sub(1).is_some_and(|before| chars[before].is_alphanumeric()) {
        return None;
    }
    let word = chars[begin..].iter().take_while(|c| c.is_alphanumeric()).count();
    let word = &chars[begin..begin + word];
    let letters = word.iter().filter(|c| c.is_ascii_alphabetic()).count();
    let is_it =
        word.len() >= HEXADECIMAL_CHARS && letters >= HEXADECIMAL_LETTERS && word.iter().all(char::is_ascii_hexdigit);
    is_it.then_some(begin + word.len())
}

/// Returns the end of the Asterisk channel id (`1763640000.123`) that begins here.
fn channel_end(chars: &[char], begin: usize) -> Option<usize> {
    if begin.checked_sub(1).is_some_and(|before| chars[before].is_alphanumeric() || matches!(chars[before], '.' | '+'))
    {
        return None;
    }
    let digits = |from: usize| chars[from..].iter().take_while(|c| c.is_ascii_digit()).count();
    let dot = begin + CHANNEL_SECOND_DIGITS;
    if chars[begin] != '1' || digits(begin) != CHANNEL_SECOND_DIGITS || chars.get(dot) != Some(&'.') {
        return None;
    }
    let end = dot + 1 + digits(dot + 1);
    let ends = !chars.get(end).is_some_and(|c| c.is_alphanumeric() || *c == '.');
    (end > dot + 1 && end - dot <= DIGITS && ends).then_some(end)
}

fn is_space(c: char) -> bool {
    c.is_whitespace() && c != '\n'
}

/// Whether people or their word processors write this between a number's digits.
///
/// Spaces are apart: [`is_space`].
fn is_joint(c: char) -> bool {
    matches!(
        c,
        '-' | '.' | '(' | ')' | '−' | '·' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2010}'..='\u{2015}'
            // Invisible marks such as text direction, and the marks that make a keycap emoji of a digit.
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fe0f}' | '\u{20e3}'
            // Dashes, dots and parentheses of other scripts.
            | '⁃' | '﹣' | '－' | '．' | '（' | '）' | '・' | 'ー'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_masked_in_any_notation() {
        for (text, masked) in [
            ("Call back +441632960123", "Call back •••"),
            ("+44 (0) 1632 960 123, now", "•••, now"),
            ("(+44) 1632-960-123", "•••"),
            ("(01632) 960123", "•••"),
            ("Lead (01632 960123) again", "Lead (•••) again"),
            ("call 01632/960123 or 555-2671", "call ••• or •••"),
            ("1.415.555.2671", "•••"),
            ("01.23.45.67.89", "•••"),
            ("12 34 56 78", "•••"),
            ("12.34.56.78", "•••"),
            ("612 345 678", "•••"),
            ("01632 – 960 123", "•••"),
            ("01632\u{a0}960\u{2011}123", "•••"),
            ("٠١٦٣٢٩٦٠١٢٣ ０１６３２９６０１２３", "•••"),
            ("０９０－１２３４－５６７８ ０９０．１２３４．５６７８", "•••"),
            ("（01632）960123", "（•••"),
            ("090ー1234ー5678", "•••"),
            ("0632・960・123", "•••"),
            ("01632\u{202d}960\u{feff}123", "•••"),
            (
                "0\u{fe0f}\u{20e3}1\u{fe0f}\u{20e3}6\u{fe0f}\u{20e3}3\u{fe0f}\u{20e3}2\u{fe0f}\u{20e3}9\u{fe0f}\u{20e3}6\u{fe0f}\u{20e3}",
                "•••\u{fe0f}\u{20e3}",
            ),
            ("sip:441632960123@host:5060", "sip:•••@host:5060"),
            ("SIP441632960123x", "SIP•••x"),
            ("1234567 calls", "••• calls"),
            ("20261121T123000Z", "•••T123000Z"),
            ("2026-11-21 01632 960123", "2026-11-21 •••"),
            ("01632 960123 2026-11-21 12:30", "••• 2026-11-21 12:30"),
            ("2026-11-21-441632", "•••"),
            ("+441632960123+441632960124", "••••••"),
            ("00000000-0000-4000-a000-441632960123", "•••-a•••"),
        ] {
            assert_eq!(mask_phone_numbers(text), masked, "{text}");
        }
    }

    #[test]
    fn dates_addresses_amounts_and_uuids_are_not_masked() {
        for text in [
            "",
            "Booking 8812 confirmed",
            "2026-11-21 12:30",
            "2026-11-21T12:30:00.000Z",
            "from 2026-11-01 - 2026-11-30",
            "21.11.2026 12.30",
            "11/21/2026 12:30, 01/11/2026 12:30",
            "1,234,567.00",
            "1.234.567,00 EUR",
            "1 234 567,00",
            "€1.234.567 and 1.234.567 €",
            "12345.67",
            "5240/10000 leads",
            "10.20.30.140 is away, 192.168.10.20:5060 too, ip-172-31-25-100 and 192.168.100.20 15 times",
            "7f3a1c20-1b2c-4d3e-8f90-0a1b2c3d4e5f",
            "call 1234567a-1111-4222-8333-44163296012f ended",
            "Q.850 cause 17, 3 of 12 lines",
        ] {
            assert!(
                matches!(mask_phone_numbers(text), Cow::Borrowed(same) if same == text),
                "{text}: {}",
                mask_phone_numbers(text)
            );
        }
    }

    #[test]
    fn seven_digits_in_a_row_are_a_number_in_an_id() {
        for id in [
            "SIP-441632960123",
            "c1234567",
            "x-00000000-0000-4000-a000-441632960123",
            "4163296012.1",
            "+1632960123.1",
            "1632960123",
            "1632960123.1234567",
            "1632960123.1.2",
            "x1632960123.1",
            "441632960123.1",
            "ab441632960123cd",
            "44163296012344163296012f",
        ] {
            assert!(holds_phone_number(id), "{id}");
        }
        for id in [
            "c1",
            "2026-11-21-123456",
            "alpha-1-2-345678",
            "1234567a-1111-4222-8333-44163296012f",
            "L123456.123456",
            "1763640000.123",
            "pbx1-1763640000.123",
            "1763640000.123;2",
            "CA0123456789abcdef0123456789abcdef",
        ] {
            assert!(!holds_phone_number(id), "{id}");
        }
    }

    /// Texts made of pieces of numbers, dates, amounts and UUIDs.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[0-9]{1,13}",
            "[ ./()+,:'€\u{a0}\u{202f}•T-]{1,4}",
            "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]",
            "[0-3]?[0-9]\\.[01]?[0-9]\\.20[0-9]{2}",
            "[0-9]{1,3}(\\.[0-9]{1,3}){1,4}(,[0-9]{2})?",
            "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "[a-z٠-٩\n]{1,4}",
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn without_uuids(text: &str) -> String {
        let chars: Vec<char> = text.chars().collect();
        let (mut rest, mut at) = (String::new(), 0);
        while at < chars.len() {
            match uuid_end(&chars, at) {
                Some(end) => (rest, at) = (rest + "u", end),
                None => {
                    rest.push(chars[at]);
                    at += 1;
                }
            }
        }
        rest
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn masking_a_masked_text_changes_nothing(text in text()) {
            let once = mask_phone_numbers(&text).into_owned();
            prop_assert_eq!(&*mask_phone_numbers(&once), &once);
        }

        #[test]
        fn seven_digits_in_a_row_never_remain(text in text()) {
            let masked = mask_phone_numbers(&text);
            let rest = without_uuids(&masked);
            let longest = rest.split(|c: char| !c.is_numeric()).map(|run| run.chars().count()).max();
            prop_assert!(longest < Some(DIGITS), "{} of {}", masked, text);
            prop_assert!(!holds_phone_number(&masked));
            prop_assert!(masked.chars().count() <= text.chars().count());
        }

        #[test]
        fn a_number_is_masked_in_any_surroundings(
            before in "[a-z:;,=\n]?[a-z .]{0,3}",
            number in "(\\+[0-9]{2}|0)[0-9]{1,3}[ ./-]?\\(?[0-9]{3}\\)?[ -]{0,2}[0-9]{3}",
            after in "[a-z,;\n]?[a-z ]{0,3}",
        ) {
            let text = format!("{before}{number}{after}");
            let digits = mask_phone_numbers(&text).chars().filter(|c| c.is_numeric()).count();
            prop_assert_eq!(digits, 0, "{} of {}", mask_phone_numbers(&text), text);
        }

        #[test]
        fn a_text_without_a_number_is_unchanged(text in "([0-9]{0,6}[a-z,:;\n]{1,3}){0,20}") {
            prop_assert!(matches!(mask_phone_numbers(&text), Cow::Borrowed(same) if same == text));
        }
    }
}
