//! Fetches and caches an issuer's keys and, for SSO, its endpoints.
//!
//! One task per issuer fetches them for all requests: a storm of tokens with unknown keys causes one fetch. It fetches
//! again when the answer has expired, and when an unknown key is wanted, but the latter at most once per
//! [`REFETCH_PAUSE`]. The last good answer stays until a fetch succeeds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use ringside_fetch::{FetchError, Fetcher, parse_address};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;

use super::discovery::Endpoints;
use super::keys::{KeyTable, SignatureAlgorithm, VerifyingKey};
use super::rejected::TokenRejected;
use super::settings::{IssuerSettings, KeySource};

/// The shortest pause between two fetches caused by unknown keys.
const REFETCH_PAUSE: Duration = Duration::from_secs(30);
/// The shortest and longest time that an answer is cached, despite its headers.
const KEEP_BOUNDS: (Duration, Duration) = (Duration::from_secs(5 * 60), Duration::from_secs(24 * 3600));
/// The pause after a failed fetch: if nothing is cached, and otherwise.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// How long a sign-in waits for a fetch: two requests, each with a timeout.
const WAIT_TIMEOUT: Duration = Duration::from_secs(11);

/// The cached keys and endpoints of an issuer.
#[derive(Debug, Clone, Default)]
struct Cached {
    keys: Arc<KeyTable>,
    endpoints: Option<Arc<Endpoints>>,
    /// When it was last fetched because something was missing.
    refetched_at: Option<Instant>,
}

/// The keys and endpoints of an issuer.
#[derive(Debug)]
pub(super) struct Source {
    id: String,
    issuer: String,
    keys: KeySource,
    algorithms: BTreeSet<SignatureAlgorithm>,
    has_sso: bool,
    fetcher: Fetcher,
    cached: watch::Sender<Cached>,
    wanted: Notify,
}

impl Source {
    pub(super) fn new(settings: &IssuerSettings, fetcher: Fetcher) -> Self {
        let keys = match &settings.keys {
            KeySource::Static(keys) => Arc::new(KeyTable::of(keys)),
            KeySource::Url(_) | KeySource::Discovered => Arc::default(),
        };
        Self {
            id: settings.id.clone(),
            issuer: settings.issuer.clone(),
            keys: settings.keys.clone(),
            algorithms: settings.algorithms.clone(),
            has_sso: settings.sso.is_some(),
            fetcher,
            cached: watch::Sender::new(Cached { keys, ..Cached::default() }),
            wanted: Notify::new(),
        }
    }

    /// Returns the key that a token names.
    pub(super) async fn key(&self, kid: Option<&str>) -> Result<Arc<VerifyingKey>, TokenRejected> {
        if let Some(key) = self.wait_for(|cached| cached.keys.find(kid).cloned()).await {
            return Ok(key);
        }
        Err(if self.cached.borrow().keys.is_empty() { TokenRejected::NoKeys } else { TokenRejected::Key })
    }

    /// Returns the provider's endpoints.
    pub(super) async fn endpoints(&self) -> Result<Arc<Endpoints>, TokenRejected> {
        self.wait_for(|cached| cached.endpoints.clone()).await.ok_or(TokenRejected::NoKeys)
    }

    /// Finds something in the cache, or in the next answer.
    async fn wait_for<T>(&self, find: impl Fn(&Cached) -> Option<T>) -> Option<T> {
        let mut cached = self.cached.subscribe();
        let may_wait = {
            let cached = cached.borrow_and_update();
            if let Some(found) = find(&cached) {
                return Some(found);
            }
            self.fetches() && cached.may_refetch()
        };
        if may_wait {
            self.wanted.notify_one();
            // A timeout or a stopped task: look in what is cached by then.
            let _ = tokio::time::timeout(WAIT_TIMEOUT, cached.changed()).await;
        }
        find(&self.cached.borrow())
    }

    fn fetches(&self) -> bool {
        self.has_sso || !matches!(self.keys, KeySource::Static(_))
    }

    /// Keeps the cache fresh until cancelled.
    pub(super) async fn run(&self, stop: CancellationToken) {
        if !self.fetches() {
            return;
        }
        // The first fetch doesn't count as caused by an unknown key, even if requests wait for it.
        let mut wanted = false;
        loop {
            let Some(answer) = stop.run_until_cancelled(self.fetch()).await else { return };
            let now = Instant::now();
            let mut cached = self.cached.borrow().clone();
            if wanted {
                cached.refetched_at = Some(now);
            }
            let due = match answer {
                Ok((keys, endpoints, keep_for)) => {
                    if self.is_empty() {
                        info!(issuer.id = self.id, "issuer keys fetched");
                    }
                    cached.keys = keys;
                    cached.endpoints = endpoints;
                    now + keep_for.clamp(KEEP_BOUNDS.0, KEEP_BOUNDS.1)
                }
                Err(error) => {
                    let last_good = !self.is_empty();
                    warn!(issuer.id = self.id, %error, last_good, "fetching issuer keys failed");
                    now + if last_good { RETRY_AFTER.1 } else { RETRY_AFTER.0 }
                }
            };
            // Requests that came meanwhile wait for this answer.
            let _ = self.wanted.notified().now_or_never();
            self.cached.send_replace(cached);
            wanted = loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep_until(due) => break false,
                    () = self.wanted.notified() => {
                        if self.cached.borrow().may_refetch() {
                            break true;
                        }
                    }
                }
            };
        }
    }

    fn is_empty(&self) -> bool {
        let cached = self.cached.borrow();
        cached.keys.is_empty() || (self.has_sso && cached.endpoints.is_none())
    }

    /// Fetches the issuer's keys and endpoints, as far as it publishes them.
    pub(super) async fn fetch(&self) -> Result<(Arc<KeyTable>, Option<Arc<Endpoints>>, Duration), FetchError> {
        let mut keep_for = Duration::MAX;
        let mut endpoints = None;
        if self.has_sso {
            let (read, keep) = Endpoints::read(&self.fetcher, &self.issuer).await?;
            keep_for = keep;
            endpoints = Some(Arc::new(read));
        }
        let address: Url = match (&self.keys, &endpoints) {
            (KeySource::Static(keys), _) => return Ok((Arc::new(KeyTable::of(keys)), endpoints, keep_for)),
            (KeySource::Url(url), _) => parse_address(url).map_err(FetchError::Address)?,
            (KeySource::Discovered, Some(endpoints)) => endpoints.keys.clone(),
            (KeySource::Discovered, None) => unreachable!("checked settings discover keys only with SSO"),
        };
        let answer = self.fetcher.get(&address).await?;
        let keys = KeyTable::of_jwks(&answer.body, &self.algorithms);
        let keys =
            keys.ok_or_else(|| FetchError::Unexpected(address.to_string(), "a set with a key that can be used"))?;
        Ok((Arc::new(keys), endpoints, keep_for.min(answer.max_age())))
    }
}

impl Cached {
    fn may_refetch(&self) -> bool {
        self.refetched_at.is_none_or(|at| at.elapsed() >= REFETCH_PAUSE)
    }
}
