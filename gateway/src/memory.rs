//! How much memory this process has left. It is looked at once a second; from the red line on nobody new is let in, because
//! a gateway that is killed for its memory takes all its connections with it, and one that is red only those to come.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::observe;

/// From this part of the limit on it is red, in percent.
const RED_FROM: u64 = 85;
/// Below this part it is green again.
const GREEN_BELOW: u64 = 80;
const LOOK_EVERY: Duration = Duration::from_secs(1);
const MB: u64 = 1 << 20;

/// Says how many bytes of memory this process has, where that can be known.
pub type MemoryReading = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// What memory there is, and how much of it is taken.
pub(crate) struct Memory {
    limit: Option<u64>,
    read: MemoryReading,
    used: AtomicU64,
    short: AtomicBool,
}

impl Memory {
    /// With this limit, or the one that the system sets: that of the control group, else all memory there is.
    pub(crate) fn new(limit: Option<u64>, read: MemoryReading) -> Arc<Self> {
        let limit = limit.or_else(|| system_limit(Path::new("/")));
        Arc::new(Self { limit, read, used: AtomicU64::new(0), short: AtomicBool::new(false) })
    }

    /// Looks, until cancelled.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let looking = async {
            loop {
                self.look();
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        stop.run_until_cancelled(looking).await;
    }

    /// True where nobody new should be let in.
    pub(crate) fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    /// Why this gateway is not ready, if it is short of memory.
    pub(crate) fn trouble(&self) -> Option<String> {
        let limit = self.limit.filter(|_| self.is_short())?;
        Some(format!("memory is short: {} of {} MB are taken", self.used.load(Ordering::Relaxed) / MB, limit / MB))
    }

    fn look(&self) {
        let Some(used) = (self.read)() else { return };
        self.used.store(used, Ordering::Relaxed);
        observe::memory(used, self.limit);
        let Some(limit) = self.limit else { return };
        let was_short = self.is_short();
        let short = is_short(was_short, used, limit);
        self.short.store(short, Ordering::Relaxed);
        let (used_mb, limit_mb) = (used / MB, limit / MB);
        if short && !was_short {
            warn!(used_mb, limit_mb, "memory is short: new live connections are refused");
        } else if was_short && !short {
            info!(used_mb, limit_mb, "memory is no longer short");
        }
    }
}

/// Red from 85 %, and then until it is below 80 %: so it does not flicker at the line.
fn is_short(was_short: bool, used: u64, limit: u64) -> bool {
    let line = if was_short { GREEN_BELOW } else { RED_FROM };
    // Parts of a limit of bytes fit, but for somebody's joke of a limit.
    u128::from(used) * 100 >= u128::from(limit) * u128::from(line)
}

/// What this process has resident, where there is a `/proc`.
pub(crate) fn resident_bytes() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// What the system lets this process have.
fn system_limit(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let machine = fs::read_to_string(root.join("proc/meminfo")).ok();
    let machine = machine.and_then(|text| kilobytes(&text, "MemTotal:"));
    let mut limits: Vec<u64> = machine.into_iter().collect();
    for line in groups.lines() {
        // "0::/system.slice/ringside.service" in version 2, "7:memory:/docker/…" in version 1.
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (base, file) = match kinds {
            "" => ("sys/fs/cgroup", "memory.max"),
            kinds if kinds.split(',').any(|kind| kind == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        // Each group above may set less. In a container the path is the host's, and the group itself is at the base.
        let mut group = PathBuf::from(path.trim_start_matches('/'));
        loop {
            let text = fs::read_to_string(root.join(base).join(&group).join(file)).ok();
            limits.extend(text.and_then(|text| text.trim().parse::<u64>().ok()));
            if !group.pop() {
                break;
            }
        }
    }
    // "max", or a number beyond all memory, is no limit.
    limits.into_iter().min().filter(|limit| *limit > 0)
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_red_from_85_percent_until_it_is_below_80() {
        for (was_short, used, short) in [
            (false, 0, false),
            (false, 849, false),
            (false, 850, true),
            (true, 850, true),
            (true, 849, true),
            (true, 800, true),
            (true, 799, false),
            (false, 2_000, true),
        ] {
            assert_eq!(is_short(was_short, used, 1_000), short, "{used} of 1,000, red before: {was_short}");
        }
        assert!(is_short(false, u64::MAX, u64::MAX) && !is_short(false, u64::MAX / 2, u64::MAX));
    }

    #[test]
    fn the_limit_is_the_least_that_the_system_sets() {
        for (files, limit) in [
            (vec![], None),
            (vec![("proc/meminfo", "MemTotal:  2048 kB\nMemFree: 1 kB\n")], Some(2 * MB)),
            (
                vec![
                    ("proc/meminfo", "MemTotal:  2048 kB\n"),
                    ("proc/self/cgroup", "0::/system.slice/ringside.service\n"),
                    ("sys/fs/cgroup/system.slice/ringside.service/memory.max", "1000000\n"),
                    ("sys/fs/cgroup/system.slice/memory.max", "max\n"),
                ],
                Some(1_000_000),
            ),
            (
                vec![
                    ("proc/meminfo", "MemTotal:  2048 kB\n"),
                    ("proc/self/cgroup", "0::/system.slice/ringside.service\n"),
                    ("sys/fs/cgroup/system.slice/ringside.service/memory.max", "max\n"),
                    ("sys/fs/cgroup/system.slice/memory.max", "1500000\n"),
                ],
                Some(1_500_000),
            ),
            // A container that sees its own group only.
            (vec![("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "500000\n")], Some(500_000)),
            (
                vec![
                    ("proc/meminfo", "MemTotal:  2048 kB\n"),
                    ("proc/self/cgroup", "9:cpu,cpuacct:/docker/a\n8:hugetlb,memory:/docker/a\n0::/\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "700000\n"),
                ],
                Some(700_000),
            ),
            (
                vec![
                    ("proc/meminfo", "MemTotal:  2048 kB\n"),
                    ("proc/self/cgroup", "8:memory:/\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ],
                Some(2 * MB),
            ),
        ] {
            let root = tempfile::TempDir::new().unwrap();
            for (path, text) in &files {
                let path = root.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            assert_eq!(system_limit(root.path()), limit, "{files:?}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_some_memory_and_less_than_there_is() {
        let (used, limit) = (resident_bytes().unwrap(), system_limit(Path::new("/")).unwrap());
        assert!(used > MB && used < limit, "{used} of {limit}");
    }

    #[test]
    fn trouble_names_both_figures() {
        let used = Arc::new(AtomicU64::new(849 * MB));
        let reading = used.clone();
        let memory = Memory::new(Some(1_000 * MB), Arc::new(move || Some(reading.load(Ordering::Relaxed))));
        memory.look();
        assert_eq!(memory.trouble(), None);
        used.store(850 * MB, Ordering::Relaxed);
        memory.look();
        assert_eq!(memory.trouble().unwrap(), "memory is short: 850 of 1000 MB are taken");
        let unknown = Memory::new(Some(1), Arc::new(|| None));
        unknown.look();
        assert_eq!(unknown.trouble(), None, "what can't be known is no reason");
    }
}
