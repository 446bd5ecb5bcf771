//! The torture itself, in its short form: one seed on a stand-alone Redis, one on a cluster.

use std::process::Command;

use tempfile::TempDir;

use crate::app::{output, ringside};

fn torture(topology: &str, seed: &str) {
    let folder = TempDir::new().unwrap();
    let mut command: Command = ringside(&folder.path().join("data"));
    command.args(["torture", "--seed", seed, "--topology", topology, "--duration", "20"]);
    let output = output(command.args(["--rate", "300", "--clients", "12", "--campaigns", "4"]));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("seed {seed}: clean")), "{said}");
}

#[test]
fn a_stand_alone_redis_under_torture_loses_and_doubles_nothing() {
    torture("standalone", "1");
}

#[test]
fn a_cluster_under_torture_loses_and_doubles_nothing() {
    torture("cluster", "2");
}
