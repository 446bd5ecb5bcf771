//! `ringside tail` as people and scripts run it: its output, its resumes, and what it says when it is refused.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{KEY, PASSWORD, TestApp, bare, cursor, output, ringside};
use crate::door::make;

fn dialing(call: &str) -> Value {
    let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    json!({"id": format!("{call}-d"), "type": "call.dialing", "at": at, "campaign": "alpha", "callId": call})
}

/// The command, of which an admin knows the password.
fn tail(url: &str, args: &[&str]) -> Command {
    let mut command = ringside(&std::env::temp_dir().join("ringside-tail-has-no-data"));
    command.args(["tail", "--url", url]).args(args).env("RINGSIDE_ADMIN_PASSWORD", PASSWORD);
    command
}

/// It, where only the certificates of this file are trusted.
fn trusting(mut command: Command, certificates: &Path) -> Command {
    command.env_remove("SSL_CERT_DIR").env("SSL_CERT_FILE", certificates);
    command
}

/// A process that listens where a tail looks for it.
fn listening(folder: &Path, address: &str, flags: &[&str], variables: &[(&str, &Path)]) -> TestApp {
    let mut command = bare();
    command.args(["--listen", address, "--log", "warn", "--data"]).arg(folder.join("data")).args(flags);
    command.current_dir(folder).env("RINGSIDE_HOST", "false").env("RINGSIDE_INGEST_KEY", KEY);
    command.env("RINGSIDE_ADMIN_PASSWORD", PASSWORD).envs(variables.iter().copied());
    TestApp::spawn(command)
}

/// One that shows `{name}.pem` of its folder, which is a certificate for `localhost`; and its address by that name.
fn secure(folder: &Path, name: &str, address: &str, flags: &[&str]) -> (TestApp, String) {
    let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    let files = [("RINGSIDE_TLS_CERTIFICATE", &*certificate), ("RINGSIDE_TLS_KEY", &*key)];
    let app = listening(folder, address, flags, &files);
    let url = app.url.replace("https://127.0.0.1", "https://localhost");
    assert!(url.starts_with("https://localhost:"), "{}", app.url);
    (app, url)
}

/// A tail that runs, ended with the test.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Option<ChildStderr>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let stderr = child.stderr.take();
        Self { child, stdout, stderr }
    }

    fn next_frame(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("tail prints text");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}, {}", self.rest_of_stderr()))
    }

    fn rest_of_stderr(&mut self) -> String {
        let _ = self.child.kill();
        let mut text = String::new();
        if let Some(mut stderr) = self.stderr.take() {
            stderr.read_to_string(&mut text).expect("stderr is text");
        }
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn it_prints_a_rooms_frames_as_they_are_sent_and_ends_after_enough() {
    let app = TestApp::quiet();
    let mut tail = Running::start(tail(&app.url, &["calls:alpha", "--count", "2"]));
    let initial = tail.next_frame();
    assert_eq!((&initial["type"], &initial["room"]), (&json!("initial"), &json!("calls:alpha")));
    app.post_events(&[dialing("one")]).await;
    let told = tail.next_frame();
    assert_eq!(told["calls"][0]["callId"], "one");
    assert!(tail.child.wait().expect("it was ours").success());
    let (mut rest, mut complaints) = (String::new(), String::new());
    tail.stdout.read_to_string(&mut rest).unwrap();
    tail.stderr.take().expect("it is piped").read_to_string(&mut complaints).unwrap();
    assert_eq!((rest.as_str(), complaints.as_str()), ("", ""));
}

#[tokio::test]
async fn it_goes_on_from_a_cursor_over_a_kill_and_over_a_goodbye() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let mut app = TestApp::on(&data, &["--simulate", "false"], &[("RINGSIDE_HOST", "false")]);
    // Back on the address that the tail knows.
    let address = app.url.strip_prefix("http://").expect("plain HTTP").to_owned();
    let again = || listening(folder.path(), &address, &["--simulate", "false"], &[]);
    app.post_events(&[dialing("one")]).await;
    let mut first = Running::start(tail(&app.url, &["calls:alpha"]));
    let mut seen = first.next_frame();
    while cursor(&seen).1 == 0 {
        seen = first.next_frame();
    }
    let place = cursor(&seen);

    let from = format!("{}:{}", place.0, place.1);
    let mut second = Running::start(tail(&app.url, &["calls:alpha", "--cursor", &from]));
    app.post_events(&[dialing("two")]).await;
    for tail in [&mut first, &mut second] {
        let told = tail.next_frame();
        assert_eq!((told["calls"][0]["callId"].as_str(), cursor(&told)), (Some("two"), (place.0.clone(), place.1 + 1)));
    }
    app.kill();
    let mut app = again();
    app.post_events(&[dialing("three")]).await;
    for tail in [&mut first, &mut second] {
        let told = tail.next_frame();
        assert_eq!((told["calls"][0]["callId"].as_str(), cursor(&told).1), (Some("three"), place.1 + 2));
    }
    assert!(app.stop(), "a stop that says goodbye");
    let app = again();
    app.post_events(&[dialing("four")]).await;
    let told = first.next_frame();
    assert_eq!((told["calls"][0]["callId"].as_str(), cursor(&told).1), (Some("four"), place.1 + 3));
    let told = first.rest_of_stderr();
    assert!(told.contains("4503") && told.contains("again in"), "{told}");
}

#[tokio::test]
async fn lines_for_people_are_short() {
    let app = TestApp::simulated();
    let told = output(&mut tail(&app.url, &["overview", "calls:demo-solar-spring", "--pretty", "--count", "6"]));
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told = String::from_utf8(told.stdout).unwrap();
    assert_eq!(told.lines().count(), 6, "{told}");
    assert!(told.lines().any(|line| line.contains("overview") && line.contains(" attempts")), "{told}");
    assert!(!told.contains('{'), "{told}");
}

#[tokio::test]
async fn what_is_refused_ends_it_with_a_sentence() {
    let app = TestApp::quiet();
    let nobody = "http://127.0.0.1:1";
    let mut wrong = tail(&app.url, &["alerts"]);
    wrong.env("RINGSIDE_ADMIN_PASSWORD", "not the password");
    let mut nothing = tail(&app.url, &["alerts"]);
    nothing.env_remove("RINGSIDE_ADMIN_PASSWORD");
    let mut rubbish = tail(&app.url, &["alerts"]);
    rubbish.env_remove("RINGSIDE_ADMIN_PASSWORD").env("RINGSIDE_TOKEN", "rubbish");
    for (mut command, sentence) in [
        (tail(&app.url, &["no-such-room"]), "room"),
        (tail(&app.url, &["alerts", "--cursor", "rubbish"]), "cursor"),
        (tail(&app.url, &["alerts", "system", "--cursor", "a:1"]), "write each as ROOM@CURSOR"),
        (tail(nobody, &["alerts"]), "can't be watched"),
        (tail("ringside.example", &["alerts"]), "is no address that tail can reach"),
        (tail(&app.url.replace("http://", "https://"), &["alerts"]), "does not speak TLS"),
        (wrong, "password"),
        (nothing, "RINGSIDE_ADMIN_PASSWORD_FILE"),
        (rubbish, "token is not valid"),
    ] {
        let told = output(&mut command);
        let complaint = String::from_utf8(told.stderr).unwrap();
        assert_eq!(told.status.code(), Some(1), "{sentence}: {complaint}");
        assert!(complaint.contains(sentence) && complaint.lines().count() == 1, "{sentence}: {complaint}");
    }
}

#[test]
fn a_room_is_watched_over_tls_by_name_and_by_what_is_configured() {
    let folder = TempDir::new().unwrap();
    make(folder.path(), "good", 90);
    let (_app, url) = secure(folder.path(), "good", "127.0.0.1:0", &[]);
    let certificate = folder.path().join("good.pem");
    // The one who runs the gateway says neither where it is nor whom to trust a second time.
    let mut configured = bare();
    let address = url.strip_prefix("https://localhost").expect("it was named so");
    configured.args(["tail", "overview", "--count", "3", "--listen", &format!("127.0.0.1{address}")]);
    configured.current_dir(folder.path()).env("RINGSIDE_ADMIN_PASSWORD", PASSWORD);
    configured.env("RINGSIDE_TLS_CERTIFICATE", &certificate).env("RINGSIDE_TLS_KEY", folder.path().join("good.key"));
    for command in [tail(&url, &["overview", "--count", "3"]), configured] {
        let told = output(&mut trusting(command, &certificate));
        let (frames, complaint) = (String::from_utf8(told.stdout).unwrap(), String::from_utf8(told.stderr).unwrap());
        assert!(told.status.success() && complaint.is_empty(), "{complaint}");
        let frames: Vec<Value> = frames.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((frames.len(), &frames[0]["type"]), (3, &json!("initial")));
        assert!(frames.iter().all(|frame| frame["room"] == "overview"), "{frames:?}");
    }
}

#[test]
fn a_certificate_that_is_not_trusted_ends_it_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    for name in ["good", "other"] {
        make(folder.path(), name, 90);
    }
    let (_app, url) = secure(folder.path(), "good", "127.0.0.1:0", &["--simulate", "false"]);
    let [good, other, none] = ["good.pem", "other.pem", "none.pem"].map(|name| folder.path().join(name));
    let with_token = |url: &str| {
        let mut command = tail(url, &["alerts"]);
        command.env_remove("RINGSIDE_ADMIN_PASSWORD").env("RINGSIDE_TOKEN", "rubbish");
        command
    };
    let mut by_the_system = tail(&url, &["alerts"]);
    by_the_system.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    let by_address = url.replace("localhost", "127.0.0.1");
    let plain = url.replace("https://", "http://");
    for (mut command, sentence) in [
        (by_the_system, "SSL_CERT_FILE"),
        (trusting(tail(&url, &["alerts"]), &other), "does not trust its certificate: set SSL_CERT_FILE"),
        // No login stands before the WebSocket.
        (trusting(with_token(&url), &other), "does not trust its certificate: set SSL_CERT_FILE"),
        (trusting(tail(&url, &["alerts"]), &none), "no trusted certificates: set SSL_CERT_FILE"),
        (trusting(tail(&by_address, &["alerts"]), &good), "call it by a name that the certificate has"),
        (trusting(with_token(&url), &good), "token is not valid"),
        (tail(&plain, &["alerts"]), "write https://"),
        (with_token(&plain), "write https://"),
    ] {
        let told = output(&mut command);
        let complaint = String::from_utf8(told.stderr).unwrap();
        assert_eq!(told.status.code(), Some(1), "{sentence}: {complaint}");
        assert!(complaint.contains(sentence) && complaint.lines().count() == 1, "{sentence}: {complaint}");
        assert!(!complaint.contains(PASSWORD) && told.stdout.is_empty(), "{complaint}");
    }
}

#[test]
fn over_tls_it_waits_for_who_is_away_and_not_for_who_is_not_trusted_any_more() {
    let folder = TempDir::new().unwrap();
    for name in ["good", "other"] {
        make(folder.path(), name, 90);
    }
    let room = "calls:demo-solar-spring";
    let (mut app, url) = secure(folder.path(), "good", "127.0.0.1:0", &["--simulate", "false"]);
    let mut tail = Running::start(trusting(tail(&url, &[room]), &folder.path().join("good.pem")));
    assert_eq!(tail.next_frame()["type"], "initial");
    app.kill();
    // There are calls from now on.
    let address = url.replace("https://localhost", "127.0.0.1");
    let (mut app, _) = secure(folder.path(), "good", &address, &["--simulate", "true"]);
    while tail.next_frame()["type"] != "call_event" {}
    app.kill();
    let _app = secure(folder.path(), "other", &address, &["--simulate", "false"]);
    let (mut rest, mut complaints) = (String::new(), String::new());
    tail.stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(tail.child.wait().expect("it was ours").code(), Some(1));
    tail.stderr.take().expect("it is piped").read_to_string(&mut complaints).unwrap();
    let last = complaints.lines().last().unwrap_or_default();
    assert!(last.contains("does not trust its certificate: set SSL_CERT_FILE"), "{complaints}");
    assert!(complaints.contains("; again in ") && !complaints.contains("docs.rs"), "no word of TLS's: {complaints}");
}
