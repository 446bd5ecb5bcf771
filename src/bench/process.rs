//! What other processes have used, as the kernel counts it.

use std::time::Duration;

/// The time that all threads of these processes have run.
pub(super) fn cpu(pids: &[u32]) -> Duration {
    Duration::from_nanos(pids.iter().flat_map(|pid| threads(*pid)).sum())
}

/// Nanoseconds that each thread of a process has run; nothing where it has ended.
fn threads(pid: u32) -> Vec<u64> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let statistics = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    statistics.filter_map(|text| text.split_whitespace().next()?.parse().ok()).collect()
}

/// What of a process is in memory.
pub(super) fn resident_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_run_and_is_in_memory() {
        let pid = std::process::id();
        assert!(cpu(&[pid]) > Duration::ZERO);
        assert!(resident_kib(pid).is_some_and(|kib| kib > 1_000));
        // No process has the number 0.
        assert_eq!((cpu(&[0]), resident_kib(0)), (Duration::ZERO, None));
    }
}
