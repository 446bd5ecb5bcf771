//! Up to where writes were answered, in a file beside the store.
//!
//! A store that finds the end of its journal unreadable can't tell a write that a crash cut off from one that was
//! answered and got damaged since; it drops both without a word. So each write carries a number, and this file has the
//! highest one that was answered. A store that ends before it is damaged, and says so.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The numbers of the newest answered writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Marks {
    /// Of those with fsync: they survive the system.
    pub(super) synced: u64,
    /// Of all: they survive the process.
    pub(super) written: u64,
}

/// The file that has them.
#[derive(Debug)]
pub(super) struct Acknowledged(File);

impl Acknowledged {
    /// Opens the file; the marks are those of the last session, or none where it has no such file.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Marks)> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = [0; 16];
        let marks = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => {
                let bits = u128::from_le_bytes(bytes);
                Marks { synced: bits as u64, written: (bits >> 64) as u64 }
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Marks::default(),
            Err(e) => return Err(e),
        };
        Ok((Self(file), marks))
    }

    /// Notes the marks. Not synced itself: on disk it may be late, but it is never ahead of `synced`.
    pub(super) fn note(&self, marks: Marks) -> io::Result<()> {
        let bits = u128::from(marks.synced) | u128::from(marks.written) << 64;
        // Sixteen bytes at the start of a file are in one sector, which is written whole.
        self.0.write_all_at(&bits.to_le_bytes(), 0)
    }
}
