//! Password hashing with argon2id.
//!
//! Only a few are hashed at a time, so that a flood of sign-ins can't use up all memory.

use std::fmt;
use std::sync::{Arc, LazyLock};

use argon2::password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::random::random_text;

/// How many passwords are hashed at once, with 19 MiB each.
const CONCURRENT: usize = 4;
/// How many more may wait for their turn.
///
/// Above that, requests are rejected at once.
const QUEUED: usize = 64;

/// A hash to verify against if there is no account, so that it takes as long.
static DUMMY_HASH: LazyLock<String> = LazyLock::new(|| hash(&random_text(24)));

/// Hashes and compares passwords off the async threads.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    /// One for each password that is hashed or waits.
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// Too many passwords wait to be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many sign-ins at once")]
pub(crate) struct Busy;

impl Passwords {
    pub(crate) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(CONCURRENT + QUEUED)), turns: Arc::new(Semaphore::new(CONCURRENT)) }
    }

    /// Returns whether the password matches the hash.
    ///
    /// Without a hash it takes as long as with a wrong password.
    pub(crate) async fn verify(&self, phc: Option<String>, password: String) -> Result<bool, Busy> {
        self.work(move || {
            let known = phc.is_some();
            let phc = phc.unwrap_or_else(|| DUMMY_HASH.clone());
            known & matches(&password, &phc).unwrap_or(false)
        })
        .await
    }

    /// Hashes a new password. The PHC string contains the parameters.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Busy> {
        self.work(move || hash(&password)).await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Busy)?;
        let turn = self.turns.clone().acquire_owned().await.expect("the semaphore is never closed");
        // Hashing continues if the caller is dropped, and keeps its turn until it is done.
        let work = move || {
            let done = work();
            drop((turn, place));
            done
        };
        Ok(tokio::task::spawn_blocking(work).await.expect("hashing does not panic"))
    }
}

fn hash(password: &str) -> String {
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).expect("16 bytes are a valid salt");
    let hashed = hash_into(&hasher(), password, salt.as_salt(), Params::DEFAULT_OUTPUT_LEN);
    let phc = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(hasher().params()).expect("the parameters are valid"),
        salt: Some(salt.as_salt()),
        hash: Some(hashed.expect("the parameters are valid")),
    };
    phc.to_string()
}

/// Returns whether the password matches the hash, or none if the hash is malformed.
fn matches(password: &str, phc: &str) -> Option<bool> {
    let phc = PasswordHash::new(phc).ok()?;
    let algorithm = Algorithm::try_from(phc.algorithm).ok()?;
    let version = Version::try_from(phc.version?).ok()?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&phc).ok()?);
    let wanted = phc.hash?;
    // Compared in constant time, as `Output` does it.
    Some(hash_into(&argon2, password, phc.salt?, wanted.len())? == wanted)
}

/// Memory for hashing, kept for reuse.
///
/// The allocator doesn't reuse freed blocks of 19 MiB well: the process would grow with each sign-in.
static MEMORY: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

fn hash_into(argon2: &Argon2<'_>, password: &str, salt: Salt<'_>, length: usize) -> Option<Output> {
    let mut salt_bytes = [0; Salt::MAX_LENGTH];
    let salt = salt.decode_b64(&mut salt_bytes).ok()?;
    let mut blocks = MEMORY.lock().pop().unwrap_or_default();
    blocks.resize(argon2.params().block_count(), Block::default());
    let hashed = Output::init_with(length, |out| {
        Ok(argon2.hash_password_into_with_memory(password.as_bytes(), salt, out, &mut blocks)?)
    });
    let mut memory = MEMORY.lock();
    if memory.len() < CONCURRENT {
        memory.push(blocks);
    }
    hashed.ok()
}

/// A generated password, which is shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct GeneratedPassword(pub(super) String);

impl GeneratedPassword {
    /// Generates sixteen letters and digits.
    pub fn generate() -> Self {
        Self(random_text(16))
    }
}

impl fmt::Display for GeneratedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hides the password: debug output ends up in logs.
impl fmt::Debug for GeneratedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GeneratedPassword(…)")
    }
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
        assert!(passwords.verify(Some(phc.clone()), "correct horse".into()).await.unwrap());
        assert!(!passwords.verify(Some(phc), "battery staple".into()).await.unwrap());
        assert!(!passwords.verify(Some("damaged".into()), "x".into()).await.unwrap());
        assert!(!passwords.verify(None, "x".into()).await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_of_passwords_rejects_at_once() {
        let passwords = Passwords::new();
        let held = passwords.turns.clone().acquire_many_owned(4).await.unwrap();
        let mut waiting: Vec<_> = (0..CONCURRENT + QUEUED).map(|_| Box::pin(passwords.work(|| ()))).collect();
        for one in &mut waiting {
            assert!(futures_util::poll!(one).is_pending());
        }
        assert_eq!(passwords.verify(None, "x".into()).await, Err(Busy));
        // A waiting caller that is dropped gives up its place.
        waiting.pop();
        let mut last = Box::pin(passwords.work(|| ()));
        assert!(futures_util::poll!(&mut last).is_pending());
        assert_eq!(passwords.work(|| ()).await, Err(Busy));
        drop(held);
        for one in waiting {
            assert_eq!(one.await, Ok(()));
        }
        assert_eq!(last.await, Ok(()));
        assert_eq!(passwords.work(|| ()).await, Ok(()));
    }

    #[tokio::test]
    async fn a_dropped_caller_keeps_its_turn_until_hashing_ends() {
        let passwords = Passwords::new();
        let (started, has_started) = tokio::sync::oneshot::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let asking = passwords.clone();
        let task = tokio::spawn(async move {
            let work = move || {
                started.send(()).expect("the test waits");
                may_go_on.recv().expect("the test lets it go on");
            };
            asking.work(work).await
        });
        has_started.await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(passwords.turns.available_permits(), CONCURRENT - 1);
        go_on.send(()).unwrap();
        drop(passwords.turns.acquire_many(4).await.unwrap());
    }

    #[tokio::test]
    async fn hashing_reuses_the_memory_of_a_few_passwords() {
        let passwords = Passwords::new();
        let phc = hash("correct horse");
        let checks: Vec<_> = (0..40)
            .map(|n| {
                let (passwords, phc) = (passwords.clone(), phc.clone());
                tokio::spawn(async move {
                    let new = passwords.hash(format!("new {n}")).await?;
                    let is = async |phc| passwords.verify(Some(phc), format!("new {n}")).await;
                    Ok::<_, Busy>((is(phc).await?, is(new).await?))
                })
            })
            .collect();
        for check in checks {
            assert_eq!(check.await.unwrap(), Ok((false, true)));
        }
        let memory = MEMORY.lock();
        assert!((1..=CONCURRENT).contains(&memory.len()) && memory.iter().all(|blocks| blocks.len() == 19 * 1024));
    }
}
