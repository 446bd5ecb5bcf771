//! What a load client reads of a frame: its type and two or three numbers, found without parsing the rest.

use memchr::memmem;

/// A frame, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// The room's beginning: the client is there.
    Initial,
    /// A frame of the load run, the `seq`th of its room, posted at `posted_us` of the bench's clock.
    Bench { seq: u64, posted_us: u64 },
    /// Events that the frame announces as skipped.
    Skipped(u64),
    /// All that is missing is told to be.
    Reset,
    /// The server says what is wrong.
    Error(String),
    /// Something else.
    Other,
}

/// What every frame begins with.
pub(super) const HEAD: &[u8] = br#"{"type":""#;

/// Looks at a frame.
pub(super) fn look(frame: &[u8]) -> Sight {
    let Some(rest) = frame.strip_prefix(HEAD) else { return Sight::Other };
    let kind = &rest[..memchr::memchr(b'"', rest).unwrap_or(0)];
    match kind {
        b"bench" => match (number(rest, br#""seq":"#), number(rest, br#""t":"#)) {
            (Some(seq), Some(posted_us)) => Sight::Bench { seq, posted_us },
            // Of another run.
            _ => Sight::Other,
        },
        b"initial" => Sight::Initial,
        b"skipped" => Sight::Skipped(number(rest, br#""count":"#).unwrap_or(0)),
        b"reset" => Sight::Reset,
        b"error" => Sight::Error(String::from_utf8_lossy(frame).into_owned()),
        _ => Sight::Other,
    }
}

/// The digits after a marker.
fn number(text: &[u8], marker: &[u8]) -> Option<u64> {
    let digits = &text[memmem::find(text, marker)? + marker.len()..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_frame_are_found_and_the_rest_is_not_looked_at() {
        let at = r#""room":"bench:3","cursor":"a:4","timestamp":"2026-11-20T12:00:00.000Z""#;
        let frame = format!(r#"{{"type":"bench",{at},"t":17,"seq":3,"pad":"xx"}}"#);
        assert_eq!(look(frame.as_bytes()), Sight::Bench { seq: 3, posted_us: 17 });
        assert_eq!(look(format!(r#"{{"type":"initial",{at}}}"#).as_bytes()), Sight::Initial);
        assert_eq!(look(br#"{"type":"skipped","room":"bench:3","timestamp":"x","count":120}"#), Sight::Skipped(120));
        assert_eq!(look(br#"{"type":"reset","room":"bench:3"}"#), Sight::Reset);
        assert!(matches!(look(br#"{"type":"error","code":"x"}"#), Sight::Error(_)));
        for other in ["", "{", r#"{"type":"#, r#"{"type":"bench"}"#, r#"{"type":"subscribed"}"#] {
            assert_eq!(look(other.as_bytes()), Sight::Other, "{other}");
        }
    }
}
