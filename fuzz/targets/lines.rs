//! Bodies in lines, which are read as they arrive.
//!
//! The first byte says how large the pieces are, the second how long a line may be.

use ringside_collector::webhook::{Limits, fuzzing};

pub(crate) fn run(data: &[u8]) {
    let [piece, longest, body @ ..] = data else { return };
    let limits = Limits { event_bytes: usize::from(*longest) * 8, ..Limits::default() };
    let whole = fuzzing::read_lines([body], &limits);
    assert_eq!(
        fuzzing::read_lines(body.chunks(usize::from(*piece).max(1)), &limits),
        whole,
        "it depends on the pieces"
    );

    let is_blank = |line: &&[u8]| line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii().is_empty();
    let lines = body.split(|byte| *byte == b'\n').filter(|line| line.len() > limits.event_bytes || !is_blank(line));
    let too_long: Vec<bool> = lines.map(|line| line.len() > limits.event_bytes).collect();
    let refused = whole.iter().map(|event| event.as_ref().is_err_and(|bad| bad.code == "too_large"));
    assert_eq!(refused.collect::<Vec<_>>(), too_long, "each line has one answer");
}
