//! Three gateways and a collector on a real Redis behind Debian's nginx and HAProxy, with the very files of `deploy/`.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use ringside_rig::{Process, RedisOptions, RedisServer, free_port, until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::app::{KEY, PASSWORD, ringside};

/// Nothing here takes so long.
const PATIENCE: Duration = Duration::from_secs(40);
const GATEWAYS: usize = 3;

/// The scaled-out system behind both balancers.
struct Scaled {
    gateways: Vec<Process>,
    gateway_ports: Vec<u16>,
    /// nginx and HAProxy, by the address that clients know.
    balancers: [String; 2],
    folder: TempDir,
    redis_url: String,
    _others: Vec<Process>,
    _redis: RedisServer,
}

impl Scaled {
    async fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let redis = RedisServer::start(RedisOptions::default()).await.expect("Redis starts");
        let redis_url = redis.url();
        let gateway_ports: Vec<u16> = (0..GATEWAYS).map(|_| free_port()).collect();
        let collector_port = free_port();
        let gateway = |port: &u16| role(folder.path(), "gateway", &redis_url, *port);
        let gateways = gateway_ports.iter().map(gateway).collect();
        let mut others = vec![role(folder.path(), "collector", &redis_url, collector_port)];
        let balancers = [free_port(), free_port()];
        others.push(nginx(folder.path(), balancers[0], &gateway_ports, collector_port));
        others.push(haproxy(folder.path(), balancers[1], &gateway_ports, collector_port));
        for port in gateway_ports.iter().chain([&collector_port]) {
            until("all roles are ready", PATIENCE, async || status(*port, "/readyz").await == 200).await.unwrap();
        }
        for port in balancers {
            until("both balancers answer", PATIENCE, async || status(port, "/readyz").await == 200).await.unwrap();
        }
        let balancers = balancers.map(|port| format!("http://127.0.0.1:{port}"));
        Self { gateways, gateway_ports, balancers, folder, redis_url, _others: others, _redis: redis }
    }

    /// Starts a gateway that was killed again, where it was.
    async fn restart(&mut self, n: usize) {
        self.gateways[n].kill();
        self.gateways[n] = role(self.folder.path(), "gateway", &self.redis_url, self.gateway_ports[n]);
        let port = self.gateway_ports[n];
        until("it is ready again", PATIENCE, async || status(port, "/readyz").await == 200).await.unwrap();
    }

    async fn token(&self) -> String {
        let asked = reqwest::Client::new().post(format!("{}/auth/login", self.balancers[0]));
        let answer = asked.json(&json!({ "username": "admin", "password": PASSWORD })).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        body["token"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
    }
}

fn role(folder: &Path, role: &str, redis: &str, port: u16) -> Process {
    let mut command = ringside(&folder.join(format!("{role}-{port}")));
    command.args([role, "--redis", redis, "--listen", &format!("127.0.0.1:{port}"), "--log", "info"]);
    command.env("RINGSIDE_ADMIN_PASSWORD", PASSWORD).env("RINGSIDE_INGEST_KEY", KEY).env("RINGSIDE_HOST", "false");
    command.env("RINGSIDE_TRUSTED_PROXIES", r#"["127.0.0.1"]"#);
    command.env("RINGSIDE_DRAIN_DELAY_MS", "3000").env("RINGSIDE_DRAIN_MS", "1000");
    Process::start(&command).expect("the binary starts")
}

/// A file of `deploy/` with other addresses, and nothing else changed.
fn deployed(file: &str, listen: (&str, &str), gateways: &[u16], collector: u16) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
    let mut text = std::fs::read_to_string(path).expect("the file is there");
    let mut replace = |from: &str, to: &str| {
        assert!(text.contains(from), "{file} has {from}");
        text = text.replace(from, to);
    };
    for (n, port) in gateways.iter().enumerate() {
        replace(&format!("127.0.0.1:808{}", n + 1), &format!("127.0.0.1:{port}"));
    }
    for from in ["127.0.0.1:8091", "127.0.0.1:8092"] {
        replace(from, &format!("127.0.0.1:{collector}"));
    }
    replace(listen.0, listen.1);
    text
}

fn nginx(folder: &Path, port: u16, gateways: &[u16], collector: u16) -> Process {
    let (config, pid) = (folder.join("nginx.conf"), folder.join("nginx.pid"));
    let listen = format!("listen 0.0.0.0:{port};");
    std::fs::write(&config, deployed("nginx.conf", ("listen 8080;", &listen), gateways, collector)).expect("a file");
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(&config).args(["-e", "stderr", "-g"]);
    // One process, which is gone when it is killed.
    command.arg(format!("daemon off; master_process off; pid {};", pid.display()));
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Process::start(&command).expect("nginx is there: tests/setup.sh")
}

fn haproxy(folder: &Path, port: u16, gateways: &[u16], collector: u16) -> Process {
    let config = folder.join("haproxy.cfg");
    let listen = format!("bind :{port}");
    std::fs::write(&config, deployed("haproxy.cfg", ("bind :8080", &listen), gateways, collector)).expect("a file");
    let mut command = Command::new("haproxy");
    command.args(["-db", "-f"]).arg(&config).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Process::start(&command).expect("HAProxy is there: tests/setup.sh")
}

async fn status(port: u16, path: &str) -> u16 {
    let asked = reqwest::Client::new().get(format!("http://127.0.0.1:{port}{path}")).timeout(Duration::from_secs(2));
    asked.send().await.map_or(0, |answer| answer.status().as_u16())
}

/// Posts calls `from..to` of campaign alpha through a balancer; asks again until each is accepted.
async fn post_calls(balancer: &str, calls: std::ops::Range<u64>) {
    let now = jiff::Timestamp::now().to_string();
    let event = |n| json!({"id": format!("e{n}"), "type": "call.dialing", "at": now, "campaign": "alpha", "callId": format!("c{n}")});
    let events: Vec<Value> = calls.map(event).collect();
    let began = Instant::now();
    loop {
        let asked = reqwest::Client::new().post(format!("{balancer}/ingest/events")).bearer_auth(KEY);
        match asked.json(&events).send().await {
            Ok(answer) if answer.status() == 200 => return,
            refused => assert!(began.elapsed() < PATIENCE, "events are accepted in the end: {refused:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A viewer of the calls of campaign alpha, wherever a balancer sends it.
struct Watcher {
    balancer: String,
    token: String,
    cursor: Option<String>,
    seen: Vec<String>,
    came_back: usize,
    resets: usize,
}

impl Watcher {
    fn new(balancer: &str, token: &str) -> Self {
        let (balancer, token) = (balancer.to_owned(), token.to_owned());
        Self { balancer, token, cursor: None, seen: Vec::new(), came_back: 0, resets: 0 }
    }

    async fn connect(&self) -> Option<Socket> {
        let mut request = self.balancer.replacen("http", "ws", 1) + "/ws";
        request.shrink_to_fit();
        let mut request = request.into_client_request().expect("a URL");
        request.headers_mut().insert("authorization", format!("Bearer {}", self.token).parse().expect("a header"));
        let connected = tokio::time::timeout(Duration::from_secs(5), connect_async(request)).await;
        let (mut socket, _) = connected.ok()?.ok()?;
        let mut subscribe = json!({ "action": "subscribe", "room": "calls:alpha" });
        if let Some(cursor) = &self.cursor {
            subscribe["cursor"] = json!(cursor);
        }
        socket.send(Message::text(subscribe.to_string())).await.ok()?;
        Some(socket)
    }

    /// Takes what the socket brings until it has seen that call (true), or until the socket ends.
    async fn watch(&mut self, socket: &mut Socket, last: &str) -> bool {
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).expect("frames are JSON");
            self.resets += usize::from(frame["type"] == "reset");
            if let Some(cursor) = frame["cursor"].as_str() {
                self.cursor = Some(cursor.to_owned());
            }
            for call in frame["calls"].as_array().into_iter().flatten() {
                self.seen.push(call["callId"].as_str().expect("an id").to_owned());
            }
            if self.seen.last().is_some_and(|seen| seen == last) {
                return true;
            }
        }
        false
    }

    /// Comes back again and again until it has seen that call.
    async fn watch_until(mut self, last: String) -> Self {
        let watched = async {
            loop {
                if let Some(mut socket) = self.connect().await
                    && self.watch(&mut socket, &last).await
                {
                    return;
                }
                self.came_back += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(2 * PATIENCE, watched).await.expect("all calls come in the end");
        self
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_balancer_carries_pages_sockets_streams_polls_and_events() {
    let mut scaled = Scaled::start().await;
    let token = scaled.token().await;
    for (n, balancer) in scaled.balancers.clone().iter().enumerate() {
        let client = reqwest::Client::new();
        let page = client.get(format!("{balancer}/")).header("cookie", format!("ringside={token}"));
        let page = page.header("accept", "text/html").send().await.unwrap();
        assert_eq!(page.status(), 200);
        assert_eq!(client.get(format!("{balancer}/metrics")).send().await.unwrap().status(), 404);

        // The stream is open and empty before anything happens: what comes then was held back by nobody.
        let url = format!("{balancer}/events?rooms=calls:alpha");
        let mut stream = client.get(url).bearer_auth(&token).send().await.unwrap();
        let mut heard = String::new();
        let mut hear = async |what: &str| {
            let began = Instant::now();
            while !heard.contains(what) {
                let chunk = tokio::time::timeout(PATIENCE, stream.chunk()).await.expect("the stream says it").unwrap();
                heard += str::from_utf8(&chunk.expect("the stream goes on")).expect("text");
            }
            began.elapsed()
        };
        hear(r#""type":"initial""#).await;
        let mut watcher = Watcher::new(balancer, &token);
        let mut socket = watcher.connect().await.expect("a socket");
        let url = format!("{balancer}/poll?rooms=calls:alpha&wait=0");
        let first: Value = client.get(url).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
        let polled = async {
            let url = format!("{balancer}/poll?wait=50&rooms={}", first["cursor"].as_str().unwrap());
            let next: Value = client.get(url).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
            next["frames"].to_string()
        };
        let call = format!("c{}", 1000 + n);
        let news = async {
            // The poll is held by then, or asks a moment later with a cursor from before: it gets the call either way.
            post_calls(balancer, 1000 + n as u64..1001 + n as u64).await;
            hear(&call).await;
            assert!(watcher.watch(&mut socket, &call).await);
        };
        let (polled, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(polled, news) }).await.expect("in time");
        assert!(polled.contains(&call), "{polled}");

        // The address that gets a password wrong is neither the balancer's nor the one that the client claims.
        let elsewhere: IpAddr = "127.0.0.2".parse().unwrap();
        let stranger = reqwest::Client::builder().local_address(elsewhere).build().unwrap();
        let wrong = stranger.post(format!("{balancer}/auth/login")).header("x-forwarded-for", "203.0.113.9, 10.0.0.1");
        // Of a name that nobody has the log keeps three letters.
        let user = format!("s{n}t");
        let answer =
            wrong.json(&json!({ "username": format!("{user}ranger"), "password": "no" })).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        let logged = || scaled.gateways.iter().flat_map(Process::lines).find(|line| line.contains(&format!("{user}…")));
        until("the refusal is logged", PATIENCE, async || logged().is_some()).await.unwrap();
        let line = logged().unwrap();
        assert!(line.contains("127.0.0.2") && !line.contains("203.0.113.9"), "{line}");
    }
    // Cookies insist on TLS where the balancer says that there is TLS.
    let asked = reqwest::Client::new().post(format!("http://127.0.0.1:{}/auth/login", scaled.gateway_ports[0]));
    let asked = asked.header("x-forwarded-proto", "https").json(&json!({ "username": "admin", "password": PASSWORD }));
    let answer = asked.send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-ringside=") && cookie.ends_with("; Secure"), "{cookie}");
    scaled.gateways.clear();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_and_one_drained_under_load_lose_nothing_and_double_nothing() {
    const CALLS: u64 = 1_500;
    let mut scaled = Scaled::start().await;
    let token = scaled.token().await;
    post_calls(&scaled.balancers[0], 0..1).await;
    let mut watchers = JoinSet::new();
    for n in 0..24 {
        let mut watcher = Watcher::new(&scaled.balancers[n % 2], &token);
        // All of them have the first call before the load begins, so that each has a place to come back to.
        let mut socket = watcher.connect().await.expect("a socket");
        assert!(tokio::time::timeout(PATIENCE, watcher.watch(&mut socket, "c0")).await.expect("the first call"));
        watcher.seen.clear();
        let last = format!("c{}", CALLS - 1);
        watchers.spawn(async move {
            if !watcher.watch(&mut socket, &last).await {
                watcher.came_back += 1;
                watcher = watcher.watch_until(last).await;
            }
            watcher
        });
    }
    let load = {
        let balancers = scaled.balancers.clone();
        tokio::spawn(async move {
            for first in (1..CALLS).step_by(20) {
                post_calls(&balancers[(first % 2) as usize], first..CALLS.min(first + 20)).await;
                // About 300 a second: both the kill and the drain fall into it.
                tokio::time::sleep(Duration::from_millis(65)).await;
            }
        })
    };
    scaled.gateways[0].kill();
    scaled.restart(0).await;
    scaled.gateways[1].terminate();
    // Red, and not draining yet: HAProxy sends nobody there any more, and nobody notices.
    let red = scaled.gateway_ports[1];
    until("it says that it is not ready", PATIENCE, async || status(red, "/readyz").await == 503).await.unwrap();
    let questions = async || -> u64 {
        let url = format!("http://127.0.0.1:{red}/metrics");
        let Ok(answer) = reqwest::get(url).await else { return 0 };
        let text = answer.text().await.unwrap_or_default();
        let asked = text.lines().filter(|line| line.starts_with("ringside_gateway_http_requests_total"));
        asked
            .filter(|line| line.contains("/auth/me"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    };
    let left_alone = async || {
        let before = questions().await;
        for _ in 0..9 {
            let asked = reqwest::Client::new().get(format!("{}/auth/me", scaled.balancers[1])).bearer_auth(&token);
            assert_eq!(asked.send().await.unwrap().status(), 200);
        }
        questions().await == before
    };
    until("HAProxy leaves it alone", PATIENCE, left_alone).await.unwrap();
    assert!(scaled.gateways[1].wait(PATIENCE).await.expect("it ends").success());
    load.await.unwrap();
    let expected: Vec<String> = (1..CALLS).map(|n| format!("c{n}")).collect();
    let mut came_back = 0;
    while let Some(watcher) = watchers.join_next().await {
        let watcher = watcher.unwrap();
        assert_eq!((watcher.seen.len(), watcher.resets), (expected.len(), 0));
        assert_eq!(watcher.seen, expected, "exactly what was missed, none twice");
        came_back += watcher.came_back;
    }
    assert!(came_back >= 8, "of three gateways, two went away: {came_back} came back");
}
