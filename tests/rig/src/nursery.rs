//! Starts child processes so that none outlives this process.
//!
//! `setpriv --pdeathsig KILL` has the kernel kill a child when its parent dies, even by SIGKILL. By "parent" the kernel
//! means the thread that started it, and threads of tests and runtimes come and go; so one thread, which lasts as long as
//! this process, starts all of them.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex};

type Order = (Command, Sender<io::Result<Child>>);

static NURSERY: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
    let (orders, ordered) = channel::<Order>();
    std::thread::Builder::new()
        .name("nursery".into())
        .spawn(move || {
            for (mut command, answer) in ordered {
                // Whoever ordered it waits for the answer.
                let _ = answer.send(command.spawn());
            }
        })
        .expect("a thread can be started");
    Mutex::new(orders)
});

/// Starts it; it dies with this process.
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
    let (answer, answered) = channel();
    NURSERY.lock().expect("nobody panics with it").send((guarded, answer)).expect("the nursery never ends");
    answered.recv().expect("the nursery answers")
}
