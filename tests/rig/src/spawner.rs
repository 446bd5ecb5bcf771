//! Spawns child processes so that none outlives this process.
//!
//! `setpriv --pdeathsig KILL` has the kernel kill a child when its parent dies, even by SIGKILL. By "parent" the
//! kernel means the thread that started it, and threads of tests and runtimes end early. So one thread, which lasts
//! as long as this process, starts all children.

use std::io;
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};

use parking_lot::Mutex;

type Request = (Command, Sender<io::Result<Child>>);

static SPAWNER: LazyLock<Mutex<Sender<Request>>> = LazyLock::new(|| {
    let (sender, requests) = channel::<Request>();
    std::thread::Builder::new()
        .name("spawner".into())
        .spawn(move || {
            for (mut command, reply) in requests {
                // The requester waits for the reply, so the send can't fail.
                let _ = reply.send(command.spawn());
            }
        })
        .expect("a thread can be started");
    Mutex::new(sender)
});

/// Spawns a command as a child that dies with this process.
pub(crate) fn spawn(command: &Command) -> io::Result<Child> {
    let mut guarded = Command::new("setpriv");
    guarded.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(name, value),
            None => guarded.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        guarded.current_dir(folder);
    }
    guarded.stdin(std::process::Stdio::null());
    guarded.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let (reply, replied) = channel();
    SPAWNER.lock().send((guarded, reply)).expect("the spawner thread never ends");
    replied.recv().expect("the spawner thread replies to each request")
}
