//! The load clients, in short: what they print, and that they see it when something is missing.

use std::process::Output;

use tempfile::TempDir;

use crate::app::{KEY, TestApp, output, ringside};

fn relay(arguments: &[&str]) -> (Output, String) {
    let folder = TempDir::new().unwrap();
    let mut command = ringside(&folder.path().join("data"));
    let output = output(command.args(["bench", "relay"]).args(arguments));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, said)
}

/// The figure of a line of the table.
fn figure(said: &str, what: &str) -> u64 {
    let line = said.lines().find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("no {what} in {said}"));
    line.split_whitespace().last().unwrap().parse().unwrap_or_else(|_| panic!("{line}"))
}

#[test]
fn a_short_load_over_each_door_loses_nothing() {
    for transport in ["ws", "sse", "poll"] {
        let load = ["--connections", "50", "--rooms", "5", "--rate", "20", "--seconds", "3", "--warmup", "0"];
        let (output, said) = relay(&[&load[..], &["--transport", transport]].concat());
        assert!(output.status.success(), "{transport}: {said}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(figure(&said, "connections let in"), 50, "{said}");
        // 5 rooms, 20 a second, 3 seconds; and 10 clients in each.
        assert_eq!(figure(&said, "frames posted and taken"), 300, "{said}");
        assert_eq!((figure(&said, "lost"), figure(&said, "out of order or twice")), (0, 0), "{said}");
        let measured = figure(&said, "deliveries measured");
        assert!((1..=3_000).contains(&measured), "{said}");
        assert!(said.contains("memory of the server per idle connection"), "{said}");
        for what in ["connect to let in, p50", "post to frame out, p50", "server CPU per delivery"] {
            let line =
                said.lines().find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("no {what} in {said}"));
            assert!(!line.contains(" 0.00 "), "everything takes some time: {line}");
        }
    }
}

#[test]
fn clients_that_read_slowly_are_there_and_harm_nobody() {
    let load = ["--connections", "10", "--slow", "2", "--rate", "50", "--seconds", "2", "--warmup", "0"];
    let (output, said) = relay(&load);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((figure(&said, "connections let in"), figure(&said, "lost")), (12, 0), "{said}");
}

#[test]
fn a_server_without_load_runs_or_a_wrong_url_is_one_sentence() {
    let app = TestApp::quiet();
    let (output, _) = relay(&["--connections", "1", "--seconds", "1", "--url", &app.url, "--token", "nobody's"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("401"), "{said}");
    let password = ["--password", crate::app::PASSWORD];
    let load = ["--connections", "1", "--seconds", "1", "--url", &app.url];
    let (output, _) = relay(&[&load[..], &password].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("forbidden_room"), "{said}");
    let (output, _) = relay(&["--url", "https://ops.example"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("http://host:port"), "{said}");
}

#[tokio::test]
async fn up_for_load_runs_takes_no_events() {
    let folder = TempDir::new().unwrap();
    let app = TestApp::on(&folder.path().join("data"), &["--bench"], &[]);
    let token = app.login().await;
    let http = reqwest::Client::new();
    let answer = http.post(app.url("/bench/0")).bearer_auth(&token).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let answer = http.post(app.url("/ingest/events")).bearer_auth(KEY).body("[]").send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(http.get(app.url("/readyz")).send().await.unwrap().status(), 200);
}

#[test]
fn a_collector_has_no_load_runs() {
    let folder = TempDir::new().unwrap();
    let mut command = ringside(&folder.path().join("data"));
    let output = output(command.args(["collector", "--bench", "--redis", "redis://127.0.0.1:1"]));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("up and gateway"), "{said}");
}
