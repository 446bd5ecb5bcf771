//! A running Ringside for one test: its own process, port and folder, gone when the test ends.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const KEY: &str = "the-key-of-the-tests-which-is-long-enough";
/// Nothing here takes so long; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary, with nothing of this environment that would configure it.
pub(crate) fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringside"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RINGSIDE_")) {
        command.env_remove(name);
    }
    command
}

/// It, with a data folder and any port.
pub(crate) fn ringside(data: &Path) -> Command {
    let mut command = bare();
    command.current_dir(data.parent().expect("the data folder lies in the test's folder"));
    command.args(["--listen", "127.0.0.1:0", "--log", "warn", "--data"]).arg(data);
    command
}

/// Runs the binary to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    command.output().expect("the binary starts")
}

/// A running process.
pub(crate) struct TestApp {
    pub(crate) url: String,
    pub(crate) welcome: Vec<String>,
    child: Child,
    stdout: BufReader<ChildStdout>,
    folder: Option<TempDir>,
}

impl TestApp {
    /// With nothing configured but the password and the key, and no source of its own.
    pub(crate) fn quiet() -> Self {
        Self::start(&["--simulate", "false"], &[("RINGSIDE_HOST", "false")])
    }

    /// With the simulated floor.
    pub(crate) fn simulated() -> Self {
        Self::start(&[], &[])
    }

    fn start(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut app = Self::on(&folder.path().join("data"), flags, variables);
        app.folder = Some(folder);
        app
    }

    /// On a data folder that outlives it.
    pub(crate) fn on(data: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = ringside(data);
        command.args(flags).env("RINGSIDE_ADMIN_PASSWORD", PASSWORD).env("RINGSIDE_INGEST_KEY", KEY);
        command.envs(variables.iter().copied());
        Self::spawn(command)
    }

    /// From a command that is all set up.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the binary prints text");
        let url = line.split_whitespace().find(|word| word.starts_with("http://") || word.starts_with("https://"));
        let url = url.unwrap_or_else(|| panic!("no address in {line:?}")).trim_end_matches('/').to_owned();
        Self { url, welcome: vec![line], child, stdout, folder: None }
    }

    /// Reads the lines of the welcome up to the one that has `word`.
    pub(crate) fn read_welcome_until(&mut self, word: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.stdout.read_line(&mut line).expect("the binary prints text");
            assert!(read > 0, "the welcome ended without {word:?}: {:?}", self.welcome);
            self.welcome.push(line.clone());
            if line.contains(word) {
                return line;
            }
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.as_ref().expect("it has a folder of its own").path().join("data")
    }

    /// SIGKILL, and gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the process is there");
        self.child.wait().expect("the process was ours");
    }

    /// SIGTERM, and its exit.
    pub(crate) fn stop(&mut self) -> bool {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there").success());
        let mut rest = String::new();
        // Reads to the end of its output, which is when it ends.
        self.stdout.read_to_string(&mut rest).expect("the binary prints text");
        self.child.wait().expect("the process was ours").success()
    }

    pub(crate) async fn login(&self) -> String {
        let answer = reqwest::Client::new()
            .post(self.url("/auth/login"))
            .json(&json!({"username": "admin", "password": PASSWORD}))
            .send()
            .await
            .expect("the server answers");
        assert_eq!(answer.status(), 200);
        let body: Value = answer.json().await.expect("JSON");
        body["token"].as_str().expect("a token").to_owned()
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Value {
        let answer = reqwest::Client::new().get(self.url(path)).bearer_auth(token).send().await;
        let answer = answer.expect("the server answers");
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.expect("JSON")
    }

    pub(crate) async fn post_events(&self, events: &[Value]) -> Value {
        let answer =
            reqwest::Client::new().post(self.url("/ingest/events")).bearer_auth(KEY).json(&events).send().await;
        let answer = answer.expect("the server answers");
        assert_eq!(answer.status(), 200);
        answer.json().await.expect("JSON")
    }

    pub(crate) async fn socket(&self, token: &str) -> Socket {
        let mut request = self.url("/ws").replacen("http", "ws", 1).into_client_request().expect("a URL");
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
        let (stream, _) = tokio_tungstenite::connect_async(request).await.expect("the socket opens");
        Socket { stream }
    }

    /// Asks until the campaign's numbers satisfy `enough`, and returns them.
    pub(crate) async fn metrics_when(&self, token: &str, campaign: &str, enough: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/analytics/campaigns/{campaign}/metrics");
        let mut socket = self.socket(token).await;
        socket.send(json!({"action": "subscribe", "room": format!("campaign:{campaign}")})).await;
        // The frames say when to look; the answer comes from the API, as a stranger would ask it.
        loop {
            let frame = socket.next_frame().await;
            if !["initial", "metrics_update"].contains(&frame["type"].as_str().unwrap_or_default()) {
                continue;
            }
            if frame["campaign"].is_null() {
                continue;
            }
            let metrics = self.get(token, &path).await;
            if enough(&metrics) {
                return metrics;
            }
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A logged-in WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    pub(crate) async fn send(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.expect("the socket takes messages");
    }

    pub(crate) async fn next_frame(&mut self) -> Value {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("a frame comes");
            match next.expect("the socket is open").expect("a message") {
                Message::Text(text) => return serde_json::from_str(&text).expect("frames are JSON"),
                Message::Close(reason) => panic!("closed: {reason:?}"),
                _ => {}
            }
        }
    }

    /// The next frame that is of `kind` and of `room`; others are let go.
    pub(crate) async fn next_of(&mut self, kind: &str, room: &str) -> Value {
        loop {
            let frame = self.next_frame().await;
            if frame["type"] == kind && frame["room"] == room {
                return frame;
            }
        }
    }
}

/// Epoch and offset of a frame's cursor.
pub(crate) fn cursor(frame: &Value) -> (String, u64) {
    let text = frame["cursor"].as_str().unwrap_or_else(|| panic!("no cursor in {frame}"));
    let (epoch, offset) = text.split_once(':').expect("epoch:offset");
    (epoch.to_owned(), offset.parse().expect("a number"))
}
