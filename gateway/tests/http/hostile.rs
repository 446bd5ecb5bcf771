//! Clients that hold connections or fill memory are rejected or cut off, and others don't notice.

use std::net::SocketAddr;
use std::time::Duration;

use ringside_http::{ServeSettings, serve_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::client::{Client, PATIENCE};
use crate::support::test_gateway::TestGateway;

/// Long enough that an early cut can't come from this limit.
const LONG: Duration = Duration::from_secs(600);

/// The same gateway on a port with less patience.
async fn impatient(floor: &TestGateway, kept_for: Duration) -> SocketAddr {
    let settings = ServeSettings { asks_within: Duration::from_secs(1), kept_for, ..ServeSettings::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve_with(settings, listener, floor.gateway.router(), CancellationToken::new()));
    address
}

/// All that the server says until it ends the connection.
async fn said_until_cut(socket: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut said = Vec::new();
    // Cut while something of ours was still on its way, it ends with a reset.
    let _ = timeout(PATIENCE, socket.read_to_end(&mut said)).await.expect("the connection is cut");
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn a_head_of_a_million_bytes_is_refused_and_its_connection_is_closed() {
    let floor = TestGateway::start().await;
    for head in [
        format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: {}", "a".repeat(1_000_000)),
        format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{}", "x-many: a\r\n".repeat(100_000)),
        format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "a".repeat(40_000)),
    ] {
        let (mut reader, mut writer) = TcpStream::connect(floor.address).await.unwrap().into_split();
        let writes = tokio::spawn(async move { writer.write_all(head.as_bytes()).await });
        let said = said_until_cut(&mut reader).await;
        assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
        drop(writes);
    }
    // What a browser with many cookies sends is taken.
    let cookies = format!("other={}", "a".repeat(24 << 10));
    let answer = reqwest::Client::new().get(floor.url("/healthz")).header("cookie", cookies).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn who_writes_a_head_byte_by_byte_is_cut_off_and_so_is_who_writes_nothing() {
    let floor = TestGateway::start().await;
    let address = impatient(&floor, LONG).await;
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    let drips = tokio::spawn(async move {
        writer.write_all(b"GET /healthz HTTP/1.1\r\nx-slow: ").await?;
        loop {
            writer.write_all(b"a").await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        #[expect(unreachable_code, reason = "it says what the block above fails with")]
        std::io::Result::Ok(())
    });
    assert_eq!(said_until_cut(&mut reader).await, "");
    drips.abort();
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(said_until_cut(&mut silent).await, "");
}

#[tokio::test]
async fn a_connection_that_was_answered_is_kept_and_then_cut_off_whether_it_drips_or_is_silent() {
    let floor = TestGateway::start().await;
    let address = impatient(&floor, Duration::from_secs(7)).await;
    let ask = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    for rest in ["", "GET /healthz HTTP/1.1\r\nx-slow: "] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        for _ in 0..2 {
            socket.write_all(ask).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"}") {
                answer.push(socket.read_u8().await.unwrap());
            }
            assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", answer.escape_ascii());
            // Longer than a first question may take: whoever has asked is known.
            tokio::time::sleep(Duration::from_millis(1_200)).await;
        }
        socket.write_all(rest.as_bytes()).await.unwrap();
        assert_eq!(said_until_cut(&mut socket).await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_hold_connections_do_not_disturb_who_watches_and_are_all_cut_off() {
    let floor = TestGateway::start().await;
    let address = impatient(&floor, LONG).await;
    let mut holders = JoinSet::new();
    for n in 0..1_000 {
        let mut socket = TcpStream::connect(address).await.unwrap();
        if n % 2 == 0 {
            // To a connection that was cut meanwhile nothing can be written.
            let _ = socket.write_all(b"GET /events HTTP/1.1\r\nhost: x\r\nx-never: ends").await;
        }
        holders.spawn(async move { said_until_cut(&mut socket).await });
    }
    let mut client = Client::connect(address, "/ws", &floor.token().await).await;
    client.subscribe("calls:alpha").await;
    client.until("initial").await;
    for n in 0..20 {
        floor.call("alpha", n).await;
        client.until("call_event").await;
    }
    while let Some(said) = holders.join_next().await {
        assert_eq!(said.unwrap(), "", "each was cut off");
    }
    floor.call("alpha", 20).await;
    client.until("call_event").await;
}
