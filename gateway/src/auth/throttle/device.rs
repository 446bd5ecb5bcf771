//! Devices that somebody logged in from before, known by a cookie.
//!
//! The cookie is `{id}.{mac}`: an id of its own, and a code over the account's name and that id with a secret of the
//! installation. It lets nobody in; it only says that whoever tries is at a device that its owner has used.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use ringside_shared::engine::{Engine, EngineError};
use sha2::Sha256;
use tokio::sync::OnceCell;

use super::super::in_time::in_time;

/// Where the secret is kept.
const SECRET: &str = "secret/device";
const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 16;

/// A device that the owner of an account logged in from.
pub(super) struct Device {
    id: String,
}

impl Device {
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

/// What tells devices' cookies from made-up ones.
#[derive(Default)]
pub(super) struct Devices {
    secret: OnceCell<Bytes>,
}

impl Devices {
    /// The device whose cookie this is, if it is one for this account.
    pub(super) async fn known(
        &self,
        engine: &dyn Engine,
        name: &str,
        cookie: Option<&str>,
    ) -> Result<Option<Device>, EngineError> {
        let Some((id, code)) = cookie.and_then(|cookie| cookie.split_once('.')) else { return Ok(None) };
        let (Ok(bytes), Ok(code)) = (URL_SAFE_NO_PAD.decode(id), URL_SAFE_NO_PAD.decode(code)) else {
            return Ok(None);
        };
        // Compares in constant time.
        let is_ours = bytes.len() == ID_BYTES && self.code(engine, name, id).await?.verify_slice(&code).is_ok();
        Ok(is_ours.then(|| Device { id: id.to_owned() }))
    }

    /// The cookie's value for a device that was known, or for a new one.
    pub(super) async fn cookie(
        &self,
        engine: &dyn Engine,
        name: &str,
        device: Option<Device>,
    ) -> Result<String, EngineError> {
        let id = device.map_or_else(|| URL_SAFE_NO_PAD.encode(rand::random::<[u8; ID_BYTES]>()), |device| device.id);
        let code = URL_SAFE_NO_PAD.encode(self.code(engine, name, &id).await?.finalize().into_bytes());
        Ok(format!("{id}.{code}"))
    }

    async fn code(&self, engine: &dyn Engine, name: &str, id: &str) -> Result<Hmac<Sha256>, EngineError> {
        let made_up = || Bytes::copy_from_slice(&rand::random::<[u8; SECRET_BYTES]>());
        let secret = self.secret.get_or_try_init(|| in_time(engine.create(SECRET, made_up()))).await?;
        let mut code = Hmac::<Sha256>::new_from_slice(secret).expect("a key may have any length");
        // An id has the same length always, so that no other name with another id gives the same text.
        code.update(name.as_bytes());
        code.update(id.as_bytes());
        Ok(code)
    }
}
