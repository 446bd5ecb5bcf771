//! The role of a process.

/// Which part of the whole a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    Up,
    /// The way out: pages, sockets, API.
    Gateway,
    /// The way in: sources, intake, a share of the partitions.
    Collector,
}

impl Role {
    /// The name in log lines.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Gateway => "gateway",
            Self::Collector => "collector",
        }
    }
}
