//! A child process: its output is kept, and it can be killed, paused and resumed.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::{spawner, until};

/// How many of the newest lines are kept.
const LINES_KEPT: usize = 4_000;

/// A running child process. Dropping it kills it; it dies with this process too.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
    /// The threads that read stdout and stderr.
    readers: [JoinHandle<()>; 2],
}

/// The time to read an ended process's output: its children may hold the pipes.
const READ_REST_WITHIN: Duration = Duration::from_secs(2);

impl Process {
    /// Starts a command: its program, arguments, environment and folder.
    pub fn start(command: &Command) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = spawner::spawn(command).with_context(|| format!("{name} can't be started by setpriv"))?;
        let output = Arc::new(Output::default());
        let readers = [
            read_lines(child.stdout.take().expect("stdout is piped"), output.clone()),
            read_lines(child.stderr.take().expect("stderr is piped"), output.clone()),
        ];
        Ok(Self { name, child, output, readers })
    }

    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the newest lines of its stdout and stderr.
    pub fn lines(&self) -> Vec<String> {
        self.output.lines().iter().cloned().collect()
    }

    /// Waits for a line that contains `part`, and returns it. Earlier lines count too.
    pub async fn wait_for_line(&mut self, part: &str, timeout: Duration) -> anyhow::Result<String> {
        let output = self.output.clone();
        let line = async {
            loop {
                let news = output.news.notified();
                if let Some(line) = output.lines().iter().find(|line| line.contains(part)) {
                    return Ok(line.clone());
                }
                // Between lines, checks whether the process has ended.
                let _ = tokio::time::timeout(Duration::from_millis(50), news).await;
                if let Some(status) = self.child.try_wait()? {
                    read_rest(&self.readers).await;
                    if let Some(line) = output.lines().iter().find(|line| line.contains(part)) {
                        return Ok(line.clone());
                    }
                    bail!("{} ended ({status}) without the line {part:?}; its output:\n{}", self.name, output.text());
                }
            }
        };
        match tokio::time::timeout(timeout, line).await {
            Ok(line) => line,
            Err(_) => bail!("{} did not write {part:?} in time; its output:\n{}", self.name, output.text()),
        }
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends SIGTERM. Doesn't wait.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Sends SIGSTOP: the process stays and does nothing.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Sends SIGCONT: the process goes on.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Returns its exit status; `None` while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end and returns the exit status.
    pub async fn wait(&mut self, timeout: Duration) -> anyhow::Result<ExitStatus> {
        let mut status = None;
        let condition = format!("{} has ended", self.name);
        let child = &mut self.child;
        until(&condition, timeout, async || {
            status = child.try_wait().ok().flatten();
            status.is_some()
        })
        .await?;
        read_rest(&self.readers).await;
        Ok(status.expect("the wait ends with a status"))
    }

    fn signal(&self, signal: Signal) {
        // An error means that it has ended already.
        let _ = kill(Pid::from_raw(self.child.id() as i32), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Default)]
struct Output {
    lines: Mutex<VecDeque<String>>,
    news: Notify,
}

impl Output {
    fn lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock()
    }

    fn text(&self) -> String {
        self.lines().iter().rev().take(20).rev().fold(String::new(), |text, line| text + "  " + line + "\n")
    }
}

/// Waits until the pipes of an ended process are read to their end.
async fn read_rest(readers: &[JoinHandle<()>]) {
    // After the timeout another process holds the pipes.
    let _ = until("the output is read", READ_REST_WITHIN, async || readers.iter().all(JoinHandle::is_finished)).await;
}

fn read_lines(pipe: impl Read + Send + 'static, output: Arc<Output>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            // Ends at invalid UTF-8 and at a broken pipe.
            let Ok(line) = line else { return };
            let mut lines = output.lines();
            if lines.len() == LINES_KEPT {
                lines.pop_front();
            }
            lines.push_back(line);
            drop(lines);
            output.news.notify_waiters();
        }
    })
}
