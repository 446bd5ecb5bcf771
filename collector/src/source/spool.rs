//! The spool: a source's events on disk while the engine is unavailable.
//!
//! ```text
//! {data}/spool/{slot}/lock                       locked by the process that writes here, released when it dies
//! {data}/spool/{slot}/{tenant}@{source}/{n}.log  segments: one event per line, oldest segment first
//! ```
//!
//! A line is written with one call, and from then on survives the death of the process. A segment is removed once all
//! its events are delivered. Above the limit the oldest segment is dropped, because the newest events show the
//! current state. After a crash the lines of a segment may be delivered again; their ids make that harmless. A torn
//! last line is cut.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use ringside_intake::IncomingEvent;
use ringside_model::{Event, SourceId, TenantId};
use ringside_wire::Record;
use tracing::{error, info, warn};

/// The segments that the limit is divided into: one is dropped at a time.
const SEGMENTS: u64 = 8;
/// The most processes that may share a data folder.
const SLOTS: u32 = 64;
/// The bytes read at once, far more than an event has.
const READ_BYTES: u64 = 1 << 20;

/// The spools of a process.
///
/// Nothing is created on disk until an event has to be kept.
#[derive(Debug, Clone)]
pub struct Spools(Option<Arc<SpoolFolder>>);

#[derive(Debug)]
struct SpoolFolder {
    path: PathBuf,
    limit_bytes: u64,
    /// Held to create and lock a folder, never across an await.
    slot: Mutex<Option<Slot>>,
}

#[derive(Debug)]
struct Slot {
    path: PathBuf,
    /// Locked while this process lives.
    _lock: File,
}

impl Spools {
    /// Opens the spools in a data folder, with a limit for each source.
    ///
    /// Adopts the spools of dead processes.
    pub fn open(data: &Path, limit_bytes: u64) -> io::Result<Self> {
        let folder = SpoolFolder { path: data.join("spool"), limit_bytes, slot: Mutex::new(None) };
        if folder.path.exists() {
            folder.slot()?;
        }
        Ok(Self(Some(Arc::new(folder))))
    }

    /// Returns no spools, for an engine in this process: it can't be unavailable.
    pub fn none() -> Self {
        Self(None)
    }

    /// Returns a source's spool, with the events of an earlier run.
    pub(super) fn of(&self, tenant: &TenantId, source: &SourceId) -> Option<Spool> {
        let folder = self.0.clone()?;
        let mut spool = Spool {
            tenant: tenant.clone(),
            source: source.clone(),
            folder,
            segments: VecDeque::new(),
            writing: None,
            next_number: 1,
            read: Progress::default(),
        };
        if let Err(error) = spool.load() {
            error!(source.id = %source, %error, "spool unreadable; left on disk");
        }
        Some(spool)
    }
}

impl SpoolFolder {
    /// Returns the folder of this process, which the first call creates and locks.
    fn slot(&self) -> io::Result<PathBuf> {
        let mut slot = self.slot.lock();
        if let Some(slot) = &*slot {
            return Ok(slot.path.clone());
        }
        for number in 0..SLOTS {
            let path = self.path.join(number.to_string());
            fs::create_dir_all(&path)?;
            let Some(lock) = lock(&path)? else { continue };
            self.adopt_dead(&path)?;
            *slot = Some(Slot { path: path.clone(), _lock: lock });
            return Ok(path);
        }
        Err(io::Error::other(format!("{SLOTS} processes spool to {} already", self.path.display())))
    }

    /// Moves the segments of dead processes to this one's folder.
    fn adopt_dead(&self, own: &Path) -> io::Result<()> {
        for other in sorted(&self.path)?.into_iter().filter(|other| other != own) {
            let Some(_lock) = lock(&other)? else { continue };
            for source in sorted(&other)?.into_iter().filter(|source| source.is_dir()) {
                let segments = sorted(&source)?;
                let to = own.join(source.file_name().expect("a listed path ends in a name"));
                fs::create_dir_all(&to)?;
                let first = sorted(&to)?.last().and_then(|last| number_of(last)).map_or(1, |number| number + 1);
                for (number, segment) in (first..).zip(segments) {
                    info!(path = %segment.display(), "spool segment of a dead process adopted");
                    fs::rename(&segment, segment_in(&to, number))?;
                }
            }
        }
        Ok(())
    }
}

/// The waiting events of a source on disk.
#[derive(Debug)]
pub(super) struct Spool {
    folder: Arc<SpoolFolder>,
    tenant: TenantId,
    source: SourceId,
    /// Oldest first.
    segments: VecDeque<Segment>,
    /// The newest segment, if this run has begun it.
    writing: Option<File>,
    next_number: u64,
    /// How far the first segment is delivered.
    read: Progress,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    bytes: u64,
    lines: u64,
}

/// A count of delivered bytes and lines of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    bytes: u64,
    lines: u64,
}

impl Spool {
    /// Returns the number of waiting events.
    pub(super) fn waiting(&self) -> u64 {
        self.segments.iter().map(|segment| segment.lines).sum::<u64>() - self.read.lines
    }

    /// Appends events and returns the number of old ones dropped.
    ///
    /// On an error none is written.
    pub(super) fn append<'a>(&mut self, events: impl Iterator<Item = &'a IncomingEvent>) -> io::Result<u64> {
        let (mut text, mut lines) = (Vec::new(), 0);
        for IncomingEvent { id, at, kind } in events {
            let (tenant, source) = (self.tenant.clone(), self.source.clone());
            let event = Event { tenant, source, id: id.clone(), at: *at, received_at: *at, kind: kind.clone() };
            text.extend_from_slice(&Record::Event(event).encode());
            text.push(b'\n');
            lines += 1;
        }
        if lines == 0 {
            return Ok(0);
        }
        let mut file = match self.writing.take() {
            Some(file) if self.segments.back().is_some_and(|s| s.bytes < self.segment_bytes()) => file,
            Some(_) | None => self.new_segment()?,
        };
        let segment = self.segments.back_mut().expect("an open file belongs to the newest segment");
        if let Err(error) = file.write_all(&text) {
            // Half a line would make the next one unreadable.
            file.set_len(segment.bytes)?;
            self.writing = Some(file);
            return Err(error);
        }
        segment.bytes += text.len() as u64;
        segment.lines += lines;
        self.writing = Some(file);
        metrics::counter!("ringside_source_spooled_total").increment(lines);
        Ok(self.enforce_limit())
    }

    /// Returns at most `most` of the oldest events, for [`Spool::delivered`].
    pub(super) fn oldest(&mut self, most: usize) -> io::Result<(Vec<IncomingEvent>, Progress)> {
        let Some(segment) = self.segments.front() else { return Ok((Vec::new(), Progress::default())) };
        let mut file = File::open(&segment.path)?;
        file.seek(SeekFrom::Start(self.read.bytes))?;
        let mut text = Vec::new();
        file.take((segment.bytes - self.read.bytes).min(READ_BYTES)).read_to_end(&mut text)?;
        let (mut events, mut progress) = (Vec::new(), Progress::default());
        for line in text.split_inclusive(|byte| *byte == b'\n').take(most) {
            let Some(line) = line.strip_suffix(b"\n") else { break };
            progress = Progress { bytes: progress.bytes + line.len() as u64 + 1, lines: progress.lines + 1 };
            match Record::decode(line) {
                Ok(Record::Event(event)) => events.push(IncomingEvent { id: event.id, at: event.at, kind: event.kind }),
                Ok(Record::Tick(_)) | Err(_) => {
                    metrics::counter!("ringside_source_dropped_total").increment(1);
                    warn!(source.id = %self.source, "spooled event unreadable; dropped");
                }
            }
        }
        Ok((events, progress))
    }

    /// Records that the events of [`Spool::oldest`] are durable in the log.
    pub(super) fn delivered(&mut self, progress: Progress) {
        self.read = Progress { bytes: self.read.bytes + progress.bytes, lines: self.read.lines + progress.lines };
        if self.segments.front().is_some_and(|segment| segment.bytes <= self.read.bytes) {
            self.remove_first();
        }
    }

    /// Drops the oldest segment and returns the number of its undelivered events.
    pub(super) fn drop_oldest_segment(&mut self) -> u64 {
        let lost = self.segments.front().map_or(0, |segment| segment.lines - self.read.lines);
        self.remove_first();
        lost
    }

    fn segment_bytes(&self) -> u64 {
        self.folder.limit_bytes / SEGMENTS
    }

    fn source_folder(&self, slot: &Path) -> PathBuf {
        slot.join(format!("{}@{}", self.tenant, self.source))
    }

    fn new_segment(&mut self) -> io::Result<File> {
        let folder = self.source_folder(&self.folder.slot()?);
        fs::create_dir_all(&folder)?;
        if self.next_number == 1 {
            // The slot may have just become ours, with segments of a dead process.
            self.load()?;
        }
        let path = segment_in(&folder, self.next_number);
        let file = OpenOptions::new().create_new(true).append(true).open(&path)?;
        self.next_number += 1;
        self.segments.push_back(Segment { path, bytes: 0, lines: 0 });
        Ok(file)
    }

    /// Loads the segments of an earlier run, and cuts a torn last line.
    fn load(&mut self) -> io::Result<()> {
        if !self.folder.path.exists() {
            return Ok(());
        }
        let folder = self.source_folder(&self.folder.slot()?);
        if !folder.exists() {
            return Ok(());
        }
        for path in sorted(&folder)? {
            let Some(number) = number_of(&path) else { continue };
            let text = fs::read(&path)?;
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            if whole < text.len() {
                OpenOptions::new().write(true).open(&path)?.set_len(whole as u64)?;
            }
            let lines = text[..whole].iter().filter(|byte| **byte == b'\n').count() as u64;
            self.next_number = self.next_number.max(number + 1);
            if lines == 0 {
                fs::remove_file(&path)?;
            } else {
                self.segments.push_back(Segment { path, bytes: whole as u64, lines });
            }
        }
        if self.waiting() > 0 {
            info!(source.id = %self.source, events = self.waiting(), "spooled events of an earlier run found");
        }
        self.enforce_limit();
        Ok(())
    }

    fn enforce_limit(&mut self) -> u64 {
        let mut dropped = 0;
        while self.segments.len() > 1
            && self.segments.iter().map(|segment| segment.bytes).sum::<u64>() > self.folder.limit_bytes
        {
            dropped += self.drop_oldest_segment();
        }
        dropped
    }

    fn remove_first(&mut self) {
        let Some(segment) = self.segments.pop_front() else { return };
        self.read = Progress::default();
        if self.segments.is_empty() {
            self.writing = None;
        }
        if let Err(error) = fs::remove_file(&segment.path) {
            warn!(path = %segment.path.display(), %error, "spool segment not removed; it may be delivered again");
        }
    }
}

/// Locks a folder; `None` if another process has the lock.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn segment_in(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.log"))
}

fn number_of(segment: &Path) -> Option<u64> {
    segment.file_stem()?.to_str()?.parse().ok()
}
