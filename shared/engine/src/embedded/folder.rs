//! The data folder: its lock, its format, and how the last session ended.
//!
//! ```text
//! lock           locked while a process uses the folder; contains the id of that process
//! format         the version of the layout and the number of partitions, fixed at creation
//! session        the boot id and the lock file of the last session, and whether it was closed
//! acknowledged   the number of the newest acknowledged write (see `acknowledged.rs`)
//! creating       exists only while a new folder is being created
//! store/         the store itself
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The format that this version reads and writes.
const FORMAT: u32 = 1;

/// Why a data folder can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder can't be created, read or written.
    #[error(
        "{} can't be used as the data folder: {source}; name another one, or give this user the right to write there",
        folder.display()
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Another process, or another engine in this one, uses the folder.
    #[error(
        "{} is in use by process {holder}; stop that one first, or name another data folder",
        folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The id of the process that uses it.
        holder: String,
    },
    /// The folder was created with another number of partitions.
    #[error(
        "{} has {actual} partitions and {wanted} are configured; the number is fixed when a folder is created: \
         set it to {actual}, or begin with an empty folder",
        folder.display()
    )]
    Partitions {
        /// The folder.
        folder: PathBuf,
        /// Its number of partitions.
        actual: u16,
        /// The configured number.
        wanted: u16,
    },
    /// No partition was configured.
    #[error("an installation needs at least one partition; leave the setting out to get 64")]
    NoPartitions,
    /// Stored data can't be read, or some of it is missing.
    #[error(
        "the data in {} is damaged: {detail}; restore it from a backup, or move the folder away to begin with an \
         empty one",
        folder.display()
    )]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// The damage.
        detail: String,
    },
    /// A newer version wrote the folder.
    #[error(
        "{} was written by a newer version (format {actual}, this one reads up to {FORMAT}); start that version",
        folder.display()
    )]
    Newer {
        /// The folder.
        folder: PathBuf,
        /// Its format.
        actual: u32,
    },
}

/// A data folder that is locked by this process.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
}

/// How the last session in a folder ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It was closed properly.
    Closed,
    /// Its process died but the machine has been up since: everything written is there.
    Killed,
    /// The machine crashed: writes without fsync may be missing.
    Lost,
    /// The folder is a copy, such as a restored backup, of any moment.
    Elsewhere,
}

impl Folder {
    /// Locks the folder, and creates it if there is none.
    pub(super) fn claim(path: &Path) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::Folder { folder: path.to_owned(), source };
        // Only the owner may read it: it holds signing keys and password hashes.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path.join("lock"));
        let mut lock = lock.map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                lock.read_to_string(&mut holder).map_err(unusable)?;
                let holder = if holder.is_empty() { "unknown".to_owned() } else { holder.trim().to_owned() };
                return Err(OpenError::InUse { folder: path.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        lock.set_len(0).map_err(unusable)?;
        writeln!(lock, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Checks the format, or begins to create an empty folder; true if it is new.
    pub(super) fn check_format(&self, partitions: u16) -> Result<bool, OpenError> {
        if self.file("creating").exists() {
            // An interrupted creation: no write to it was ever acknowledged.
            let _ = fs::remove_file(self.file("format"));
            if self.store().exists() {
                fs::remove_dir_all(self.store()).map_err(|e| self.unusable(e))?;
            }
        }
        let text = match fs::read_to_string(self.file("format")) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound && !self.store().exists() => {
                self.write("creating", "")?;
                self.write("format", &format!("format = {FORMAT}\npartitions = {partitions}\n"))?;
                return Ok(true);
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
                return Err(self.damaged("its file `format` is missing or unreadable"));
            }
            Err(e) => return Err(self.unusable(e)),
        };
        let number = |name| value(&text, name).and_then(|v| v.parse::<u32>().ok());
        let (Some(format), Some(actual)) = (number("format"), number("partitions")) else {
            return Err(self.damaged("its file `format` lacks the format or the number of partitions"));
        };
        if format > FORMAT {
            return Err(OpenError::Newer { folder: self.path.clone(), actual: format });
        }
        let actual = u16::try_from(actual).map_err(|_| self.damaged("its file `format` names too many partitions"))?;
        if actual != partitions {
            return Err(OpenError::Partitions { folder: self.path.clone(), actual, wanted: partitions });
        }
        Ok(false)
    }

    /// Marks a new folder as complete.
    pub(super) fn finish_creation(&self) -> Result<(), OpenError> {
        fs::remove_file(self.file("creating")).map_err(|e| self.unusable(e))?;
        self.sync()
    }

    /// Returns how the last session ended.
    pub(super) fn last_ending(&self) -> Ending {
        let text = fs::read_to_string(self.file("session")).unwrap_or_default();
        // A copy has a lock file of its own.
        if value(&text, "lock").is_some_and(|lock| lock != self.lock_id()) {
            return Ending::Elsewhere;
        }
        match (value(&text, "closed"), value(&text, "boot")) {
            (Some("true"), _) => Ending::Closed,
            (_, Some(boot)) if !boot.is_empty() && boot == boot_id() => Ending::Killed,
            _ => Ending::Lost,
        }
    }

    /// Records that a session is running, or that it was closed.
    pub(super) fn write_session(&self, closed: bool) -> Result<(), OpenError> {
        let (boot, lock) = (boot_id(), self.lock_id());
        self.write("session", &format!("boot = {boot}\nlock = {lock}\nclosed = {closed}\n"))
    }

    /// Returns the path of the store.
    pub(super) fn store(&self) -> PathBuf {
        self.file("store")
    }

    /// Returns the path of a file in the folder.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn unusable(&self, source: io::Error) -> OpenError {
        OpenError::Folder { folder: self.path.clone(), source }
    }

    pub(super) fn damaged(&self, detail: impl Into<String>) -> OpenError {
        OpenError::Damaged { folder: self.path.clone(), detail: detail.into() }
    }

    /// Identifies this lock file.
    ///
    /// Inode numbers are reused, so the creation time counts too, if the file system has it.
    fn lock_id(&self) -> String {
        let Ok(metadata) = self.lock.metadata() else { return String::new() };
        let created = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        format!("{}-{}", metadata.ino(), created.as_nanos())
    }

    /// Replaces a small file atomically, with fsync.
    fn write(&self, name: &str, text: &str) -> Result<(), OpenError> {
        let fresh = self.file(&format!("{name}.new"));
        let write = || {
            let mut file = File::create(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, self.file(name))
        };
        write().map_err(|e| self.unusable(e))?;
        self.sync()
    }

    fn sync(&self) -> Result<(), OpenError> {
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(|e| self.unusable(e))
    }
}

/// Unlocks the folder at once.
///
/// Closing the file would not: a child process that is being started may hold a copy of the descriptor for a moment.
impl Drop for Folder {
    fn drop(&mut self) {
        // A lock that can't be released ends with the process.
        let _ = self.lock.unlock();
    }
}

/// Returns the value of `name = value` in a text of such lines.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('=')).map(str::trim)
}

/// Returns the boot id of the kernel; empty if it has none.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
