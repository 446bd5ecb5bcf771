//! The host source: CPU, memory, disks and network of this machine as metrics.
//!
//! ```text
//! sysinfo, on a blocking thread, each interval ─ metric events ─▶ Feed ─▶ intake
//! ```
//!
//! A rate needs two samples, so the first one is discarded.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ringside_intake::{IncomingEvent, Intake};
use ringside_model::{EventId, EventKind, MetricSample, SourceId, TenantId, Timestamp};
use sysinfo::{CpuRefreshKind, Disks, MemoryRefreshKind, Networks, Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio_util::sync::CancellationToken;

use super::{Feed, SourceError, Spools};

/// The events kept in memory while the intake fails: some minutes of samples.
const QUEUE_EVENTS: usize = 5_000;

/// The disks are read once in this many samples: they fill slowly and cost most.
const DISKS_EVERY: u64 = 10;

/// File systems in memory or on another machine, which are not disks of this one.
const IGNORED_FILE_SYSTEMS: [&str; 12] = [
    "tmpfs",
    "devtmpfs",
    "overlay",
    "squashfs",
    "proc",
    "sysfs",
    "cgroup2",
    "ramfs",
    "nfs",
    "nfs4",
    "cifs",
    "fuse.sshfs",
];

/// The settings of the host source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// The tenant of the metrics.
    pub tenant: TenantId,
    /// The source's id.
    pub source: SourceId,
    /// The sampling interval in milliseconds.
    pub interval_ms: u64,
}

/// Samples this machine until `shutdown`.
pub async fn run(
    cfg: HostConfig,
    intake: Intake,
    spools: Spools,
    shutdown: CancellationToken,
) -> Result<(), SourceError> {
    if !(100..=3_600_000).contains(&cfg.interval_ms) {
        return Err(SourceError::BadConfig {
            source_id: cfg.source.to_string(),
            detail: format!("the metric interval is {} ms; it must be 100 ms to an hour", cfg.interval_ms),
        });
    }
    let mut feed = Feed::new(intake.clone(), cfg.tenant, cfg.source.clone(), QUEUE_EVENTS, &spools);
    let mut sampler = Sampler::new(intake.now()).map_err(|error| SourceError::BadConfig {
        source_id: cfg.source.to_string(),
        detail: format!("this platform has no host metrics: {error}"),
    })?;
    let mut interval = tokio::time::interval(Duration::from_millis(cfg.interval_ms));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    interval.tick().await;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = interval.tick() => {}
        }
        let at = intake.now();
        // Reading /proc is quick, but statvfs on a failing disk may block, which must not stall the runtime.
        let sampled = tokio::task::spawn_blocking(move || {
            let events = sampler.sample(at);
            (sampler, events)
        });
        let events = match sampled.await {
            Ok((returned, events)) => {
                sampler = returned;
                events
            }
            Err(error) => {
                return Err(SourceError::Died { source_id: cfg.source.to_string(), detail: error.to_string() });
            }
        };
        feed.push(events);
        feed.flush().await;
    }
    feed.flush().await;
    Ok(())
}

/// Samples the machine.
struct Sampler {
    system: System,
    /// `None` if the platform doesn't report them. Their metrics are left out then.
    disks: Option<Disks>,
    /// `None` if the platform doesn't report them.
    networks: Option<Networks>,
    own: Option<Pid>,
    host: Box<str>,
    run: String,
    count: u64,
    last: Instant,
}

impl Sampler {
    fn new(at: Timestamp) -> Result<Self, sysinfo::Error> {
        let name = System::host_name().unwrap_or_default();
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        let host = if name.is_empty() { "localhost".to_owned() } else { name };
        let mut sampler = Self {
            system: System::new()?,
            disks: Disks::new_with_refreshed_list().ok(),
            networks: Networks::new_with_refreshed_list().ok(),
            own: sysinfo::get_current_pid().ok(),
            run: format!("{host}-{}", at.millis()),
            host: host.into(),
            count: 0,
            last: Instant::now(),
        };
        // The first reading of a rate is the average since boot.
        sampler.system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_usage());
        Ok(sampler)
    }

    fn sample(&mut self, at: Timestamp) -> Vec<IncomingEvent> {
        let elapsed_s = self.last.elapsed().as_secs_f64().max(0.001);
        self.last = Instant::now();
        self.system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_usage());
        self.system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        if let Some(disks) = self.disks.as_mut().filter(|_| self.count.is_multiple_of(DISKS_EVERY)) {
            disks.refresh(true);
        }
        let (total, used) = (self.system.total_memory(), self.system.used_memory());
        let mut values: Vec<(&str, &str, f64, Option<String>)> = vec![
            ("cpu_usage", "%", f64::from(self.system.global_cpu_usage()), None),
            ("cpu_cores", "", self.system.cpus().len() as f64, None),
            ("memory_used_bytes", "B", used as f64, None),
            ("memory_total_bytes", "B", total as f64, None),
        ];
        if total > 0 {
            values.push(("memory_usage", "%", used as f64 / total as f64 * 100.0, None));
        }
        if let Ok(load) = System::load_average() {
            values.extend(
                [("load1", load.one), ("load5", load.five), ("load15", load.fifteen)].map(|(n, v)| (n, "", v, None)),
            );
        }
        if let Some(networks) = &mut self.networks {
            networks.refresh(true);
            // Loopback traffic never leaves the machine.
            let external = || networks.iter().filter(|(name, _)| !name.to_string_lossy().starts_with("lo"));
            let received: u64 = external().map(|(_, network)| network.received()).sum();
            let transmitted: u64 = external().map(|(_, network)| network.transmitted()).sum();
            values.push(("net_rx_bytes_per_s", "B/s", received as f64 / elapsed_s, None));
            values.push(("net_tx_bytes_per_s", "B/s", transmitted as f64 / elapsed_s, None));
        }
        values.extend(self.disk_usage().into_iter().map(|(mount, usage)| ("disk_usage", "%", usage, Some(mount))));
        if let Some(bytes) = self.own_memory() {
            values.push(("process_rss_bytes", "B", bytes as f64, None));
        }
        self.count += 1;
        let sample = self.count;
        let events = values.into_iter().filter(|(.., value, _)| value.is_finite()).enumerate();
        events
            .map(|(place, (name, unit, value, mount))| {
                self.event(&format!("{sample}-{place}"), at, name, unit, value, mount)
            })
            .collect()
    }

    fn event(
        &self,
        id: &str,
        at: Timestamp,
        name: &str,
        unit: &str,
        value: f64,
        mount: Option<String>,
    ) -> IncomingEvent {
        let mut labels = BTreeMap::from([("host".into(), self.host.clone())]);
        labels.extend(mount.map(|mount| ("mount".into(), mount.chars().take(60).collect::<String>().into())));
        let id = EventId::parse(&format!("{}-{id}", self.run)).expect("a host name with numbers is a valid event id");
        // Two decimals are more than a gauge shows, and shorter to store and to send.
        let value = (value * 100.0).round() / 100.0;
        IncomingEvent {
            id,
            at,
            kind: EventKind::Metric(MetricSample { name: name.into(), unit: unit.into(), value, labels }),
        }
    }

    /// Returns the use of each disk, once, under its shortest mount point.
    fn disk_usage(&self) -> Vec<(String, f64)> {
        let mut disks: Vec<_> = self
            .disks
            .iter()
            .flat_map(|disks| disks.iter())
            .filter(|disk| {
                disk.total_space() > 0 && !IGNORED_FILE_SYSTEMS.contains(&disk.file_system().to_string_lossy().as_ref())
            })
            .map(|disk| (disk.mount_point().to_string_lossy().into_owned(), disk))
            .collect();
        disks.sort_by_key(|(mount, _)| (mount.len(), mount.clone()));
        let mut seen = BTreeSet::new();
        disks.retain(|(_, disk)| seen.insert(disk.name().to_owned()));
        let usage = |(mount, disk): (String, &sysinfo::Disk)| {
            let used = disk.total_space().saturating_sub(disk.available_space());
            (mount, used as f64 / disk.total_space() as f64 * 100.0)
        };
        disks.into_iter().map(usage).collect()
    }

    fn own_memory(&mut self) -> Option<u64> {
        let own = self.own?;
        let memory_only = ProcessRefreshKind::nothing().with_memory().without_tasks();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, memory_only);
        self.system.process(own).map(sysinfo::Process::memory)
    }
}
