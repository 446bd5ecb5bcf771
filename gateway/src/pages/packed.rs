//! Static files packed once for the time that the process lives, as small as brotli gets them.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

/// Packing takes about a second of a core: once, on a thread of its own, and nobody waits for it.
const QUALITY: u32 = 11;
const WINDOW_BITS: u32 = 18;
const BUFFER_BYTES: usize = 16 * 1024;

/// Files by name, once they are packed.
pub(super) struct Packed {
    begun: AtomicBool,
    files: OnceLock<HashMap<String, Bytes>>,
}

impl Packed {
    pub(super) const fn new() -> Self {
        Self { begun: AtomicBool::new(false), files: OnceLock::new() }
    }

    /// Packs the files, if nobody has begun with it. Returns at once.
    pub(super) fn begin(&'static self, files: fn() -> Vec<(String, Vec<u8>)>) {
        if self.begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let pack_all = move || {
            let packed = files().into_iter().filter(|(name, _)| is_text(name));
            // Set once only, because only one thread ever begins.
            let _ = self.files.set(packed.map(|(name, bytes)| (name, pack(&bytes))).collect());
        };
        if let Err(reason) = std::thread::Builder::new().name("pack static files".into()).spawn(pack_all) {
            tracing::warn!(%reason, "static files stay unpacked; they are compressed for each answer instead");
        }
    }

    /// A file, if it is packed by now.
    pub(super) fn get(&self, name: &str) -> Option<Bytes> {
        self.files.get()?.get(name).cloned()
    }
}

/// Fonts and pictures are packed already.
fn is_text(name: &str) -> bool {
    [".js", ".css", ".svg"].iter().any(|ending| name.ends_with(ending))
}

fn pack(bytes: &[u8]) -> Bytes {
    let mut packed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut packed, BUFFER_BYTES, QUALITY, WINDOW_BITS);
    std::io::Write::write_all(&mut writer, bytes).expect("a Vec takes everything");
    drop(writer);
    packed.into()
}

/// A module without the lines that are only comment. Browsers don't read them, and they are a third of the way.
///
/// Line by line: a comment behind code stays, so that no string or pattern can be taken for one.
pub(super) fn without_comments(source: &[u8]) -> Vec<u8> {
    let mut code = Vec::with_capacity(source.len());
    let mut in_block = false;
    for line in source.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii();
        let opens = text.starts_with(b"/*") && (text.ends_with(b"*/") || !contains(text, b"*/"));
        if in_block || opens {
            in_block = !text.ends_with(b"*/");
        } else if !text.is_empty() && !text.starts_with(b"//") {
            code.extend_from_slice(line);
        }
    }
    code
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_of_comment_go_and_all_else_stays() {
        let source =
            "/** One.\n * two */\nconst a = \"// no\"; // kept\n  // gone\n\n/* x */ const b = 1;\n/* y */\nb();\n";
        let code = String::from_utf8(without_comments(source.as_bytes())).unwrap();
        assert_eq!(code, "const a = \"// no\"; // kept\n/* x */ const b = 1;\nb();\n");
    }

    #[test]
    fn what_is_packed_unpacks_to_the_same() {
        let text = "the same again and again, ".repeat(100);
        let mut back = Vec::new();
        brotli::BrotliDecompress(&mut pack(text.as_bytes()).as_ref(), &mut back).unwrap();
        assert_eq!(back, text.as_bytes());
    }
}
