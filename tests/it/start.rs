//! Starting: what is printed, what can go wrong, what a stranger is told.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{PASSWORD, TestApp, output, ringside};

/// One sentence on stderr, an exit code that is not 0, and no trace.
fn refusal(result: &Output) -> String {
    let text = String::from_utf8_lossy(&result.stderr).into_owned();
    assert!(!result.status.success(), "it went well: {text}");
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("ringside: ")).collect();
    assert_eq!(lines.len(), 1, "one sentence: {text}");
    assert!(!text.contains("panicked") && !text.contains("stack backtrace"), "{text}");
    lines[0].to_owned()
}

fn folder() -> (TempDir, std::path::PathBuf) {
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");
    (folder, data)
}

#[tokio::test]
async fn the_first_start_prints_the_url_and_a_password_that_works_and_the_second_does_not() {
    let (_folder, data) = folder();
    let mut app = TestApp::spawn(ringside(&data));
    let line = app.read_welcome_until("password");
    assert!(line.contains("admin"), "{line}");
    let password = line.split_whitespace().last().expect("the password is the last word").to_owned();
    let login = async |url: String| {
        let body = json!({"username": "admin", "password": password});
        reqwest::Client::new().post(url).json(&body).send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(login(app.url("/auth/login")).await, 200);
    assert!(app.stop(), "SIGTERM ends it well");

    let mut again = TestApp::spawn(ringside(&data));
    let line = again.read_welcome_until("simulated");
    assert!(!again.welcome.iter().any(|line| line.contains("password")), "{line}");
    assert_eq!(login(again.url("/auth/login")).await, 200, "the account is kept");
    assert!(again.stop());

    let third = TestApp::on(&data, &["--simulate", "false"], &[("RINGSIDE_HOST", "false")]);
    assert_eq!(login(third.url("/auth/login")).await, 401, "a configured password takes the made-up one's place");
    third.login().await;
}

#[test]
fn help_and_check_explain_what_there_is() {
    let (_folder, data) = folder();
    let help = output(ringside(&data).arg("--help"));
    let text = String::from_utf8_lossy(&help.stdout);
    assert!(help.status.success());
    for word in ["--listen", "bench", "check", "RINGSIDE_ADMIN_PASSWORD", "ringside.toml"] {
        assert!(text.contains(word), "{word} is missing: {text}");
    }
    let check =
        output(ringside(&data).arg("check").env("RINGSIDE_WINDOW_SIZE", "30").env("RINGSIDE_ADMIN_PASSWORD", PASSWORD));
    let text = String::from_utf8_lossy(&check.stdout);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    assert!(
        text.lines().any(|line| line.starts_with("window_size") && line.contains("30") && line.contains("environment")),
        "{text}"
    );
    assert!(!text.contains(PASSWORD), "secrets are not printed");
}

#[test]
fn a_taken_port_is_one_sentence() {
    let (_folder, data) = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ringside"));
    let said = refusal(&output(command.args(["--listen", &address, "--data"]).arg(&data)));
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}

#[test]
fn a_data_folder_in_use_is_one_sentence_that_names_the_process() {
    let app = TestApp::quiet();
    let said = refusal(&output(&mut ringside(&app.data())));
    assert!(said.contains("another process") || said.contains("in use"), "{said}");
}

#[test]
fn a_damaged_data_folder_is_one_sentence() {
    let mut app = TestApp::quiet();
    assert!(app.stop());
    damage(&app.data());
    let said = refusal(&output(&mut ringside(&app.data())));
    assert!(said.contains("damaged") || said.contains("can't be read"), "{said}");
}

/// Overwrites the first bytes of every file of the store but the lock.
fn damage(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            damage(&path);
        } else if path.extension().is_none_or(|kind| kind != "lock")
            && std::fs::metadata(&path).is_ok_and(|file| file.len() > 0)
        {
            std::fs::write(&path, b"this is no store").expect("writable");
        }
    }
}

#[test]
fn an_unknown_key_is_one_sentence_wherever_it_stands() {
    let (folder, data) = folder();
    let said = refusal(&output(ringside(&data).env("RINGSIDE_COLOUR", "blue")));
    assert!(said.contains("RINGSIDE_COLOUR"), "{said}");
    let file = folder.path().join("ringside.toml");
    std::fs::write(&file, "windw_size = 3\n").expect("writable");
    let said = refusal(&output(&mut ringside(&data)));
    assert!(said.contains("windw_size") && said.contains("ringside.toml"), "{said}");
    std::fs::write(&file, "window_size = \"wide\"\n").expect("writable");
    let said = refusal(&output(&mut ringside(&data)));
    assert!(said.contains("window_size"), "{said}");
}

#[tokio::test]
async fn a_wrong_password_is_401_and_says_what_to_do() {
    let app = TestApp::quiet();
    let body = json!({"username": "admin", "password": "guess"});
    let answer = reqwest::Client::new().post(app.url("/auth/login")).json(&body).send().await.expect("an answer");
    assert_eq!(answer.status(), 401);
    assert!(answer.headers()["content-type"].to_str().expect("text").starts_with("application/problem+json"));
    let problem: Value = answer.json().await.expect("JSON");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("wrong")), "{problem}");
    assert!(problem["code"].is_string());
}

#[tokio::test]
async fn all_campaigns_are_there_again_after_a_restart() {
    let (_folder, data) = folder();
    let quiet: (&[&str], &[(&str, &str)]) = (&["--simulate", "false"], &[("RINGSIDE_HOST", "false")]);
    let campaigns: Vec<String> = (0..9).map(|number| format!("campaign-{number}")).collect();
    let mut app = TestApp::on(&data, quiet.0, quiet.1);
    let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let events: Vec<Value> = campaigns
        .iter()
        .map(|campaign| json!({"id": campaign, "type": "call.dialing", "at": at, "campaign": campaign, "callId": "c"}))
        .collect();
    app.post_events(&events).await;
    for _ in 0..2 {
        let token = app.login().await;
        let mut socket = app.socket(&token).await;
        socket.send(json!({"action": "subscribe", "room": "overview"})).await;
        let mut sum = socket.next_of("initial", "overview").await["aggregate"].clone();
        while sum["campaigns"] != 9 || sum["counters"]["attempts"] != 9 {
            sum = socket.next_of("metrics_update", "overview").await["aggregate"].clone();
        }
        assert!(app.stop());
        app = TestApp::on(&data, quiet.0, quiet.1);
    }
}
