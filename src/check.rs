//! `ringside check`: prints each value of the configuration and tries what it names.

use std::io::Write;

use anyhow::{Context, bail};
use ringside_access::try_issuer;
use ringside_http::{Origins, TrustedProxies};
use ringside_model::{TenantId, Timestamp};

use crate::config::Loaded;
use crate::engine::open_engine;
use crate::issuers;
use crate::listen::{certificate, listen};
use crate::rules::fold_settings;

/// Reads the configuration and tries what it names, and says how each came out.
pub(crate) async fn check(loaded: &Loaded) -> anyhow::Result<()> {
    let config = &loaded.config;
    let rows = loaded.rows();
    let width = rows.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
    let mut out = std::io::stdout();
    for (key, value, origin) in rows {
        writeln!(out, "{key:width$}  {value}  ({origin})")?;
    }
    fold_settings(config)?;
    TenantId::parse(&config.tenant).context("configuration key \"tenant\"")?;
    listen(config.listen).await?;
    writeln!(out, "ok  {} is free to listen on", config.listen)?;
    TrustedProxies::parse(&config.trusted_proxies).context("configuration key \"trusted_proxies\"")?;
    Origins::parse(&config.allowed_origins).context("configuration key \"allowed_origins\"")?;
    Origins::parse(&config.cors_origins).context("configuration key \"cors_origins\"")?;
    if let (Some(tls), Some(file)) = (certificate(config)?, &config.tls_certificate) {
        let (ends, file) = (tls.ends(), file.display());
        if ends < Timestamp::now() {
            bail!("the certificate in {file} ended on {ends}, and no browser takes it; renew it");
        }
        writeln!(out, "ok  the certificate in {file} fits its key, and is good until {ends}")?;
    }
    for issuer in issuers::read(&config.issuers)? {
        try_issuer(&issuer).await?;
        writeln!(out, "ok  issuer {} can be used", issuer.id)?;
    }
    if config.redis.is_some() {
        let engine = open_engine(config).await?;
        engine.ping().await?;
        let partitions = engine.partitions();
        engine.close().await?;
        writeln!(out, "ok  Redis answers, and has {partitions} partitions under the prefix {}", config.redis_prefix)?;
    } else if config.data.exists() {
        let engine = open_engine(config).await?;
        engine.ping().await?;
        engine.close().await?;
        writeln!(out, "ok  the data folder {} can be used", config.data.display())?;
    } else {
        writeln!(out, "ok  the data folder {} is not there yet; the first start makes it", config.data.display())?;
    }
    Ok(())
}
