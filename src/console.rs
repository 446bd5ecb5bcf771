//! What the process prints for the person who starts it.

use std::io::Write;

/// Prints lines to stdout.
pub(crate) fn print_lines(lines: &[String]) {
    let mut out = std::io::stdout();
    for line in lines {
        // A closed stdout has no reader.
        let _ = writeln!(out, "{line}");
    }
    let _ = out.flush();
}
