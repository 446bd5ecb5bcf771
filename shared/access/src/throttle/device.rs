//! Known devices: browsers that an account's owner signed in from.
//!
//! A device is recognized by its cookie `{id}.{mac}`. The id contains the time since when the device is known. The MAC
//! covers the account's name and the id, with a secret of the installation. The cookie grants no access: it only selects
//! the device's own count of attempts. A new password, or ending all sessions of the account, makes its devices unknown
//! again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use ringside_engine::{Engine, EngineError};
use ringside_model::Timestamp;
use sha2::Sha256;
use tokio::sync::OnceCell;

use crate::account::{Account, AccountError};
use crate::timeout::with_timeout;

/// The registry key of the secret.
const SECRET: &str = "secret/device";
const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = TIME_BYTES + 16;
/// The first bytes of an id: its creation time in milliseconds.
const TIME_BYTES: usize = 8;

/// A device that an account's owner signed in from.
pub(super) struct Device {
    id: String,
    known_since: Timestamp,
}

impl Device {
    fn new() -> Self {
        let known_since = Timestamp::now();
        let mut bytes = [0; ID_BYTES];
        let (when, random) = bytes.split_at_mut(TIME_BYTES);
        when.copy_from_slice(&known_since.millis().to_be_bytes());
        random.copy_from_slice(&rand::random::<[u8; ID_BYTES - TIME_BYTES]>());
        Self { id: URL_SAFE_NO_PAD.encode(bytes), known_since }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Returns whether the device is known since the account's sessions last ended.
    pub(super) async fn is_trusted(&self, engine: &dyn Engine, name: &str) -> Result<bool, EngineError> {
        match Account::get(engine, name).await {
            Ok(account) => Ok(account.is_some_and(|account| self.known_since > account.sessions_after)),
            Err(AccountError::Engine(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }
}

/// Creates and verifies the cookies of devices.
#[derive(Default)]
pub(super) struct Devices {
    secret: OnceCell<Bytes>,
}

impl Devices {
    /// Returns the device of a cookie, if the cookie is valid for this account.
    pub(super) async fn recognize(
        &self,
        engine: &dyn Engine,
        name: &str,
        cookie: Option<&str>,
    ) -> Result<Option<Device>, EngineError> {
        let Some((id, mac)) = cookie.and_then(|cookie| cookie.split_once('.')) else { return Ok(None) };
        let (Ok(bytes), Ok(mac)) = (URL_SAFE_NO_PAD.decode(id), URL_SAFE_NO_PAD.decode(mac)) else {
            return Ok(None);
        };
        let Some(when) = bytes.first_chunk().filter(|_| bytes.len() == ID_BYTES) else { return Ok(None) };
        let known_since = Timestamp::from_millis(i64::from_be_bytes(*when));
        // Compares in constant time.
        let is_ours = self.mac(engine, name, id).await?.verify_slice(&mac).is_ok();
        Ok(is_ours.then(|| Device { id: id.to_owned(), known_since }))
    }

    /// Returns the cookie's value for a known device, or for a new one.
    pub(super) async fn cookie(
        &self,
        engine: &dyn Engine,
        name: &str,
        device: Option<Device>,
    ) -> Result<String, EngineError> {
        let id = device.unwrap_or_else(Device::new).id;
        let mac = URL_SAFE_NO_PAD.encode(self.mac(engine, name, &id).await?.finalize().into_bytes());
        Ok(format!("{id}.{mac}"))
    }

    async fn mac(&self, engine: &dyn Engine, name: &str, id: &str) -> Result<Hmac<Sha256>, EngineError> {
        let new_secret = || Bytes::copy_from_slice(&rand::random::<[u8; SECRET_BYTES]>());
        let secret = self.secret.get_or_try_init(|| with_timeout(engine.get_or_create(SECRET, new_secret()))).await?;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
        // Ids have a fixed length, so no other pair of name and id gives the same text.
        mac.update(name.as_bytes());
        mac.update(id.as_bytes());
        Ok(mac)
    }
}
