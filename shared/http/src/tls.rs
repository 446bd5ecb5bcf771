//! TLS in this process, for those who have no balancer that ends it.
//!
//! Certificate and key are two PEM files. They are read at the start, and again whenever they have changed: whoever
//! connects next gets the new certificate, and whoever is connected notices nothing. New files that can't be used leave
//! the old ones in use, and the log says so. The handshake is made in the connection's own task.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use std::{fs, io};

use ringside_model::{Clock, Timestamp};
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{InconsistentKeys, ServerConfig};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use x509_parser::prelude::{FromDer, X509Certificate};

/// How often it is looked whether the files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// An end that is nearer is worth a warning.
const ENDS_SOON_SECS: i64 = 14 * 24 * 3600;
/// So much waits encrypted for a client at most: one record. What is encrypted can't be replaced by something newer.
const HELD_BYTES: usize = 16 << 10;
/// Who asks in plain text is told so, and is listened to for so long while it reads that.
const TELL_WITHIN: Duration = Duration::from_secs(1);
const PLAIN_TEXT_ANSWER: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
     connection: close\r\n\r\nThis port speaks TLS: ask for https:// in place of http://.\n";

/// Marks a request that came over TLS which ends here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OverTls;

/// The certificate that this process shows, and its key.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    ends: Timestamp,
    /// Of what was read.
    digest: [u8; 32],
}

/// Why two files are no certificate with its key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or not ours to read.
    #[error("{} can't be read: {reason}", .file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// No certificate in it.
    #[error(
        "{} holds no certificate; it must be a PEM file with the server's certificate first and those that vouch for it after it",
        .0.display()
    )]
    NoCertificate(PathBuf),
    /// No key in it.
    #[error(
        "{} holds no private key that can be used; it must be a PEM file with a key that is not encrypted (\"openssl pkey -in \
         old.pem -out new.pem\" takes a password off)",
        .0.display()
    )]
    NoKey(PathBuf),
    /// They don't belong together.
    #[error("the key in {} is not the one of the certificate in {}; give the two that were made together", .key.display(), .certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Nothing that a handshake can be made with.
    #[error("the certificate in {} can't be used: {reason}", .certificate.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Tls {
    /// Reads both files.
    pub fn open(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let current = Current::of(certificate, key, &read(certificate, key)?)?;
        Ok(Arc::new(Self { certificate: certificate.into(), key: key.into(), current: RwLock::new(current) }))
    }

    /// When the certificate ends.
    pub fn ends(&self) -> Timestamp {
        self.current.read().expect("nobody panics with it").ends
    }

    /// Reads the files again, where they have changed; true where others are in use from now on.
    pub(crate) fn look_again(&self) -> Result<bool, TlsError> {
        let texts = read(&self.certificate, &self.key)?;
        if self.current.read().expect("nobody panics with it").digest == digest(&texts) {
            return Ok(false);
        }
        let new = Current::of(&self.certificate, &self.key, &texts)?;
        *self.current.write().expect("nobody panics with it") = new;
        Ok(true)
    }

    /// Looks again and again, until `stop`; and warns once of each certificate whose end has come near.
    pub(crate) async fn keep(self: Arc<Self>, clock: Clock, stop: CancellationToken) {
        let mut warned = self.warn_of_end(clock());
        let mut said = None;
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let tls = self.clone();
            let looked = tokio::task::spawn_blocking(move || tls.look_again()).await;
            let trouble = match looked {
                Ok(Ok(new)) => {
                    if new {
                        info!(certificate = %self.certificate.display(), ends = %self.ends(), "a new certificate is in use");
                        warned = false;
                    }
                    None
                }
                Ok(Err(reason)) => Some(reason.to_string()),
                Err(failed) => Some(failed.to_string()),
            };
            if let Some(reason) = trouble.as_ref().filter(|_| trouble != said) {
                warn!(reason, "the new certificate can't be used; the old one goes on");
            }
            said = trouble;
            warned = warned || self.warn_of_end(clock());
        }
    }

    /// Warns where the end is near; true where it was.
    fn warn_of_end(&self, now: Timestamp) -> bool {
        let ends = self.ends();
        let soon = ends.since(now) < ENDS_SOON_SECS * 1000;
        if soon {
            warn!(certificate = %self.certificate.display(), %ends, "the certificate ends soon, or has ended; renew it");
        }
        soon
    }

    /// Makes the handshake with somebody who has connected. None where that came to nothing.
    pub async fn accept(&self, mut socket: TcpStream) -> Option<TlsStream<TcpStream>> {
        let mut first = [0];
        // A record of TLS begins with a byte that is no letter.
        if socket.peek(&mut first).await.ok()? == 1 && first[0].is_ascii_uppercase() {
            let _ = tokio::time::timeout(TELL_WITHIN, tell_plain_text(&mut socket)).await;
            return None;
        }
        let config = self.current.read().expect("nobody panics with it").config.clone();
        let accepted =
            TlsAcceptor::from(config).accept_with(socket, |session| session.set_buffer_limit(Some(HELD_BYTES)));
        accepted.await.inspect_err(|reason| debug!(%reason, "a handshake came to nothing")).ok()
    }
}

/// Tells somebody who does not speak TLS, and waits until it has read that: to close before would take it away.
async fn tell_plain_text(socket: &mut TcpStream) -> io::Result<()> {
    socket.write_all(PLAIN_TEXT_ANSWER.as_bytes()).await?;
    socket.shutdown().await?;
    let mut unread = [0; 512];
    while socket.read(&mut unread).await? > 0 {}
    Ok(())
}

/// Both files, as they are.
fn read(certificate: &Path, key: &Path) -> Result<[Vec<u8>; 2], TlsError> {
    let read = |file: &Path| fs::read(file).map_err(|reason| TlsError::Unreadable { file: file.into(), reason });
    Ok([read(certificate)?, read(key)?])
}

fn digest(texts: &[Vec<u8>; 2]) -> [u8; 32] {
    let parts = texts.each_ref().map(Sha256::digest);
    Sha256::digest(parts.concat()).into()
}

impl Current {
    fn of(certificate: &Path, key: &Path, texts: &[Vec<u8>; 2]) -> Result<Self, TlsError> {
        let unusable = |reason: String| TlsError::Unusable { certificate: certificate.into(), reason };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&texts[0])
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::NoCertificate(certificate.into()))?;
        let first = chain.first().ok_or_else(|| TlsError::NoCertificate(certificate.into()))?;
        let (_, read) = X509Certificate::from_der(first).map_err(|_| unusable("it is no X.509 certificate".into()))?;
        let ends = Timestamp::from_millis(read.validity().not_after.timestamp().saturating_mul(1000));
        let private = PrivateKeyDer::from_pem_slice(&texts[1]).map_err(|_| TlsError::NoKey(key.into()))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    TlsError::Mismatch { certificate: certificate.into(), key: key.into() }
                }
                rustls::Error::General(_) => TlsError::NoKey(key.into()),
                other => unusable(other.to_string()),
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Who comes back, as everybody does after a restart of a balancer, needs no signature; and we remember nobody.
        config.ticketer = Ticketer::new().map_err(|error| unusable(error.to_string()))?;
        Ok(Self { config: Arc::new(config), ends, digest: digest(texts) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ringside_model::system_clock;
    use tempfile::TempDir;
    use tokio::time::{Instant, sleep};

    use super::*;

    /// A certificate with its key, and when it ends.
    fn make() -> (String, String, i64) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        certificate.not_after = rcgen::date_time_ymd(2031, 3, 9);
        (certificate.self_signed(&key).unwrap().pem(), key.serialize_pem(), 1_930_780_800)
    }

    fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file
    }

    #[test]
    fn a_certificate_is_read_with_its_end() {
        let folder = TempDir::new().unwrap();
        let (certificate, key, ends) = make();
        let tls = Tls::open(&write(&folder, "c", &certificate), &write(&folder, "k", &key)).unwrap();
        assert_eq!(tls.ends().seconds(), ends);
        // Some write both into one file.
        let both = write(&folder, "both", &format!("{key}{certificate}"));
        assert!(Tls::open(&both, &both).is_ok());
    }

    #[test]
    fn files_that_can_not_be_used_are_named_with_what_to_do() {
        let folder = TempDir::new().unwrap();
        let (certificate, key, _) = make();
        let (_, other_key, _) = make();
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let broken = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        let bad_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
        for (c, k, sentence) in [
            (&*key, &*key, "c holds no certificate; it must be a PEM file"),
            ("", &*key, "c holds no certificate; it must be a PEM file"),
            (broken, &*key, "c holds no certificate; it must be a PEM file"),
            (garbage, &*key, "c can't be used: it is no X.509 certificate"),
            (&*certificate, &*certificate, "k holds no private key that can be used"),
            (&*certificate, &*encrypted, "openssl pkey -in"),
            (&*certificate, bad_key, "k holds no private key that can be used"),
            (&*certificate, &*other_key, "k is not the one of the certificate in "),
        ] {
            let error = Tls::open(&write(&folder, "c", c), &write(&folder, "k", k)).unwrap_err().to_string();
            assert!(error.contains(sentence), "{error}");
            assert!(!error.contains("BEGIN") && !error.contains(&key[40..60]), "no key is told: {error}");
        }
        let error = Tls::open(&folder.path().join("none"), &folder.path().join("k")).unwrap_err().to_string();
        assert!(error.contains("none can't be read: "), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn new_files_are_taken_and_bad_ones_leave_the_old_in_use() {
        let folder = TempDir::new().unwrap();
        let (certificate, key, _) = make();
        let files = [write(&folder, "c", &certificate), write(&folder, "k", &key)];
        let tls = Tls::open(&files[0], &files[1]).unwrap();
        let in_use = || tls.current.read().unwrap().digest;
        let before = in_use();
        let stop = CancellationToken::new();
        let keeps = tokio::spawn(tls.clone().keep(system_clock(), stop.clone()));
        let (new_certificate, new_key, _) = make();
        // The certificate is there before its key, as it happens.
        fs::write(&files[0], &new_certificate).unwrap();
        assert!(matches!(tls.look_again(), Err(TlsError::Mismatch { .. })));
        sleep(LOOK_EVERY * 3).await;
        assert!(!keeps.is_finished() && in_use() == before);
        fs::write(&files[1], &new_key).unwrap();
        sleep(LOOK_EVERY * 3).await;
        assert_ne!(in_use(), before, "they are taken by themselves");
        assert!(!tls.look_again().unwrap(), "and not twice");
        stop.cancel();
        keeps.await.unwrap();
    }

    /// What is logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_comes_near_while_the_process_runs_is_told_once_for_each_certificate() {
        let log = Log::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let _listening = tracing::subscriber::set_default(lines);
        let warnings = || String::from_utf8(log.0.lock().unwrap().clone()).unwrap().matches("ends soon").count();

        let folder = TempDir::new().unwrap();
        let (certificate, key, _) = make();
        let both = write(&folder, "both", &format!("{key}{certificate}"));
        let tls = Tls::open(&both, &both).unwrap();
        let near = tls.ends().plus_millis(-1000 * ENDS_SOON_SECS);
        let began = Instant::now();
        let clock: Clock = Arc::new(move || near.plus_millis(began.elapsed().as_millis() as i64 - 60_000));
        let stop = CancellationToken::new();
        let keeps = tokio::spawn(tls.clone().keep(clock, stop.clone()));
        sleep(Duration::from_secs(55)).await;
        assert_eq!(warnings(), 0, "a minute before the last 14 days");
        sleep(Duration::from_secs(600)).await;
        assert_eq!(warnings(), 1, "within them");
        let (certificate, key, _) = make();
        write(&folder, "both", &format!("{key}{certificate}"));
        sleep(Duration::from_secs(600)).await;
        assert_eq!(warnings(), 2, "the new one ends as soon");
        stop.cancel();
        keeps.await.unwrap();
    }
}
