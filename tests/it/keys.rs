//! API keys from the command line.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::app::{output, ringside};

fn run(data: &Path, arguments: &str) -> Output {
    output(ringside(data).args(arguments.split(' ')))
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_secret_is_followed_by_another_one_and_the_audit_log_says_so() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let secret_of = |text: &str| text.lines().find_map(|line| line.strip_prefix("secret  ")).unwrap().to_owned();
    let old = secret_of(&said(&run(&data, "key issue --source pbx-1 --signed")));
    let listed = said(&run(&data, "key list"));
    let id = listed.split(' ').next().unwrap();
    let rotate = format!("key secret {id}");
    let end_old = format!("key secret {id} --only-newest");

    let told = refused(&run(&data, &end_old));
    assert!(told.contains("has one secret only"), "{told}");
    let new = secret_of(&said(&run(&data, &rotate)));
    assert!(new.starts_with("whsec_") && new != old);
    let told = refused(&run(&data, &rotate));
    assert!(told.contains(&end_old), "it says what to do: {told}");
    assert!(said(&run(&data, &end_old)).contains("newest secret only"));
    let told = refused(&run(&data, &format!("{rotate} --only-newest --only-oldest")));
    assert!(told.contains("cannot be used with"), "{told}");
    said(&run(&data, &rotate));
    assert!(said(&run(&data, &format!("{rotate} --only-oldest"))).contains("oldest secret only"));
    let told = refused(&run(&data, &format!("{rotate} --tenant other")));
    assert!(told.contains("no API key"), "it is another tenant's: {told}");

    let log = said(&run(&data, "audit --json"));
    assert!(!log.contains("whsec_"), "{log}");
    let entries: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let changes: Vec<_> = entries
        .iter()
        .filter(|entry| entry["what"] == "key.secret" && entry["target"] == id)
        .map(|entry| entry["after"]["secrets"].as_str().unwrap())
        .collect();
    assert_eq!(changes, ["oldest", "both", "newest", "both"], "the last is told first");
}
