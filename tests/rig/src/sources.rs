//! The product's own sources, for tests that read its routes and metrics from them.

use std::fs;
use std::path::Path;

/// Returns all Rust sources of a folder, without tests.
pub fn sources(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.map(|entry| entry.expect("an entry of an open folder is readable").path()) {
        if path.file_stem().is_some_and(|stem| stem == "tests" || stem == "fuzzing") {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            found.push(
                source.split("#[cfg(test)]\nmod tests {").next().expect("a split has at least one part").to_owned(),
            );
        }
    }
    found
}
