//! The port with TLS: all doors work over it as without, nobody who is slow or hostile there costs others anything, and a
//! renewed certificate is noticed by nobody.
//!
//! Most of it is asked through a relay that takes plain text and speaks TLS to the gateway, so that the other tests' own
//! clients can be used.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use ringside_access::Accounts;
use ringside_http::{ServeSettings, Tls, serve_with};
use ringside_rig::until;
use ringside_wire::frame_kind;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role as End;
use tokio_util::sync::CancellationToken;

use crate::support::client::{Client, PATIENCE, calls};
use crate::support::raw_websocket;
use crate::support::stream::Stream;
use crate::support::test_gateway::{TestGateway, tenant};

/// Socket buffer of the relay, on each side.
const RELAYED_BYTES: u32 = 32 << 10;

/// A gateway's port that speaks TLS, with a certificate of its own.
struct Secure {
    floor: TestGateway,
    address: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
    tls: Arc<Tls>,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
    _folder: TempDir,
}

impl Secure {
    async fn start() -> Self {
        Self::with(ServeSettings::default()).await
    }

    async fn with(settings: ServeSettings) -> Self {
        let floor = TestGateway::start().await;
        let folder = TempDir::new().unwrap();
        let (certificate, key) = (folder.path().join("fullchain.pem"), folder.path().join("privkey.pem"));
        make_certificate(&certificate, &key);
        let tls = Tls::open(&certificate, &key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let settings = ServeSettings { tls: Some(tls.clone()), ..settings };
        let server = tokio::spawn(serve_with(settings, listener, floor.gateway.router(), stop.clone()));
        Self { floor, address, certificate, key, tls, stop, server, _folder: folder }
    }

    fn connector(&self, versions: &[&'static SupportedProtocolVersion]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.certificate).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsConnector::from(Arc::new(config))
    }

    /// A connection that trusts the certificate which is in the file now.
    async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        self.connector(rustls::ALL_VERSIONS).connect(name, TcpStream::connect(self.address).await?).await
    }

    /// An address where plain text is taken, and said to the gateway over TLS.
    async fn relay(&self) -> SocketAddr {
        let (connector, to) = (self.connector(rustls::ALL_VERSIONS), self.address);
        // Little is on its way in it, so that who does not read is soon behind.
        let narrow = TcpSocket::new_v4().unwrap();
        narrow.set_send_buffer_size(RELAYED_BYTES).unwrap();
        narrow.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = narrow.listen(16).unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut plain, _) = listener.accept().await.unwrap();
                let connector = connector.clone();
                tokio::spawn(async move {
                    let name = ServerName::try_from("localhost").unwrap();
                    let narrow = TcpSocket::new_v4().unwrap();
                    narrow.set_recv_buffer_size(RELAYED_BYTES).unwrap();
                    let mut secure = connector.connect(name, narrow.connect(to).await.unwrap()).await.unwrap();
                    // Either end may leave in the middle.
                    let _ = copy_bidirectional(&mut plain, &mut secure).await;
                });
            }
        });
        address
    }

    async fn client(&self, rooms: &[&str]) -> Client {
        let mut client = Client::connect(self.relay().await, "/ws", &self.floor.token().await).await;
        for room in rooms {
            client.subscribe(room).await;
            client.until_that(|frame| frame["type"] == "initial" && frame["room"] == *room).await;
        }
        client
    }
}

fn make_certificate(certificate: &PathBuf, key: &PathBuf) {
    let pair = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&pair).unwrap();
    fs::write(certificate, made.pem()).unwrap();
    fs::write(key, pair.serialize_pem()).unwrap();
}

/// Asks on a connection that is kept, and reads the answer to its end.
async fn ask(stream: &mut TlsStream<TcpStream>, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    timeout(PATIENCE, async {
        loop {
            said.push(stream.read_u8().await.unwrap());
            let text = String::from_utf8_lossy(&said).to_lowercase();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() == length.parse::<usize>().unwrap() {
                    return text;
                }
            }
        }
    })
    .await
    .expect("an answer in time")
}

#[tokio::test]
async fn pages_and_questions_are_answered_and_the_connection_is_kept() {
    let secure = Secure::start().await;
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]] {
        let name = ServerName::try_from("localhost").unwrap();
        let tcp = TcpStream::connect(secure.address).await.unwrap();
        let mut stream = secure.connector(versions).connect(name, tcp).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        for _ in 0..3 {
            let answer = ask(&mut stream, "/healthz").await;
            assert!(answer.starts_with("http/1.1 200 "), "{answer}");
            assert!(answer.contains("strict-transport-security: max-age=31536000\r\n"), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_login_over_tls_gets_a_cookie_that_only_tls_carries() {
    let secure = Secure::start().await;
    Accounts::ensure_admin(secure.floor.engine.as_ref(), &tenant(), Some("a long password")).await.unwrap();
    let url = format!("http://{}/auth/login", secure.relay().await);
    let login = json!({ "username": "admin", "password": "a long password" });
    let answer = reqwest::Client::new().post(url).json(&login).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let cookies: Vec<_> =
        answer.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    let ours = cookies.iter().find(|cookie| cookie.starts_with("__Host-ringside=")).expect("the prefix insists on TLS");
    assert!(ours.contains("Secure") && ours.contains("HttpOnly") && ours.contains("Path=/"), "{ours}");
}

#[tokio::test]
async fn a_thousand_frames_arrive_whole_and_the_end_has_its_code() {
    let secure = Secure::start().await;
    let mut client = secure.client(&["calls:alpha", "campaign:alpha"]).await;
    let floor = &secure.floor;
    for n in 1..=1000 {
        if n % 100 == 0 {
            // Longer than a record of TLS, and than what is held of one.
            let call = json!({ "callId": format!("c{n}"), "to": "x".repeat(100_000) });
            floor.event("calls:alpha", frame_kind::CALL_EVENT, json!({ "calls": [call] })).await;
            floor.numbers("alpha", n, n).await;
        } else {
            floor.call("alpha", n as u64).await;
        }
        if n % 50 == 0 {
            for n in n - 49..=n {
                let counts = |frame: &Value| ["call_event", "skipped"].contains(&frame["type"].as_str().unwrap());
                assert_eq!(calls(&client.until_that(counts).await), [format!("c{n}")]);
            }
        }
    }
    client.send(json!({ "action": "ping" })).await;
    client.until("pong").await;
    let gateway = floor.gateway.clone();
    let drained = tokio::spawn(async move { gateway.drain().await });
    client.until("bye").await;
    assert_eq!(client.close_code().await, 4503);
    drained.await.unwrap();
}

#[tokio::test]
async fn streams_and_polls_go_on_from_their_cursors() {
    let secure = Secure::start().await;
    let (relay, token) = (secure.relay().await, secure.floor.token().await);
    secure.floor.call("alpha", 1).await;
    let ask = |path: String| reqwest::Client::new().get(format!("http://{relay}{path}")).bearer_auth(&token).send();
    let first: Value = ask("/poll?rooms=calls:alpha&wait=0".into()).await.unwrap().json().await.unwrap();
    let cursor = first["cursor"].as_str().unwrap();
    let later = tokio::spawn(ask(format!("/poll?rooms={cursor}&wait=20")));
    let mut stream = Stream::open_at(&format!("http://{relay}/events?rooms={cursor}"), &token, None).await;
    stream.checker.resume("calls:alpha", secure.floor.head("calls:alpha").await);
    secure.floor.call("alpha", 2).await;
    let news: Value = later.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(calls(&news["frames"][0]), ["c2"]);
    assert_eq!(calls(&stream.until("call_event").await.0), ["c2"]);
}

#[tokio::test]
async fn what_comes_in_one_record_is_heard_to_its_last_byte_also_right_behind_the_handshake() {
    let secure = Secure::start().await;
    let token = secure.floor.token().await;
    let head = format!(
        "GET /ws HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    // They fit into one record, and not into what is read at once, of the network or of what was decrypted. Nothing comes
    // after them that would wake anybody.
    let pings =
        [raw_websocket::text(raw_websocket::ping(6_000)), raw_websocket::text(raw_websocket::ping(6_000))].concat();
    let mut stream = secure.connect().await.unwrap();
    stream.write_all(&[head.as_bytes(), &pings].concat()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(timeout(PATIENCE, stream.read_u8()).await.expect("an answer in time").unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", answer.escape_ascii());
    let mut socket = WebSocketStream::from_raw_socket(stream, End::Client, None).await;
    for _ in 0..2 {
        let mut pongs = 0;
        while pongs < 2 {
            let message = timeout(PATIENCE, socket.next()).await.expect("an answer in time").unwrap().unwrap();
            if let Message::Text(text) = message {
                pongs += u32::from(serde_json::from_str::<Value>(&text).unwrap()["type"] == "pong");
            }
        }
        socket.get_mut().write_all(&pings).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_reads_nothing_delays_nobody_holds_little_and_is_told_what_it_missed() {
    const CALLS: u64 = 40;
    let secure = Secure::start().await;
    let mut slow = secure.client(&["calls:large"]).await;
    let mut fast = secure.client(&["calls:large"]).await;
    let admin = {
        let mut claims = TestGateway::claims(None);
        claims["role"] = json!("admin");
        claims["sub"] = json!("root");
        secure.floor.sign(&claims).await
    };
    let most_queued = async || {
        let (status, found) = secure.floor.ask("/admin/connections", &admin).await;
        assert_eq!(status, 200, "{found}");
        let all = found["connections"].as_array().unwrap();
        // One that is too busy to be looked at tells nothing.
        all.iter().filter_map(|connection| connection["queuedBytes"].as_u64()).max().unwrap_or_default()
    };
    let filler = "x".repeat(100_000);
    let mut queued = 0;
    for n in 1..=CALLS {
        let call = json!({ "callId": format!("c{n}"), "to": filler });
        secure.floor.event("calls:large", frame_kind::CALL_EVENT, json!({ "calls": [call] })).await;
        let counts = |frame: &Value| ["call_event", "skipped"].contains(&frame["type"].as_str().unwrap());
        assert_eq!(calls(&fast.until_that(counts).await), [format!("c{n}")], "who reads gets each");
        queued = queued.max(most_queued().await);
    }
    assert!(queued > 0, "one of them was full");
    assert!(queued < 512 << 10, "{queued} bytes waited for it");
    let (mut got, mut skipped) = (0, 0);
    while got + skipped < CALLS {
        let frame = slow.next().await.expect("who reads again is not sent away");
        match frame["type"].as_str().unwrap() {
            "call_event" => got += 1,
            "skipped" => skipped += frame["count"].as_u64().unwrap(),
            other => panic!("{other}"),
        }
    }
    assert!(got + skipped == CALLS && skipped > 0, "{got} came and {skipped} were told");
    secure.floor.call("large", CALLS + 1).await;
    slow.until_that(|frame| calls(frame) == [format!("c{}", CALLS + 1)]).await;
}

#[tokio::test]
async fn plain_text_is_answered_with_what_to_do() {
    let secure = Secure::start().await;
    let mut plain = TcpStream::connect(secure.address).await.unwrap();
    plain.write_all(b"POST /ingest/events HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody").await.unwrap();
    let mut said = String::new();
    timeout(PATIENCE, plain.read_to_string(&mut said)).await.expect("the connection is ended").unwrap();
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("ask for https://"), "{said}");
}

#[tokio::test]
async fn who_says_garbage_or_nothing_in_place_of_a_handshake_is_cut_off_and_others_are_served() {
    // Our own handshake has to be through in it as well.
    let asks_within = Duration::from_secs(3);
    let secure = Secure::with(ServeSettings { asks_within, ..ServeSettings::default() }).await;
    let mut hostile = Vec::new();
    for beginning in [
        &b"\x16\x03\x01\x02"[..],
        b"\x16\x03\x01\xff\xff\x01\x00\xff\xff",
        b"\x00\xff\x80",
        b"\x80\x2e\x01\x00\x02",
        b"",
    ] {
        let mut socket = TcpStream::connect(secure.address).await.unwrap();
        socket.write_all(beginning).await.unwrap();
        hostile.push(socket);
    }
    // While all of them still hang there.
    let mut stream = secure.connect().await.unwrap();
    assert!(ask(&mut stream, "/healthz").await.starts_with("http/1.1 200 "));
    for mut socket in hostile {
        let mut said = Vec::new();
        // Cut while something of ours was on its way, it ends with a reset; an alert may come before.
        let _ = timeout(PATIENCE, socket.read_to_end(&mut said)).await.expect("it is cut off");
        assert!(said.len() < 16, "{}", said.escape_ascii());
    }
}

#[tokio::test]
async fn a_socket_whose_bytes_were_changed_on_the_way_is_ended_and_others_go_on() {
    let secure = Secure::start().await;
    let mut other = secure.client(&["calls:alpha"]).await;
    let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through = relay.local_addr().unwrap();
    let to = secure.address;
    let spoil = Arc::new(tokio::sync::Notify::new());
    let spoils = spoil.clone();
    tokio::spawn(async move {
        let (mut near, _) = relay.accept().await.unwrap();
        let mut far = TcpStream::connect(to).await.unwrap();
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => {}
            () = spoils.notified() => {}
        }
        // A record of application data that nobody has the key to.
        far.write_all(&[&[0x17, 3, 3, 0, 32][..], &[7; 32]].concat()).await.unwrap();
        let mut rest = Vec::new();
        let _ = far.read_to_end(&mut rest).await;
        near.write_all(b"cut").await.unwrap();
    });
    let tcp = TcpStream::connect(through).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = secure.connector(rustls::ALL_VERSIONS).connect(name, tcp).await.unwrap();
    let request = format!("ws://localhost/ws?x={}", rand::random::<u16>());
    let mut request = tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(request).unwrap();
    let token = format!("Bearer {}", secure.floor.token().await);
    request.headers_mut().insert("authorization", token.parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    spoil.notify_one();
    // "cut" is no record either, which is how this client notices.
    while let Some(Ok(_)) = timeout(PATIENCE, socket.next()).await.expect("the gateway has ended it") {}
    secure.floor.call("alpha", 1).await;
    other.until("call_event").await;
}

#[tokio::test]
async fn a_stop_waits_for_no_handshake() {
    let secure = Secure::start().await;
    let mut stalled = TcpStream::connect(secure.address).await.unwrap();
    stalled.write_all(b"\x16\x03\x01").await.unwrap();
    let mut stream = secure.connect().await.unwrap();
    ask(&mut stream, "/healthz").await;
    secure.stop.cancel();
    timeout(PATIENCE / 4, secure.server)
        .await
        .expect("neither the kept connection nor the stalled one is waited for")
        .unwrap();
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_who_comes_next_and_nobody_is_dropped() {
    let secure = Secure::start().await;
    let mut before = secure.client(&["calls:alpha"]).await;
    let mut kept = secure.connect().await.unwrap();
    ask(&mut kept, "/healthz").await;
    let trusts_old = secure.connector(rustls::ALL_VERSIONS);
    make_certificate(&secure.certificate, &secure.key);
    until("the new certificate is shown", 2 * PATIENCE, async || secure.connect().await.is_ok()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tcp = TcpStream::connect(secure.address).await.unwrap();
    assert!(trusts_old.connect(name, tcp).await.is_err(), "the old one is shown to nobody any more");
    assert!(ask(&mut kept, "/healthz").await.starts_with("http/1.1 200 "));
    secure.floor.call("alpha", 1).await;
    before.until("call_event").await;
    assert!(secure.tls.ends().seconds() > 0);
}
