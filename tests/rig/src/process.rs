//! A child process: what it says is kept, and it can be killed, paused and gone on with.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::Notify;

use crate::{nursery, until};

/// So many of the newest lines are kept.
const LINES_KEPT: usize = 4_000;

/// A running child process. Dropping it kills it; it dies with this process too.
pub struct Process {
    name: String,
    child: Child,
    said: Arc<Said>,
    /// Who reads its stdout and stderr.
    readers: [JoinHandle<()>; 2],
}

/// Who has ended has said all, unless somebody it left behind holds its pipes: that one is not waited for longer.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(2);

impl Process {
    /// Starts what `command` describes: program, arguments, environment and folder.
    pub fn start(command: &Command) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = nursery::spawn(command).with_context(|| format!("{name} can't be started by setpriv"))?;
        let said = Arc::new(Said::default());
        let readers = [
            keep(child.stdout.take().expect("stdout is piped"), said.clone()),
            keep(child.stderr.take().expect("stderr is piped"), said.clone()),
        ];
        Ok(Self { name, child, said, readers })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The newest lines that it wrote to stdout and stderr.
    pub fn lines(&self) -> Vec<String> {
        self.said.lines().iter().cloned().collect()
    }

    /// Waits for a line that has `part` in it, and returns it. What was said before counts too.
    pub async fn wait_for_line(&mut self, part: &str, patience: Duration) -> anyhow::Result<String> {
        let said = self.said.clone();
        let line = async {
            loop {
                let news = said.news.notified();
                if let Some(line) = said.lines().iter().find(|line| line.contains(part)) {
                    return Ok(line.clone());
                }
                // Looks for the end of the process between lines.
                let _ = tokio::time::timeout(Duration::from_millis(50), news).await;
                if let Some(status) = self.child.try_wait()? {
                    last_words(&self.readers).await;
                    if let Some(line) = said.lines().iter().find(|line| line.contains(part)) {
                        return Ok(line.clone());
                    }
                    bail!("{} ended ({status}) without saying {part:?}; it said:\n{}", self.name, said.text());
                }
            }
        };
        match tokio::time::timeout(patience, line).await {
            Ok(line) => line,
            Err(_) => bail!("{} has not said {part:?}; it said:\n{}", self.name, said.text()),
        }
    }

    /// SIGKILL, and gone.
    pub fn kill(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM. Does not wait.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// SIGSTOP: it is there and does nothing.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// SIGCONT: it goes on.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// How it ended; none while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end.
    pub async fn wait(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let mut status = None;
        let what = format!("the end of {}", self.name);
        let child = &mut self.child;
        until(&what, patience, async || {
            status = child.try_wait().ok().flatten();
            status.is_some()
        })
        .await?;
        last_words(&self.readers).await;
        Ok(status.expect("it has ended"))
    }

    fn signal(&self, signal: Signal) {
        // It may have ended already: then there is nobody to tell.
        let _ = kill(Pid::from_raw(self.child.id() as i32), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Default)]
struct Said {
    lines: Mutex<VecDeque<String>>,
    news: Notify,
}

impl Said {
    fn lines(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().expect("nobody panics with it")
    }

    fn text(&self) -> String {
        self.lines().iter().rev().take(20).rev().fold(String::new(), |text, line| text + "  " + line + "\n")
    }
}

/// Waits until all is read that may still be in the pipes of a process that has ended.
async fn last_words(readers: &[JoinHandle<()>]) {
    // Whoever else holds the pipes is no reason to wait for ever.
    let _ = until("the last words", LAST_WORDS_WITHIN, async || readers.iter().all(JoinHandle::is_finished)).await;
}

fn keep(pipe: impl Read + Send + 'static, said: Arc<Said>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            // Not UTF-8 is not for us; a broken pipe is the end.
            let Ok(line) = line else { return };
            let mut lines = said.lines();
            if lines.len() == LINES_KEPT {
                lines.pop_front();
            }
            lines.push_back(line);
            drop(lines);
            said.news.notify_waiters();
        }
    })
}
