//! Hosts, assembled from well-known metrics with a `host` label.

use std::collections::BTreeMap;

use ringside_model::{Disk, HostHealth, Memory, MetricKey, Network, Timestamp};

use super::metric::{Sample, Series};

/// Labels of series that measure only a part of a host.
const PARTS: [&str; 4] = ["core", "cpu", "device", "interface"];

/// Returns the host of a metric, if the metric is part of its health.
pub(super) fn host_of(key: &MetricKey) -> Option<&str> {
    let known = matches!(
        &*key.name,
        "cpu_usage"
            | "cpu_cores"
            | "load1"
            | "load5"
            | "load15"
            | "memory_used_bytes"
            | "memory_total_bytes"
            | "memory_usage"
            | "disk_usage"
            | "net_rx_bytes_per_s"
            | "net_tx_bytes_per_s"
    );
    let whole = PARTS.iter().all(|part| !key.labels.contains_key(*part));
    let mounted = key.labels.contains_key("mount");
    let fits = known && whole && mounted == (&*key.name == "disk_usage");
    key.labels.get("host").filter(|_| fits).map(|host| &**host)
}

/// Returns the hosts of some metrics, by name.
/// If two series measure the same, the newest sample holds.
pub(super) fn hosts(metrics: &BTreeMap<MetricKey, Series>) -> Vec<HostHealth> {
    let mut found: BTreeMap<&str, BTreeMap<(&str, &str), Sample>> = BTreeMap::new();
    for (key, series) in metrics {
        let (Some(host), Some(newest)) = (host_of(key), series.newest()) else { continue };
        let mount = key.labels.get("mount").map_or("", |mount| &**mount);
        let kept = found.entry(host).or_default().entry((&*key.name, mount)).or_insert(newest);
        if newest.at > kept.at {
            *kept = newest;
        }
    }
    found.into_iter().map(|(host, samples)| health(host, &samples)).collect()
}

fn health(host: &str, samples: &BTreeMap<(&str, &str), Sample>) -> HostHealth {
    let value = |name: &str| samples.get(&(name, "")).map(|sample| sample.value);
    let (used, total) = (value("memory_used_bytes"), value("memory_total_bytes"));
    let used_percent = used.zip(total).filter(|(_, total)| *total > 0.0).map(|(used, total)| used / total * 100.0);
    let disks = samples.iter().filter(|((name, _), _)| *name == "disk_usage");
    HostHealth {
        host: host.into(),
        at: Timestamp::from_millis(samples.values().map(|sample| sample.at).max().unwrap_or(0)),
        cpu_percent: value("cpu_usage"),
        cores: value("cpu_cores").map(|cores| cores as i64),
        load: [value("load1"), value("load5"), value("load15")],
        memory: Memory { used_bytes: used, total_bytes: total, used_percent: value("memory_usage").or(used_percent) },
        disks: disks.map(|((_, mount), sample)| Disk { mount: (*mount).into(), used_percent: sample.value }).collect(),
        network: Network { rx_bytes_per_s: value("net_rx_bytes_per_s"), tx_bytes_per_s: value("net_tx_bytes_per_s") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, labels: &[(&str, &str)]) -> MetricKey {
        MetricKey {
            name: name.into(),
            labels: labels.iter().map(|(label, value)| ((*label).into(), (*value).into())).collect(),
        }
    }

    #[test]
    fn a_host_has_only_the_numbers_that_samples_gave() {
        let mut metrics: BTreeMap<MetricKey, Series> = BTreeMap::new();
        for (name, labels, at, value) in [
            ("cpu_usage", &[("host", "db1")][..], 1_000, 40.0),
            ("cpu_usage", &[("core", "0"), ("host", "db1")], 1_500, 99.0),
            ("cpu_usage", &[("host", "db1"), ("job", "node")], 2_000, 41.0),
            ("memory_used_bytes", &[("host", "db1")], 1_000, 25.0),
            ("memory_total_bytes", &[("host", "db1")], 1_000, 100.0),
            ("disk_usage", &[("host", "db1"), ("mount", "/")], 1_000, 70.0),
            ("disk_usage", &[("host", "db1"), ("mount", "/data")], 1_000, 10.0),
            ("load1", &[("host", "web1")], 1_000, 0.5),
            ("revenue", &[("host", "web1")], 1_000, 7.0),
            ("cpu_usage", &[("shop", "north")], 1_000, 1.0),
        ] {
            let series = metrics.entry(key(name, labels)).or_default();
            series.merge(Sample { at, id: 1, value }, "", 60);
        }
        let found = hosts(&metrics);
        assert_eq!(found.iter().map(|host| &*host.host).collect::<Vec<_>>(), ["db1", "web1"]);
        assert_eq!((found[0].cpu_percent, found[0].memory.used_percent), (Some(41.0), Some(25.0)));
        assert_eq!(found[0].disks.len(), 2);
        assert_eq!((found[1].load, found[1].cpu_percent), ([Some(0.5), None, None], None));
    }
}
