//! What a socket's bytes go through: TCP as it is, or TLS around it. Neither makes anybody wait.
//!
//! An encrypted one is read by its task while its shard writes, so the session between them has a lock, which is held for
//! as long as one record takes to be made or read. What the kernel does not take of a record is held here, at most one
//! record; as long as something is held, nothing more is encrypted, and the socket counts as full.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::{Mutex, MutexGuard};

use rustls::ServerConnection;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The way to a client.
pub(super) enum Transport {
    Plain(TcpStream),
    Encrypted(Box<Encrypted>),
}

/// A TCP socket with TLS around it.
pub(super) struct Encrypted {
    tcp: TcpStream,
    session: Mutex<Session>,
}

struct Session {
    tls: ServerConnection,
    /// So much was decrypted that nobody has read.
    unread: usize,
}

impl Transport {
    /// Goes on where the HTTP server stopped.
    pub(super) fn encrypted(stream: TlsStream<TcpStream>) -> Self {
        let (tcp, mut tls) = stream.into_inner();
        // What is wrong with the session is found again by the first who reads.
        let unread = tls.process_new_packets().map_or(0, |state| state.plaintext_bytes_to_read());
        Self::Encrypted(Box::new(Encrypted { tcp, session: Mutex::new(Session { tls, unread }) }))
    }

    /// The socket below.
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Encrypted(encrypted) => &encrypted.tcp,
        }
    }

    /// Returns once there may be something to read.
    pub(super) async fn readable(&self) -> io::Result<()> {
        if let Self::Encrypted(encrypted) = self
            && encrypted.session()?.unread > 0
        {
            return Ok(());
        }
        self.tcp().readable().await
    }

    /// Returns once it may be written to.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.tcp().writable().await
    }

    /// Reads what has come; nothing at the end.
    pub(super) fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_read(bytes),
            Self::Encrypted(encrypted) => encrypted.session()?.read(&encrypted.tcp, bytes),
        }
    }

    /// Says that nothing more will be written.
    pub(super) fn end_writing(&self) -> io::Result<()> {
        if let Self::Encrypted(encrypted) = self {
            let mut session = encrypted.session()?;
            session.tls.send_close_notify();
            // Where there is no room for it the end of the TCP stream has to do; the close frame has said the same.
            let _ = session.send(&encrypted.tcp);
        }
        SockRef::from(self.tcp()).shutdown(Shutdown::Write)
    }
}

impl Encrypted {
    /// Encrypts some of this and sends it, behind what is held; returns how much it took, how much went out encrypted, and
    /// how much of that is held. Takes nothing while something is held.
    pub(super) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<Written> {
        let mut session = self.session()?;
        let mut sent = session.send(&self.tcp)?;
        let mut taken = 0;
        if !session.tls.wants_write() && !slices.is_empty() {
            taken = session.tls.writer().write_vectored(slices)?;
            sent += session.send(&self.tcp)?;
        }
        let held = if session.tls.wants_write() { session.look()? } else { 0 };
        Ok(Written { taken, sent, held })
    }

    /// A session in which somebody panicked is not used any further.
    fn session(&self) -> io::Result<MutexGuard<'_, Session>> {
        self.session.lock().map_err(|_| io::Error::other("its session is broken"))
    }
}

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// So much of what was given.
    pub(super) taken: usize,
    /// So much went out, in bytes as they are on the wire.
    pub(super) sent: usize,
    /// So much is encrypted and did not go out yet.
    pub(super) held: usize,
}

impl Session {
    /// Sends what is encrypted, as far as the kernel takes it.
    fn send(&mut self, tcp: &TcpStream) -> io::Result<usize> {
        let mut sent = 0;
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Bare(tcp)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Reads at most once from the network, so that who sends records with nothing in them holds up nobody.
    fn read(&mut self, tcp: &TcpStream, bytes: &mut [u8]) -> io::Result<usize> {
        if self.unread == 0 {
            // At the end of the stream the reader below says whether that was announced; to us it is the same.
            self.tls.read_tls(&mut Bare(tcp))?;
            let looked = self.look();
            // An alert, or a key that has changed: where there is no room now it goes with what is written next.
            self.send(tcp)?;
            looked?;
        }
        let count = match self.tls.reader().read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        self.unread = self.unread.saturating_sub(count);
        Ok(count)
    }

    /// Decrypts what has come, and returns how much waits to be sent.
    fn look(&mut self) -> io::Result<usize> {
        let state = self.tls.process_new_packets().map_err(io::Error::other)?;
        self.unread = state.plaintext_bytes_to_read();
        Ok(state.tls_bytes_to_write())
    }
}

/// A socket as the TLS library reads and writes it.
struct Bare<'a>(&'a TcpStream);

impl Read for Bare<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(bytes)
    }
}

impl Write for Bare<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use ringside_http::Tls;
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream as ClientStream;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Both ends of a connection; ours as the HTTP server has it.
    async fn connect() -> (ClientStream<TcpStream>, TlsStream<TcpStream>) {
        let folder = tempfile::TempDir::new().unwrap();
        let (certificate, key) = (folder.path().join("c"), folder.path().join("k"));
        let pair = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&pair).unwrap();
        std::fs::write(&certificate, made.pem()).unwrap();
        std::fs::write(&key, pair.serialize_pem()).unwrap();
        let tls = Tls::open(&certificate, &key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (near, _) = listener.accept().await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let (client, server) = tokio::join!(connector.connect(name, to), tls.accept(near));
        (client.unwrap(), server.unwrap())
    }

    async fn read_some(transport: &Transport, bytes: &mut [u8]) -> usize {
        loop {
            timeout(PATIENCE, transport.readable()).await.expect("there is something to read").unwrap();
            match transport.try_read(bytes) {
                Ok(count) => return count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[tokio::test]
    async fn what_the_http_server_left_unread_is_read_though_nothing_else_comes() {
        let (mut client, mut server) = connect().await;
        let record: Vec<u8> = (0..12_000).map(|n| n as u8).collect();
        client.write_all(&record).await.unwrap();
        let mut read = vec![0; 10];
        server.read_exact(&mut read).await.unwrap();
        let transport = Transport::encrypted(server);
        let mut bytes = [0; 4096];
        while read.len() < record.len() {
            let count = read_some(&transport, &mut bytes).await;
            read.extend(&bytes[..count]);
        }
        assert_eq!(read, record);
        client.shutdown().await.unwrap();
        assert_eq!(read_some(&transport, &mut bytes).await, 0, "the end is one");
    }

    #[tokio::test]
    async fn for_who_reads_nothing_one_record_is_held_and_it_gets_all_of_what_was_taken() {
        let (mut client, server) = connect().await;
        let transport = Transport::encrypted(server);
        let Transport::Encrypted(encrypted) = &transport else { panic!("it is encrypted") };
        let chunk: Vec<u8> = (0..50_000).map(|n| (n % 251) as u8).collect();
        let mut taken: Vec<u8> = Vec::new();
        let written = loop {
            let from = taken.len() % chunk.len();
            let written = encrypted.write(&[IoSlice::new(&chunk[from..])]).unwrap();
            taken.extend(&chunk[from..from + written.taken]);
            if written.held > 0 {
                break written;
            }
            assert!(written.taken > 0 && written.sent > written.taken, "{written:?}");
        };
        assert!(written.held <= 17 << 10, "{written:?}: a record and what goes around it");
        let full = encrypted.write(&[IoSlice::new(&chunk)]).unwrap();
        assert_eq!((full.taken, full.sent), (0, 0), "nothing more is taken, nobody is waited for");
        let reads = tokio::spawn(async move {
            let mut read = Vec::new();
            client.read_to_end(&mut read).await.map(|_| read)
        });
        while encrypted.write(&[]).unwrap().held > 0 {
            timeout(PATIENCE, transport.writable()).await.expect("there is room again").unwrap();
        }
        transport.end_writing().unwrap();
        let read = timeout(PATIENCE, reads).await.unwrap().unwrap().expect("the end is announced");
        assert!(read == taken, "{} bytes of {}", read.len(), taken.len());
    }
}
