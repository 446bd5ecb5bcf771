//! The number of the newest acknowledged write, in a file beside the store.
//!
//! A store with an unreadable journal tail can't tell a write that a crash cut off from an acknowledged one that was
//! damaged later; it silently drops both. So each write carries a number, and this file has the highest acknowledged
//! one. A store that ends before it is reported as damaged.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The numbers of the newest acknowledged writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Marks {
    /// The newest with fsync: it survives a crash of the machine.
    pub(super) synced: u64,
    /// The newest of all: it survives a crash of the process.
    pub(super) written: u64,
}

/// The file that holds the marks.
#[derive(Debug)]
pub(super) struct Acknowledged(File);

impl Acknowledged {
    /// Opens the file.
    ///
    /// Returns the marks of the last session, or zeros if there is no file.
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

    /// Writes the marks, without fsync.
    ///
    /// On disk they may lag, but are never ahead of `synced`.
    pub(super) fn write(&self, marks: Marks) -> io::Result<()> {
        let bits = u128::from(marks.synced) | u128::from(marks.written) << 64;
        // Sixteen bytes at the start of a file are in one sector, which is written atomically.
        self.0.write_all_at(&bits.to_le_bytes(), 0)
    }
}
