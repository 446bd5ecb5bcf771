//! Lines of CSV (RFC 4180) that a spreadsheet opens without doing anything.

/// Writes a line.
pub(super) fn put_line<'a>(out: &mut String, cells: impl IntoIterator<Item = &'a str>) {
    for (n, cell) in cells.into_iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        put_cell(out, cell);
    }
    out.push_str("\r\n");
}

fn put_cell(out: &mut String, cell: &str) {
    // A spreadsheet would take it for a formula, also behind spaces, and run what somebody has typed for a name.
    let formula = cell.trim_start_matches(' ').starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let quoted = formula || cell.contains(['"', ',', '\r', '\n', ';', '\t']);
    if quoted {
        out.push('"');
    }
    if formula {
        out.push('\'');
    }
    for letter in cell.chars() {
        if letter == '"' {
            out.push('"');
        }
        out.push(letter);
    }
    if quoted {
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_no_cell_is_a_formula() {
        for (cell, written) in [
            ("ann", "ann"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"so\"", "\"say \"\"so\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("+44", "\"'+44\""),
            ("-2", "\"'-2\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("  =1", "\"'  =1\""),
            ("\t=1", "\"'\t=1\""),
            ("\r\n=1", "\"'\r\n=1\""),
            ("a=1", "a=1"),
        ] {
            let mut line = String::new();
            put_line(&mut line, [cell, "x"]);
            assert_eq!(line, format!("{written},x\r\n"), "{cell:?}");
        }
    }
}
