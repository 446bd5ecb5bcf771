//! The health of a machine: CPU, memory, load, disks, network.

use crate::Timestamp;

/// One host's health, from its newest samples.
///
/// `None` means that the host doesn't report it.
#[derive(Debug, Clone, PartialEq)]
pub struct HostHealth {
    /// Its name.
    pub host: Box<str>,
    /// The time of its newest sample.
    pub at: Timestamp,
    /// CPU use of all cores together, 0 to 100.
    pub cpu_percent: Option<f64>,
    /// The number of cores.
    pub cores: Option<i64>,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [Option<f64>; 3],
    /// Memory.
    pub memory: Memory,
    /// Mounted disks.
    pub disks: Vec<Disk>,
    /// Network, all interfaces but loopback.
    pub network: Network,
}

/// Memory of a host.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Memory {
    /// In use: total less available.
    pub used_bytes: Option<f64>,
    /// Installed.
    pub total_bytes: Option<f64>,
    /// The share in use, 0 to 100.
    pub used_percent: Option<f64>,
}

/// A mounted disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Disk {
    /// The mount point.
    pub mount: Box<str>,
    /// The share in use, 0 to 100.
    pub used_percent: f64,
}

/// Network traffic of a host.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Network {
    /// Bytes received a second.
    pub rx_bytes_per_s: Option<f64>,
    /// Bytes sent a second.
    pub tx_bytes_per_s: Option<f64>,
}
