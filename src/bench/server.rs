//! A server to measure: this binary, as a process of its own on a fresh data folder, gone with the bench.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, anyhow};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::socket::log_in;

/// The admin's.
const PASSWORD: &str = "only for this bench";
/// For `/ingest/events`.
pub(super) const KEY: &str = "bench-key-that-lives-as-long-as-the-bench";

pub(super) struct Server {
    url: String,
    child: Child,
    _data: Scratch,
}

impl Server {
    /// Starts it with these arguments more; returns once it listens.
    pub(super) async fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let data = Scratch::new()?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--listen", "127.0.0.1:0", "--simulate", "false", "--log", "warn", "--data"])
            .arg(&data.0)
            .args(arguments)
            .env("RINGSIDE_ADMIN_PASSWORD", PASSWORD)
            .env("RINGSIDE_INGEST_KEY", KEY)
            .env("RINGSIDE_HOST", "false")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the server")?;
        let stdout = child.stdout.take().context("the server's output")?;
        let mut lines = BufReader::new(stdout).lines();
        let welcome = lines.next_line().await?.ok_or_else(|| anyhow!("the server ended before it listened"))?;
        let url = welcome.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.ok_or_else(|| anyhow!("no address in \"{welcome}\""))?.trim_end_matches('/').to_owned();
        Ok(Self { url, child, _data: data })
    }

    /// An address of it.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// A login of its admin.
    pub(super) async fn token(&self) -> anyhow::Result<String> {
        log_in(&self.url, "admin", PASSWORD).await
    }
}

/// A folder that goes away with the bench.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("ringside-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover in the temporary folder is not worth an error.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
