//! Where an issuer's keys (and, for single sign-on, its addresses) come from, and how they are kept.
//!
//! One task an issuer fetches, whoever wants something: a storm of tokens with unknown keys costs one question. It fetches again
//! when the answer is old, and when a key is wanted that it does not have, but that at most once in [`REFETCH_PAUSE`]. What was
//! good last stays until there is something better.

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

/// An unknown key makes us ask at most once in so long.
const REFETCH_PAUSE: Duration = Duration::from_secs(30);
/// Nothing is kept for less, or for more, whatever the issuer says.
const KEEP_BOUNDS: (Duration, Duration) = (Duration::from_secs(5 * 60), Duration::from_secs(24 * 3600));
/// When nothing is known yet, the next try is after so long, and otherwise after the second.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// Somebody who signs in waits no longer for the answer: two questions, each bounded.
const WAIT_TIMEOUT: Duration = Duration::from_secs(11);

/// What is known of an issuer.
#[derive(Debug, Clone, Default)]
struct Known {
    keys: Arc<KeyTable>,
    endpoints: Option<Arc<Endpoints>>,
    /// When it was last asked because something was missing.
    refetched_at: Option<Instant>,
}

/// An issuer's keys and addresses.
#[derive(Debug)]
pub(super) struct Source {
    id: String,
    issuer: String,
    keys: KeySource,
    algorithms: BTreeSet<SignatureAlgorithm>,
    has_sso: bool,
    fetcher: Fetcher,
    known: watch::Sender<Known>,
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
            known: watch::Sender::new(Known { keys, ..Known::default() }),
            wanted: Notify::new(),
        }
    }

    /// The key that a token names.
    pub(super) async fn key(&self, kid: Option<&str>) -> Result<Arc<VerifyingKey>, TokenRejected> {
        if let Some(key) = self.wait_for(|known| known.keys.find(kid).cloned()).await {
            return Ok(key);
        }
        Err(if self.known.borrow().keys.is_empty() { TokenRejected::NoKeys } else { TokenRejected::Key })
    }

    /// Where to sign on.
    pub(super) async fn endpoints(&self) -> Result<Arc<Endpoints>, TokenRejected> {
        self.wait_for(|known| known.endpoints.clone()).await.ok_or(TokenRejected::NoKeys)
    }

    /// What is known, or what the next answer has.
    async fn wait_for<T>(&self, find: impl Fn(&Known) -> Option<T>) -> Option<T> {
        let mut known = self.known.subscribe();
        let waits = {
            let known = known.borrow_and_update();
            if let Some(found) = find(&known) {
                return Some(found);
            }
            self.fetches() && known.may_refetch()
        };
        if waits {
            self.wanted.notify_one();
            // In vain, or ended meanwhile: what is known then is all there is.
            let _ = tokio::time::timeout(WAIT_TIMEOUT, known.changed()).await;
        }
        find(&self.known.borrow())
    }

    fn fetches(&self) -> bool {
        self.has_sso || !matches!(self.keys, KeySource::Static(_))
    }

    /// Keeps what is known fresh, until cancelled.
    pub(super) async fn run(&self, stop: CancellationToken) {
        if !self.fetches() {
            return;
        }
        // The first question is nobody's wish, whoever waits for it already.
        let mut wanted = false;
        loop {
            let Some(answer) = stop.run_until_cancelled(self.read()).await else { return };
            let now = Instant::now();
            let mut known = self.known.borrow().clone();
            if wanted {
                known.refetched_at = Some(now);
            }
            let due = match answer {
                Ok((keys, endpoints, keep_for)) => {
                    if self.is_empty() {
                        info!(issuer.id = self.id, "this issuer's keys are known");
                    }
                    known.keys = keys;
                    known.endpoints = endpoints;
                    now + keep_for.clamp(KEEP_BOUNDS.0, KEEP_BOUNDS.1)
                }
                Err(error) => {
                    let last_good = !self.is_empty();
                    warn!(issuer.id = self.id, %error, last_good, "this issuer's keys can't be read");
                    now + if last_good { RETRY_AFTER.1 } else { RETRY_AFTER.0 }
                }
            };
            // Whoever has asked meanwhile waits for just this.
            let _ = self.wanted.notified().now_or_never();
            self.known.send_replace(known);
            wanted = loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep_until(due) => break false,
                    () = self.wanted.notified() => {
                        if self.known.borrow().may_refetch() {
                            break true;
                        }
                    }
                }
            };
        }
    }

    fn is_empty(&self) -> bool {
        let known = self.known.borrow();
        known.keys.is_empty() || (self.has_sso && known.endpoints.is_none())
    }

    /// Asks for what it publishes, if anything.
    pub(super) async fn read(&self) -> Result<(Arc<KeyTable>, Option<Arc<Endpoints>>, Duration), FetchError> {
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
            (KeySource::Discovered, None) => unreachable!("settings are checked: only sign-on discovers"),
        };
        let answer = self.fetcher.get(&address).await?;
        let keys = KeyTable::of_jwks(&answer.body, &self.algorithms);
        let keys = keys.ok_or_else(|| FetchError::NotThat(address.to_string(), "a set with a key that can be used"))?;
        Ok((Arc::new(keys), endpoints, keep_for.min(answer.max_age())))
    }
}

impl Known {
    fn may_refetch(&self) -> bool {
        self.refetched_at.is_none_or(|at| at.elapsed() >= REFETCH_PAUSE)
    }
}
