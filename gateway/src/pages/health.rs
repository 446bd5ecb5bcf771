//! System health rows, a group for each host.

use ringside_wire::HostJson;

use super::format;

/// One host.
#[derive(Debug)]
pub(super) struct Host {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: Vec<HealthRow>,
}

/// One thing of a host.
#[derive(Debug)]
pub(super) struct HealthRow {
    /// What.
    pub name: String,
    /// True above what is healthy.
    pub warn: bool,
    /// The share in use, as a width of 100; nothing where it has none.
    pub width: Option<String>,
    /// The value.
    pub value: String,
    /// What goes with it.
    pub note: String,
}

/// In use above this is degraded.
const DEGRADED_PERCENT: f64 = 90.0;

fn row(name: &str, percent: Option<f64>, value: String, note: String) -> HealthRow {
    HealthRow {
        name: name.into(),
        warn: percent.is_some_and(|percent| percent >= DEGRADED_PERCENT),
        width: percent.map(|percent| format!("{percent:.1}")),
        value,
        note,
    }
}

/// Hosts with their rows, and how many rows are degraded.
pub(super) fn hosts(hosts: &[HostJson]) -> (Vec<Host>, usize) {
    let hosts: Vec<Host> = hosts
        .iter()
        .map(|host| {
            let percent = |value: Option<f64>| format::percent(value.map(|percent| percent / 100.0));
            let mut rows = vec![
                row(
                    "CPU",
                    host.cpu_percent,
                    percent(host.cpu_percent),
                    match (host.cores, host.load[0]) {
                        (Some(cores), Some(load)) => format!("{cores} cores, load {load:.1}"),
                        (Some(cores), None) => format!("{cores} cores"),
                        _ => "cores unknown".into(),
                    },
                ),
                row(
                    "Memory",
                    host.memory_percent,
                    format::bytes(host.memory_used_bytes),
                    format!("of {}", format::bytes(host.memory_total_bytes)),
                ),
            ];
            rows.extend(host.disks.iter().map(|disk| {
                row("Disk", Some(disk.used_percent), percent(Some(disk.used_percent)), disk.mount.clone().into())
            }));
            if host.rx_bytes_per_s.is_some() || host.tx_bytes_per_s.is_some() {
                let per_second = |value: Option<f64>| {
                    value.map_or_else(|| format::UNKNOWN.to_owned(), |v| format!("{}/s", format::bytes(v)))
                };
                rows.push(row(
                    "Network",
                    None,
                    per_second(host.rx_bytes_per_s),
                    format!("in, {} out", per_second(host.tx_bytes_per_s)),
                ));
            }
            Host { name: host.host.clone().into(), rows }
        })
        .collect();
    let degraded = hosts.iter().flat_map(|host| &host.rows).filter(|row| row.warn).count();
    (hosts, degraded)
}
