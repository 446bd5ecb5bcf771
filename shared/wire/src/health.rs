//! System health as JSON.

use ringside_model::HostHealth;
use serde::{Deserialize, Serialize};

/// One host. Null means that the host doesn't report it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "named after the fields of HostHealth")]
pub struct HostJson {
    pub host: Box<str>,
    pub at: Box<str>,
    pub cpu_percent: Option<f64>,
    pub cores: Option<i64>,
    pub load: [Option<f64>; 3],
    pub memory_used_bytes: Option<f64>,
    pub memory_total_bytes: Option<f64>,
    pub memory_percent: Option<f64>,
    pub disks: Vec<DiskJson>,
    pub rx_bytes_per_s: Option<f64>,
    pub tx_bytes_per_s: Option<f64>,
}

/// A mounted disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "named after the fields of Disk")]
pub struct DiskJson {
    pub mount: Box<str>,
    pub used_percent: f64,
}

impl From<&HostHealth> for HostJson {
    fn from(health: &HostHealth) -> Self {
        Self {
            host: health.host.clone(),
            at: health.at.to_string().into(),
            cpu_percent: health.cpu_percent,
            cores: health.cores,
            load: health.load,
            memory_used_bytes: health.memory.used_bytes,
            memory_total_bytes: health.memory.total_bytes,
            memory_percent: health.memory.used_percent,
            disks: health
                .disks
                .iter()
                .map(|disk| DiskJson { mount: disk.mount.clone(), used_percent: disk.used_percent })
                .collect(),
            rx_bytes_per_s: health.network.rx_bytes_per_s,
            tx_bytes_per_s: health.network.tx_bytes_per_s,
        }
    }
}

/// The body of a `system_health_update` frame.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemBody {
    /// All hosts of the tenant.
    pub hosts: Vec<HostJson>,
}
