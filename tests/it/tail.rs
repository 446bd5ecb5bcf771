//! `ringside tail` as people and scripts run it: its output, its resumes, and what it says when it is refused.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::app::{KEY, PASSWORD, TestApp, cursor, output, ringside};

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
    let folder = tempfile::TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let mut app = TestApp::on(&data, &["--simulate", "false"], &[("RINGSIDE_HOST", "false")]);
    // Back on the address that the tail knows.
    let address = app.url.strip_prefix("http://").expect("plain HTTP").to_owned();
    let again = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringside"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RINGSIDE_")) {
            command.env_remove(name);
        }
        command.args(["--listen", &address, "--simulate", "false", "--log", "warn", "--data"]).arg(&data);
        command.current_dir(folder.path()).env("RINGSIDE_HOST", "false").env("RINGSIDE_INGEST_KEY", KEY);
        TestApp::spawn(command)
    };
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
        (tail("https://ringside.example", &["alerts"]), "is no address that tail can reach"),
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
