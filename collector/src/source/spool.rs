//! Events on disk, for sources that can't ask for them again, while the engine is away.
//!
//! ```text
//! {data}/spool/{slot}/lock                       which process writes here; the system frees it when that one dies
//! {data}/spool/{slot}/{tenant}@{source}/{n}.log  segments: one event a line, oldest segment first
//! ```
//!
//! A line is written with one call and survives the death of the process from then on. A segment goes when all of it
//! was delivered, or, above the bound, with what it still has: the newest say how things are now. After a crash a
//! segment's lines may come again from its beginning; their ids make that harmless. A last line that has no end is cut.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ringside_intake::IncomingEvent;
use ringside_model::{Event, SourceId, TenantId};
use ringside_wire::Record;
use tracing::{error, info, warn};

/// The bound is kept by dropping one of so many parts.
const SEGMENTS: u64 = 8;
/// Processes that share a data folder at most.
const SLOTS: u32 = 64;
/// Read at once; no event comes near.
const READ_BYTES: u64 = 1 << 20;

/// Where a process spools. Nothing is made on disk until there is something to keep.
#[derive(Debug, Clone)]
pub struct Spools(Option<Arc<Place>>);

#[derive(Debug)]
struct Place {
    folder: PathBuf,
    limit_bytes: u64,
    /// Held for making a folder, never across an await.
    slot: Mutex<Option<Slot>>,
}

#[derive(Debug)]
struct Slot {
    folder: PathBuf,
    /// Locked for as long as this process lives.
    _lock: File,
}

impl Spools {
    /// Under a data folder, with so many bytes for each source. Takes over what processes that are gone left there.
    pub fn open(data: &Path, limit_bytes: u64) -> io::Result<Self> {
        let place = Place { folder: data.join("spool"), limit_bytes, slot: Mutex::new(None) };
        if place.folder.exists() {
            place.slot()?;
        }
        Ok(Self(Some(Arc::new(place))))
    }

    /// Nowhere: where the engine is in this process, it is not away.
    pub fn none() -> Self {
        Self(None)
    }

    /// A source's spool, with what an earlier life left in it.
    pub(super) fn of(&self, tenant: &TenantId, source: &SourceId) -> Option<Spool> {
        let place = self.0.clone()?;
        let mut spool = Spool {
            tenant: tenant.clone(),
            source: source.clone(),
            place,
            segments: VecDeque::new(),
            writing: None,
            next_number: 1,
            read: Mark::default(),
        };
        if let Err(reason) = spool.load() {
            error!(source.id = %source, %reason, "what was spooled can't be read; it is left where it is");
        }
        Some(spool)
    }
}

impl Place {
    /// The folder of this process, made and locked when it is first asked for.
    fn slot(&self) -> io::Result<PathBuf> {
        let mut slot = self.slot.lock().expect("nobody panics while making a folder");
        if let Some(slot) = &*slot {
            return Ok(slot.folder.clone());
        }
        for number in 0..SLOTS {
            let folder = self.folder.join(number.to_string());
            fs::create_dir_all(&folder)?;
            let Some(lock) = lock(&folder)? else { continue };
            self.inherit(&folder)?;
            *slot = Some(Slot { folder: folder.clone(), _lock: lock });
            return Ok(folder);
        }
        Err(io::Error::other(format!("{SLOTS} processes spool to {} already", self.folder.display())))
    }

    /// Moves what processes that are gone have left into this one's folder.
    fn inherit(&self, own: &Path) -> io::Result<()> {
        for other in sorted(&self.folder)?.into_iter().filter(|other| other != own) {
            let Some(_lock) = lock(&other)? else { continue };
            for source in sorted(&other)?.into_iter().filter(|source| source.is_dir()) {
                let segments = sorted(&source)?;
                let to = own.join(source.file_name().expect("it was listed by its name"));
                fs::create_dir_all(&to)?;
                let first = sorted(&to)?.last().and_then(|last| number_of(last)).map_or(1, |number| number + 1);
                for (number, segment) in (first..).zip(segments) {
                    info!(path = %segment.display(), "takes over what a process that is gone has spooled");
                    fs::rename(&segment, segment_in(&to, number))?;
                }
            }
        }
        Ok(())
    }
}

/// The events of one source that wait on disk.
#[derive(Debug)]
pub(super) struct Spool {
    place: Arc<Place>,
    tenant: TenantId,
    source: SourceId,
    /// Oldest first.
    segments: VecDeque<Segment>,
    /// The newest segment, while it is this life's.
    writing: Option<File>,
    next_number: u64,
    /// The first segment was delivered up to here.
    read: Mark,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    bytes: u64,
    lines: u64,
}

/// A piece of a segment, or how far one was delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    bytes: u64,
    lines: u64,
}

impl Spool {
    /// Events that wait.
    pub(super) fn waiting(&self) -> u64 {
        self.segments.iter().map(|segment| segment.lines).sum::<u64>() - self.read.lines
    }

    /// Writes events behind those that wait; returns how many old ones had to go. On an error none is written.
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
        let segment = self.segments.back_mut().expect("the one that is written to");
        if let Err(error) = file.write_all(&text) {
            // Half a line would spoil the next one.
            file.set_len(segment.bytes)?;
            self.writing = Some(file);
            return Err(error);
        }
        segment.bytes += text.len() as u64;
        segment.lines += lines;
        self.writing = Some(file);
        metrics::counter!("ringside_source_spooled_total").increment(lines);
        Ok(self.keep_bound())
    }

    /// The oldest events that wait, at most so many, and what to call [`Spool::delivered`] with once they are.
    pub(super) fn oldest(&mut self, most: usize) -> io::Result<(Vec<IncomingEvent>, Mark)> {
        let Some(segment) = self.segments.front() else { return Ok((Vec::new(), Mark::default())) };
        let mut file = File::open(&segment.path)?;
        file.seek(SeekFrom::Start(self.read.bytes))?;
        let mut text = Vec::new();
        file.take((segment.bytes - self.read.bytes).min(READ_BYTES)).read_to_end(&mut text)?;
        let (mut events, mut mark) = (Vec::new(), Mark::default());
        for line in text.split_inclusive(|byte| *byte == b'\n').take(most) {
            let Some(line) = line.strip_suffix(b"\n") else { break };
            mark = Mark { bytes: mark.bytes + line.len() as u64 + 1, lines: mark.lines + 1 };
            match Record::decode(line) {
                Ok(Record::Event(event)) => events.push(IncomingEvent { id: event.id, at: event.at, kind: event.kind }),
                Ok(Record::Tick(_)) | Err(_) => {
                    metrics::counter!("ringside_source_dropped_total").increment(1);
                    warn!(source.id = %self.source, "a spooled event can't be read; it is left out");
                }
            }
        }
        Ok((events, mark))
    }

    /// What [`Spool::oldest`] gave is durable elsewhere.
    pub(super) fn delivered(&mut self, mark: Mark) {
        self.read = Mark { bytes: self.read.bytes + mark.bytes, lines: self.read.lines + mark.lines };
        if self.segments.front().is_some_and(|segment| segment.bytes <= self.read.bytes) {
            self.remove_first();
        }
    }

    /// Gives up on the oldest segment, which can't be read; returns how many events that were.
    pub(super) fn give_up_oldest(&mut self) -> u64 {
        let lost = self.segments.front().map_or(0, |segment| segment.lines - self.read.lines);
        self.remove_first();
        lost
    }

    fn segment_bytes(&self) -> u64 {
        self.place.limit_bytes / SEGMENTS
    }

    fn folder(&self, slot: &Path) -> PathBuf {
        slot.join(format!("{}@{}", self.tenant, self.source))
    }

    fn new_segment(&mut self) -> io::Result<File> {
        let folder = self.folder(&self.place.slot()?);
        fs::create_dir_all(&folder)?;
        if self.next_number == 1 {
            // The slot may just have become ours, with what a process that is gone has left in it.
            self.load()?;
        }
        let path = segment_in(&folder, self.next_number);
        let file = OpenOptions::new().create_new(true).append(true).open(&path)?;
        self.next_number += 1;
        self.segments.push_back(Segment { path, bytes: 0, lines: 0 });
        Ok(file)
    }

    /// Finds what an earlier life left, and cuts a line that it did not finish.
    fn load(&mut self) -> io::Result<()> {
        if !self.place.folder.exists() {
            return Ok(());
        }
        let folder = self.folder(&self.place.slot()?);
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
            info!(source.id = %self.source, events = self.waiting(), "events of an earlier life are spooled");
        }
        self.keep_bound();
        Ok(())
    }

    fn keep_bound(&mut self) -> u64 {
        let mut dropped = 0;
        while self.segments.len() > 1
            && self.segments.iter().map(|segment| segment.bytes).sum::<u64>() > self.place.limit_bytes
        {
            dropped += self.give_up_oldest();
        }
        dropped
    }

    fn remove_first(&mut self) {
        let Some(segment) = self.segments.pop_front() else { return };
        self.read = Mark::default();
        if self.segments.is_empty() {
            self.writing = None;
        }
        if let Err(reason) = fs::remove_file(&segment.path) {
            warn!(path = %segment.path.display(), %reason, "could not remove what was spooled; it may be sent again");
        }
    }
}

/// The folder's lock, unless another process has it.
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
