//! A real `redis-server`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisResult};
use tempfile::TempDir;

use crate::port::free_port;
use crate::{Process, until};

/// The time in which a server starts or loads.
const START_WITHIN: Duration = Duration::from_secs(30);

/// The fsync policy of an append-only file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendFsync {
    /// Each write is on disk before the reply.
    Always,
    /// Once a second.
    EverySecond,
    /// Left to the system.
    No,
}

/// The files of a server with TLS.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// The authority's certificate, PEM.
    pub ca: PathBuf,
}

/// The options of a server. The default stores nothing on disk.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    /// Write an append-only file.
    pub append_only: Option<AppendFsync>,
    /// Run as a node of a cluster.
    pub cluster: bool,
    /// Accept only TLS on the port.
    pub tls: Option<TlsFiles>,
    /// Lines of an ACL file, such as `user default off`.
    pub acl: Vec<String>,
    /// Further lines of redis.conf.
    pub config: Vec<String>,
    /// The port, if it must be known before the start.
    pub port: Option<u16>,
}

impl RedisOptions {
    /// Returns options with an append-only file.
    pub fn append_only(fsync: AppendFsync) -> Self {
        Self { append_only: Some(fsync), ..Self::default() }
    }
}

/// Returns long timeouts: the default of half a second is too short under load.
pub(crate) fn connection_config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(5)))
        .set_response_timeout(Some(Duration::from_secs(10)))
}

/// Whether `redis-server` is installed.
pub fn redis_server_installed() -> bool {
    Command::new("redis-server").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A running `redis-server` with its own folder; killed when dropped.
pub struct RedisServer {
    process: Process,
    port: u16,
    folder: TempDir,
    options: RedisOptions,
}

impl RedisServer {
    /// Starts a server on a free port and waits until it accepts connections.
    pub async fn start(options: RedisOptions) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("redis-").context("no temporary folder")?;
        if !options.acl.is_empty() {
            std::fs::write(folder.path().join("users.acl"), options.acl.join("\n") + "\n")?;
        }
        for _ in 0..20 {
            let port = options.port.unwrap_or_else(free_port);
            match launch(port, folder.path(), &options).await {
                Ok(process) => return Ok(Self { process, port, folder, options }),
                // Another process took the port first: tries another port.
                Err(error) if options.port.is_none() && format!("{error:#}").contains("bind") => {}
                Err(error) => return Err(error),
            }
        }
        bail!("no free port for redis-server in 20 attempts")
    }

    /// Returns its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns `redis://127.0.0.1:port/`, or `rediss://` with TLS.
    pub fn url(&self) -> String {
        let scheme = if self.options.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}/", self.port)
    }

    /// Returns its folder: redis.conf, the append-only file, nodes.conf.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the newest lines of its log.
    pub fn log(&self) -> Vec<String> {
        self.process.lines()
    }

    /// Connects over a Unix socket, without its port, TLS and any proxy.
    pub async fn connection(&self) -> anyhow::Result<MultiplexedConnection> {
        let socket = self.folder.path().join("redis.sock");
        let client = Client::open(format!("redis+unix://{}", socket.display()))?;
        Ok(client.get_multiplexed_async_connection_with_config(&connection_config()).await?)
    }

    /// Runs a command, such as `CONFIG SET maxmemory 1mb`; `""` is an empty word.
    pub async fn command<T: FromRedisValue>(&self, words: &str) -> anyhow::Result<T> {
        let mut words_of = words.split_whitespace();
        let mut command = redis::cmd(words_of.next().context("an empty command")?);
        words_of.for_each(|word| {
            command.arg(if word == "\"\"" { "" } else { word });
        });
        let mut connection = self.connection().await?;
        let answer: RedisResult<T> = command.query_async(&mut connection).await;
        answer.with_context(|| format!("redis-server on port {} rejected {words:?}", self.port))
    }

    /// Returns a value of INFO by its name.
    pub async fn info(&self, name: &str) -> anyhow::Result<String> {
        let info: String = self.command("INFO everything").await?;
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(value.with_context(|| format!("INFO has no {name}"))?.to_owned())
    }

    /// Kills it with SIGKILL. The folder stays.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Sends SIGTERM, and waits until it has saved its data and ended.
    pub async fn terminate(&mut self) -> anyhow::Result<()> {
        self.process.terminate();
        self.process.wait(START_WITHIN).await.map(drop)
    }

    /// Pauses it with SIGSTOP.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Resumes it with SIGCONT.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Starts it again on the same port and folder. Kills it first if it runs.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.process.kill();
        self.process = launch(self.port, self.folder.path(), &self.options).await?;
        Ok(())
    }
}

/// Waits until a replica has confirmed everything that the server has now.
///
/// Later writes don't count: while writes go on, a replica never catches up entirely.
pub(crate) async fn wait_for_replica(server: &RedisServer) -> anyhow::Result<()> {
    let head: u64 = server.info("master_repl_offset").await?.trim().parse()?;
    until("a replica has caught up", START_WITHIN, async || {
        let info: String = server.command("INFO replication").await.unwrap_or_default();
        let replicas = info.lines().filter(|line| line.starts_with("slave") && line.contains("state=online"));
        let mut offsets = replicas.filter_map(|line| line.split("offset=").nth(1)?.split(',').next()?.parse().ok());
        offsets.any(|offset: u64| offset >= head)
    })
    .await
}

async fn launch(port: u16, folder: &Path, options: &RedisOptions) -> anyhow::Result<Process> {
    let file = folder.join("redis.conf");
    std::fs::write(&file, configuration(port, folder, options)).context("redis.conf can't be written")?;
    let mut command = Command::new("redis-server");
    command.arg(&file).current_dir(folder);
    let mut process = Process::start(&command)?;
    process.wait_for_line("Ready to accept connections", START_WITHIN).await?;
    Ok(process)
}

fn configuration(port: u16, folder: &Path, options: &RedisOptions) -> String {
    let mut lines = vec![
        "bind 127.0.0.1".to_owned(),
        "save \"\"".to_owned(),
        format!("dir {}", folder.display()),
        format!("unixsocket {}", folder.join("redis.sock").display()),
    ];
    match &options.tls {
        None => lines.push(format!("port {port}")),
        Some(files) => lines.extend([
            "port 0".to_owned(),
            format!("tls-port {port}"),
            format!("tls-cert-file {}", files.certificate.display()),
            format!("tls-key-file {}", files.key.display()),
            format!("tls-ca-cert-file {}", files.ca.display()),
            "tls-auth-clients no".to_owned(),
            "tls-cluster yes".to_owned(),
            "tls-replication yes".to_owned(),
        ]),
    }
    if let Some(fsync) = options.append_only {
        let policy = match fsync {
            AppendFsync::Always => "always",
            AppendFsync::EverySecond => "everysec",
            AppendFsync::No => "no",
        };
        lines.extend(["appendonly yes".to_owned(), format!("appendfsync {policy}")]);
    }
    if options.cluster {
        lines.extend(["cluster-enabled yes".to_owned(), "cluster-config-file nodes.conf".to_owned()]);
    }
    if !options.acl.is_empty() {
        lines.push(format!("aclfile {}", folder.join("users.acl").display()));
    }
    lines.extend(options.config.iter().cloned());
    lines.join("\n") + "\n"
}
