//! What was taken back since tokens were issued: locked accounts, changed passwords, ended logins.
//!
//! Read from the registry every few seconds, on every gateway; a change wakes the live connections, which look whether
//! they may go on. While the engine is away, the last known ones count.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use ringside_shared::engine::{Engine, EngineError};
use ringside_shared::model::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::account;
use super::viewer::Viewer;

/// How long a change may go unnoticed.
const READ_EVERY: Duration = Duration::from_secs(2);
/// What the keys of ended logins begin with; the value is when the login would have ended by itself.
const ENDED: &str = "ended/";

#[derive(Debug, Default, PartialEq, Eq)]
struct Taken {
    /// Tokens of these accounts count only from the moment on; none never.
    accounts: HashMap<Box<str>, Option<Timestamp>>,
    /// Logins that were ended.
    sessions: HashSet<Box<str>>,
}

/// Knows which verified tokens don't count any more.
pub(crate) struct Standing {
    engine: Arc<dyn Engine>,
    taken: RwLock<Taken>,
    changed: watch::Sender<u64>,
}

impl Standing {
    /// Reads what there is.
    pub(crate) async fn load(engine: Arc<dyn Engine>) -> Result<Arc<Self>, EngineError> {
        let standing = Self { engine, taken: RwLock::default(), changed: watch::Sender::new(0) };
        standing.read().await?;
        Ok(Arc::new(standing))
    }

    /// Reads again and again, until cancelled.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut failing = false;
        while stop.run_until_cancelled(tokio::time::sleep(READ_EVERY)).await.is_some() {
            match account::in_time(self.read()).await {
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    warn!(%error, "accounts can't be read; the last known ones count until they can");
                }
                Err(_) => {}
                Ok(()) => failing = false,
            }
        }
    }

    /// True while a verified token counts.
    pub(crate) fn allows(&self, viewer: &Viewer) -> bool {
        let taken = self.taken.read().expect("nobody panics while writing");
        if taken.sessions.contains(viewer.session_id.as_str()) {
            return false;
        }
        match taken.accounts.get(viewer.user.as_str()) {
            // A token of the very second may be from before the change: a new login costs less than a breach.
            Some(Some(since)) => viewer.issued_at.seconds() > since.seconds(),
            Some(None) => false,
            None => true,
        }
    }

    /// Tells when anything was taken back; also once at the beginning, for what was since the token was verified.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        let mut changed = self.changed.subscribe();
        changed.mark_changed();
        changed
    }

    /// Ends a login, here at once and elsewhere within seconds.
    pub(crate) async fn end(&self, viewer: &Viewer) -> Result<(), EngineError> {
        let value = viewer.expires_at.millis().to_string().into();
        self.engine.set(&format!("{ENDED}{}", viewer.session_id), Some(value)).await?;
        self.read().await
    }

    async fn read(&self) -> Result<(), EngineError> {
        let mut read = Taken::default();
        for (key, value) in self.engine.list(account::PREFIX).await? {
            let name = &key[account::PREFIX.len()..];
            let account = account::decode(name, &value)?;
            read.accounts.insert(name.into(), (!account.disabled).then_some(account.tokens_since));
        }
        let now = Timestamp::now();
        for (key, value) in self.engine.list(ENDED).await? {
            let over: i64 = str::from_utf8(&value).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            if over < now.millis() {
                self.engine.set(&key, None).await?;
            } else {
                read.sessions.insert(key[ENDED.len()..].into());
            }
        }
        let mut taken = self.taken.write().expect("nobody panics while writing");
        if *taken != read {
            *taken = read;
            drop(taken);
            self.changed.send_modify(|revision| *revision += 1);
        }
        Ok(())
    }
}

/// Without what it holds.
impl std::fmt::Debug for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Standing")
    }
}
