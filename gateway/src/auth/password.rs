//! Passwords: hashed with argon2id, a few at a time, so that a flood of logins can't take all memory.

use std::sync::{Arc, LazyLock};

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

/// So many passwords are hashed at once; each takes 19 MiB while it is.
const AT_ONCE: usize = 4;

/// What the password of an account that does not exist is compared with, so that it takes as long.
static NOBODYS: LazyLock<String> = LazyLock::new(|| hash(&random_text(24)));

/// Hashes and compares passwords off the async threads.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// True where the password is that of the hash. No hash takes as long as a wrong password.
    pub(crate) async fn verify(&self, phc: Option<String>, password: String) -> bool {
        self.work(move || {
            let known = phc.is_some();
            let phc = phc.unwrap_or_else(|| NOBODYS.clone());
            let same =
                PasswordHash::new(&phc).is_ok_and(|hash| hasher().verify_password(password.as_bytes(), &hash).is_ok());
            known && same
        })
        .await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        tokio::task::spawn_blocking(work).await.expect("hashing does not panic")
    }
}

/// A password's hash in PHC form, which carries its own parameters.
pub(crate) fn hash(password: &str) -> String {
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).expect("16 bytes are a salt");
    hasher().hash_password(password.as_bytes(), &salt).expect("the parameters are valid").to_string()
}

/// A password that nobody guesses, easy to type: letters and digits without those that look alike.
pub(crate) fn random_text(length: usize) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    (0..length).map(|_| char::from(LETTERS[usize::from(rand::random::<u8>() % 32)])).collect()
}

fn hasher() -> Argon2<'static> {
    // OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
    let params = Params::new(19 * 1024, 2, 1, None).expect("the parameters are valid");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let passwords = Passwords::new();
        let phc = hash("correct horse");
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(passwords.verify(Some(phc.clone()), "correct horse".into()).await);
        assert!(!passwords.verify(Some(phc), "battery staple".into()).await);
        assert!(!passwords.verify(Some("damaged".into()), "x".into()).await);
        assert!(!passwords.verify(None, "x".into()).await);
    }
}
