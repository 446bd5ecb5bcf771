//! `deploy/scaled.sh`: the scaled-out system on one machine, as the README tells people to start it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use ringside_rig::{free_ports, until};
use serde_json::{Value, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(40);
const ROLES: [&str; 7] = ["redis", "collector1", "collector2", "gateway1", "gateway2", "gateway3", "nginx"];

/// The script on ports and in a folder of its own; stopped when the test ends, however it ends.
struct Script {
    folder: TempDir,
    port: u16,
}

impl Script {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self { folder, port: free_ports(22) }
    }

    fn run(&self, what: &str) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/scaled.sh");
        let mut command = Command::new(script);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RINGSIDE_")) {
            command.env_remove(name);
        }
        command.arg(what).env("SCALED_DIR", self.folder.path()).env("SCALED_PORT", self.port.to_string());
        command.env("SCALED_BINARY", env!("CARGO_BIN_EXE_ringside"));
        command.output().expect("the script is there")
    }

    /// Runs it, expects it to work, and returns what it printed.
    fn works(&self, what: &str) -> String {
        let output = self.run(what);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    fn pid(&self, role: &str) -> String {
        let path = self.folder.path().join(format!("{role}.pid"));
        std::fs::read_to_string(path).expect("its process id").trim().to_owned()
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.run("stop");
    }
}

fn lines_with(text: &str, word: &str) -> usize {
    text.lines().filter(|line| line.split_whitespace().any(|found| found == word)).count()
}

#[tokio::test]
async fn one_command_starts_the_scaled_out_system_and_another_one_stops_it() {
    let script = Script::new();
    let said = script.works("start");
    assert_eq!(lines_with(&said, "ready"), ROLES.len(), "{said}");
    assert!(said.contains(&script.url("/")) && said.contains("kill -9") && said.contains("admin-password"), "{said}");
    let pids = ROLES.map(|role| script.pid(role));
    script.works("start");
    assert_eq!(ROLES.map(|role| script.pid(role)), pids, "a second start leaves alone what runs");

    let password = std::fs::read_to_string(script.folder.path().join("admin-password")).unwrap();
    let client = reqwest::Client::new();
    let asked = client.post(script.url("/auth/login")).json(&json!({ "username": "admin", "password": password }));
    let login: Value = asked.send().await.unwrap().json().await.unwrap();
    let token = login["token"].as_str().unwrap_or_else(|| panic!("{login}")).to_owned();
    let campaigns = async || {
        let answer = client.get(script.url("/analytics/metrics")).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let body: Value = answer.json().await.unwrap();
        body["campaigns"].as_array().unwrap().len()
    };
    until("the simulated floor shows up", PATIENCE, async || campaigns().await > 0).await.unwrap();

    assert!(Command::new("kill").args(["-9", &script.pid("gateway1")]).status().unwrap().success());
    for _ in 0..12 {
        let page = client.get(script.url("/")).header("cookie", format!("ringside={token}"));
        let page = page.header("accept", "text/html").send().await.unwrap();
        assert_eq!(page.status(), 200, "the dashboard goes on with a gateway killed under it");
    }
    assert_eq!(lines_with(&script.works("status"), "running"), 1, "it says which one is missing");
    assert_eq!(lines_with(&script.works("start"), "ready"), ROLES.len(), "and start brings it back");

    script.works("stop");
    assert_eq!(lines_with(&script.works("status"), "running"), ROLES.len());
    for pid in &pids[1..] {
        let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&cmdline).contains(&*script.folder.path().to_string_lossy()), "{pid} is gone");
    }
    let _taken = TcpListener::bind(("127.0.0.1", script.port + 2)).expect("the ports are free again");
    let refused = script.run("start");
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains(&format!("port {}", script.port + 2)), "{why}");
    assert!(why.contains("SCALED_PORT"), "{why}");
}
