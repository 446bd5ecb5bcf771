//! Configuration: flags over environment over `ringside.toml` over defaults, and where each value came from.
//!
//! Nothing else reads the environment, but for the token of `ringside tail`. Unknown keys are errors, because a mistyped
//! limit that is silently ignored is worse than a process that does not start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};
use serde::{Deserialize, Serialize};

use crate::issuers::{self, IssuerConfig};

/// Every setting. `ringside check` prints them with their origin.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// The Redis that all processes of an installation share; the embedded engine where it is left out.
    pub(crate) redis: Option<String>,
    /// The ACL user there.
    pub(crate) redis_user: Option<String>,
    /// Its password.
    pub(crate) redis_password: Option<String>,
    /// A PEM file of certificates that are trusted in place of the system's, for `rediss://`.
    pub(crate) redis_ca: Option<PathBuf>,
    /// What all keys and channels there begin with.
    pub(crate) redis_prefix: String,
    /// Where the embedded engine keeps its data; with Redis, where sources spool while it is away.
    pub(crate) data: PathBuf,
    /// The tenant that the first account and the first ingest key belong to.
    pub(crate) tenant: String,
    /// The first account's password (its name is `admin`); generated and printed where it is left out.
    pub(crate) admin_password: Option<String>,
    /// The first tenant's API key for `/ingest/events`, 32 or more printable characters.
    pub(crate) ingest_key: Option<String>,
    /// The zone of "today", an IANA name.
    pub(crate) time_zone: String,
    /// Partitions of the log. Fixed once data exists.
    pub(crate) partitions: u16,
    /// What a partition's log takes before its owner must catch up, in MB; the engine's own bound where it is left out.
    pub(crate) log_mb: Option<u64>,
    /// What each source keeps on disk while Redis is away, in MB.
    pub(crate) spool_mb: u64,
    /// Run the simulator. Left out: yes, if no source is configured.
    pub(crate) simulate: Option<bool>,
    /// The simulator's seed.
    pub(crate) simulator_seed: u64,
    /// How busy the simulated floor is; 1 is about nine dials a second.
    pub(crate) simulator_rate: f64,
    /// Watch this machine: CPU, memory, load, disks, network.
    pub(crate) host: bool,
    /// How often the host and other sampled sources are read, in milliseconds.
    pub(crate) metric_interval_ms: u64,
    /// How often the slow alert checks run, in seconds.
    pub(crate) alert_check_sec: u64,
    /// Points in a metric's rolling window.
    pub(crate) window_size: usize,
    /// How often changed state is published, in milliseconds.
    pub(crate) state_interval_ms: u64,
    /// Events older than this are refused, and closed calls are remembered for so long, in hours.
    pub(crate) dedupe_hours: u64,
    /// How long an access token counts, in minutes.
    pub(crate) token_minutes: u64,
    /// How long a login lasts that nobody renews, in minutes.
    pub(crate) login_minutes: u64,
    /// Another signing key is made after so many days; never where it is 0.
    pub(crate) signing_key_days: u64,
    /// How long the audit log is kept, in days.
    pub(crate) audit_days: u64,
    /// A PEM file with the certificate that the port shows, and those that vouch for it; it then speaks TLS.
    pub(crate) tls_certificate: Option<PathBuf>,
    /// A PEM file with that certificate's key.
    pub(crate) tls_key: Option<PathBuf>,
    /// Origins whose pages may use the gateway with a login, such as `https://ops.example.com`; where it is left out, those of
    /// the host that a request itself names.
    pub(crate) allowed_origins: Vec<String>,
    /// Origins whose pages may besides ask `/analytics` and `/auth` with `fetch`.
    pub(crate) cors_origins: Vec<String>,
    /// The address that people open, such as `https://ops.example.com`; what each request names where it is left out.
    pub(crate) public_url: Option<String>,
    /// Whose tokens count here, and where people can sign on.
    pub(crate) issuers: Vec<IssuerConfig>,
    /// Set when TLS ends before this process: cookies are then sent over HTTPS only.
    pub(crate) secure_cookies: bool,
    /// Load balancers, such as `10.0.0.0/8`, whose word on the client's address and on TLS counts.
    pub(crate) trusted_proxies: Vec<String>,
    /// After a signal to stop, readiness is red for so long before anybody is sent away, in milliseconds.
    pub(crate) drain_delay_ms: u64,
    /// Connections are then told to go elsewhere spread over this time, in milliseconds.
    pub(crate) drain_ms: u64,
    /// Let operators publish to rooms `bench:{n}`, for load runs. `up` then has no collector: no sources, no intake.
    pub(crate) bench: bool,
    /// Live connections that a gateway admits per second.
    pub(crate) connects_per_second: u32,
    /// A live connection is told to come back after so long, give or take a fifth, in minutes.
    pub(crate) connection_max_minutes: u64,
    /// What a gateway may take of memory, in MB; what the system sets where it is left out.
    pub(crate) memory_limit_mb: Option<u64>,
    /// What to log, such as `info` or `ringside_gateway=debug`.
    pub(crate) log: String,
    /// `text` or `json`.
    pub(crate) log_format: LogFormat,
    /// Alert rules. Given, they replace the default ones.
    pub(crate) rules: Option<Vec<RuleConfig>>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// An alert rule as written in `ringside.toml`, under `[[rules]]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleConfig {
    /// Its name, unique.
    pub(crate) id: String,
    /// `abandon_rate`, `abandon_rate_hour`, `answer_rate`, `failed_rate`, `service_level` (percent, of each campaign),
    /// or the name of a metric.
    pub(crate) metric: String,
    /// `above` (the default) or `below`.
    pub(crate) bad: Option<Side>,
    /// The warning limit.
    pub(crate) warning: Option<f64>,
    /// The critical limit.
    pub(crate) critical: Option<f64>,
    /// How long a limit must be broken before it counts, in seconds.
    pub(crate) for_sec: Option<u64>,
    /// How far back inside the limit the value must come before it counts as over.
    pub(crate) clear_margin: Option<f64>,
    /// Samples (for rates: calls answered by a person) below which it does not fire.
    pub(crate) min_samples: Option<i64>,
}

/// Which side of a limit is the bad one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    /// Bad above it.
    Above,
    /// Bad below it.
    Below,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            redis: None,
            redis_user: None,
            redis_password: None,
            redis_ca: None,
            redis_prefix: "ringside".into(),
            data: "./ringside-data".into(),
            tenant: "default".into(),
            admin_password: None,
            ingest_key: None,
            time_zone: "UTC".into(),
            partitions: 64,
            log_mb: None,
            spool_mb: 64,
            simulate: None,
            simulator_seed: 1,
            simulator_rate: 1.0,
            host: true,
            metric_interval_ms: 1000,
            alert_check_sec: 10,
            window_size: 60,
            state_interval_ms: 250,
            dedupe_hours: 24,
            token_minutes: 15,
            login_minutes: 8 * 60,
            signing_key_days: 30,
            audit_days: 365,
            tls_certificate: None,
            tls_key: None,
            allowed_origins: Vec::new(),
            cors_origins: Vec::new(),
            public_url: None,
            issuers: Vec::new(),
            secure_cookies: false,
            trusted_proxies: Vec::new(),
            drain_delay_ms: 0,
            drain_ms: 5000,
            bench: false,
            connects_per_second: 2000,
            connection_max_minutes: 30,
            memory_limit_mb: None,
            log: "info,fjall=off,lsm_tree=off,sfa=off".into(),
            log_format: LogFormat::Text,
            rules: None,
        }
    }
}

/// The flags that set a value, apart in `--help`. Each is also `RINGSIDE_<NAME>` in the environment and a key of `ringside.toml`.
#[derive(Debug, Clone, Default, Args, Serialize)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct Flags {
    /// The configuration file [default: ringside.toml, where there is one]
    #[arg(long, value_name = "FILE", global = true)]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listen: Option<SocketAddr>,
    /// The Redis that all processes share, such as redis://host:6379 [default: none, data on this machine]
    #[arg(long, value_name = "URL", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redis: Option<String>,
    /// The data folder [default: ./ringside-data]
    #[arg(long, value_name = "FOLDER", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<PathBuf>,
    /// Run the simulator (true) or don't (false) [default: only where no source is configured]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) simulate: Option<bool>,
    /// The simulator's seed
    #[arg(long, value_name = "NUMBER", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) simulator_seed: Option<u64>,
    /// Let operators publish to bench rooms, for load runs (up, gateway); with it `up` takes no events
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bench: Option<bool>,
    /// What to log, such as info or debug [default: info]
    #[arg(long, value_name = "FILTER", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<String>,
}

/// The configuration in effect, and the layers it came from.
pub(crate) struct Loaded {
    /// The values.
    pub(crate) config: Config,
    figment: Figment,
}

/// The secrets, which `ringside check` does not print.
const SECRETS: [&str; 3] = ["admin_password", "ingest_key", "redis_password"];
/// Texts that are never read as numbers, truths or lists.
const TEXTS: [&str; 11] = [
    "data",
    "log",
    "public_url",
    "tenant",
    "time_zone",
    "redis",
    "redis_user",
    "redis_ca",
    "redis_prefix",
    "tls_certificate",
    "tls_key",
];

impl Loaded {
    /// Puts the layers together.
    pub(crate) fn read(flags: &Flags) -> anyhow::Result<Self> {
        let mut figment = Figment::from(Serialized::defaults(Config::default()));
        let file = match &flags.config {
            Some(file) if !file.is_file() => bail!("there is no configuration file {}", file.display()),
            Some(file) => Some(file.clone()),
            None => Some(PathBuf::from("ringside.toml")).filter(|file| file.is_file()),
        };
        if let Some(file) = file {
            figment = figment.merge(Toml::file_exact(file));
        }
        figment = figment.merge(Environment::read(std::env::vars())?);
        figment = figment.merge(Named("a flag", Serialized::defaults(flags)));
        let config: Config = figment.extract().map_err(|error| explain(&error))?;
        config.check()?;
        Ok(Self { config, figment })
    }

    /// Each key with its value and where that came from.
    pub(crate) fn rows(&self) -> Vec<(String, String, String)> {
        let Ok(Value::Dict(_, values)) = figment::value::Value::serialize(&self.config) else { return Vec::new() };
        values
            .into_iter()
            .map(|(key, value)| {
                let origin = self.figment.find_metadata(&key).map_or_else(|| "default".to_owned(), origin_of);
                let shown = match value {
                    _ if SECRETS.contains(&key.as_str()) && !is_none(&value) => "(set, not shown)".to_owned(),
                    value if is_none(&value) => "(not set)".to_owned(),
                    Value::String(_, url) if key == "redis" => without_login(&url),
                    value => serde_json::to_string(&without_secrets(value)).unwrap_or_else(|_| "?".to_owned()),
                };
                (key, shown, origin)
            })
            .collect()
    }
}

/// Secrets that are further inside.
const INNER_SECRETS: [&str; 2] = ["client_secret", "secret"];

/// A list or an object without what is not set, and without the secrets in it.
fn without_secrets(value: Value) -> Value {
    match value {
        Value::Array(tag, list) => Value::Array(tag, list.into_iter().map(without_secrets).collect()),
        Value::Dict(tag, members) => {
            let members = members.into_iter().filter(|(_, value)| !is_none(value)).map(|(key, value)| {
                let secret = INNER_SECRETS.contains(&key.as_str());
                (key, if secret { Value::from("(set, not shown)") } else { without_secrets(value) })
            });
            Value::Dict(tag, members.collect())
        }
        value => value,
    }
}

/// A URL without the user and password that may be in it.
fn without_login(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, hosts))) => format!("{scheme}://(login not shown)@{hosts}"),
        (None, Some((_, hosts))) => format!("(login not shown)@{hosts}"),
        (_, None) => url.to_owned(),
    }
}

fn is_none(value: &Value) -> bool {
    matches!(value, Value::Empty(..))
}

fn origin_of(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(Source::File(path)) => path.display().to_string(),
        Some(Source::Code(_)) | None | Some(_) if metadata.name.contains("Config") => "default".to_owned(),
        _ => metadata.name.to_string(),
    }
}

/// One sentence: which key, where, what is wrong with it.
fn explain(error: &figment::Error) -> anyhow::Error {
    let origin =
        error.metadata.as_ref().map_or_else(String::new, |metadata| format!(" (from {})", origin_of(metadata)));
    let key = error.path.join(".");
    match &error.kind {
        figment::error::Kind::UnknownField(field, known) => {
            anyhow!("unknown configuration key \"{field}\"{origin}; the keys are {}", known.join(", "))
        }
        kind if key.is_empty() => anyhow!("the configuration can't be read: {kind}{origin}"),
        kind => anyhow!("configuration key \"{key}\": {kind}{origin}"),
    }
}

impl Config {
    fn check(&self) -> anyhow::Result<()> {
        let range = |key: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(anyhow!("configuration key \"{key}\" is {value}; it must be {least} to {most}"))
            }
        };
        range("partitions", self.partitions.into(), 1, 1024)?;
        range("log_mb", self.log_mb.unwrap_or(64), 1, 64 * 1024)?;
        range("spool_mb", self.spool_mb, 1, 64 * 1024)?;
        range("drain_delay_ms", self.drain_delay_ms, 0, 300_000)?;
        range("drain_ms", self.drain_ms, 0, 300_000)?;
        range("connects_per_second", self.connects_per_second.into(), 1, 1_000_000)?;
        range("connection_max_minutes", self.connection_max_minutes, 1, 7 * 24 * 60)?;
        range("memory_limit_mb", self.memory_limit_mb.unwrap_or(64), 16, 64 * 1024 * 1024)?;
        range("metric_interval_ms", self.metric_interval_ms, 100, 3_600_000)?;
        range("alert_check_sec", self.alert_check_sec, 1, 3600)?;
        range("window_size", self.window_size as u64, 2, 3600)?;
        range("state_interval_ms", self.state_interval_ms, 50, 450)?;
        range("dedupe_hours", self.dedupe_hours, 1, 24 * 14)?;
        range("token_minutes", self.token_minutes, 1, 24 * 60)?;
        range("login_minutes", self.login_minutes, 1, 30 * 24 * 60)?;
        range("signing_key_days", self.signing_key_days, 0, 3650)?;
        range("audit_days", self.audit_days, 1, 36_500)?;
        if !(0.01..=100.0).contains(&self.simulator_rate) {
            bail!("configuration key \"simulator_rate\" is {}; it must be 0.01 to 100", self.simulator_rate);
        }
        match (&self.tls_certificate, &self.tls_key) {
            (Some(_), None) => bail!("\"tls_certificate\" is set and \"tls_key\" is not; TLS needs both, or neither"),
            (None, Some(_)) => bail!("\"tls_key\" is set and \"tls_certificate\" is not; TLS needs both, or neither"),
            _ => {}
        }
        if let Some(key) = &self.ingest_key
            && !((32..=200).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()))
        {
            bail!("the ingest key must have 32 to 200 printable characters without spaces");
        }
        issuers::read(&self.issuers)?;
        if let Some(url) = &self.public_url {
            check_public_url(url)?;
        }
        if self.admin_password.as_ref().is_some_and(|password| password.chars().count() < 8) {
            bail!("the admin password must have 8 or more characters");
        }
        Ok(())
    }
}

fn check_public_url(url: &str) -> anyhow::Result<()> {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    if !host.is_some_and(|host| !host.is_empty() && host.bytes().all(plain)) {
        bail!("configuration key \"public_url\" is \"{url}\"; write it like https://ops.example.com, without a path");
    }
    Ok(())
}

/// `RINGSIDE_*`, checked against the keys there are; `RINGSIDE_<SECRET>_FILE` names a file that holds the secret.
struct Environment(Dict);

/// Variables that begin like ours and set no key.
const NOT_KEYS: [&str; 2] = ["config", "token"];

impl Environment {
    fn read(variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Self> {
        let Ok(Value::Dict(_, known)) = Value::serialize(Config::default()) else { unreachable!("Config is a struct") };
        let mut values = Dict::new();
        for (name, text) in variables {
            let Some(key) = name.strip_prefix("RINGSIDE_").map(str::to_lowercase) else { continue };
            if NOT_KEYS.contains(&key.as_str()) {
                continue;
            }
            if let Some(secret) = key.strip_suffix("_file").filter(|key| SECRETS.contains(key)) {
                let text = read_secret(Path::new(&text)).with_context(|| format!("{name} names {text}"))?;
                values.insert(secret.to_owned(), Value::from(text));
            } else if !known.contains_key(&key) {
                let keys: Vec<_> = known.keys().map(|key| format!("RINGSIDE_{}", key.to_uppercase())).collect();
                bail!("unknown configuration key {name} in the environment; the keys are {}", keys.join(", "));
            } else if SECRETS.contains(&key.as_str()) || TEXTS.contains(&key.as_str()) {
                // Texts as they are: a password of digits is not a number.
                values.insert(key, Value::from(text));
            } else {
                values.insert(key, text.parse().expect("a value that is nothing else is a text"));
            }
        }
        Ok(Self(values))
    }
}

fn read_secret(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).context("that file can't be read")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named("the environment")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.0.clone())]))
    }
}

/// A provider under a name that means something to the one who reads an error.
struct Named<P>(&'static str, P);

impl<P: Provider> Provider for Named<P> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        self.1.data()
    }
}

/// A key that counts days, as a duration.
pub(crate) fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

#[cfg(test)]
mod tests;
