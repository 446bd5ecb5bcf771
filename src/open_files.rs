//! Open files: each connection is one, and the usual limit is for people's shells.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit as far as this process may; returns what it is now.
pub(crate) fn raise_open_files() -> anyhow::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.0)
}
