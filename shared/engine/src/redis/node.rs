//! One server as commands see it: a shared connection that comes back by itself, and a few for bulk.
//!
//! The shared one carries everything that is short, many callers at a time, so it needs no pool. What reads much gets
//! a connection from a small pool instead: a long answer would hold up everybody behind it. While the server is away
//! callers are refused within moments rather than kept waiting, and the keeper tries again for ever.
//!
//! A connection that is slow is not broken: when a caller's patience has ended, the keeper asks the server once before
//! it gives the connection up. To connect again would cost a busy machine more, and refuse everybody meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_redis::{Manager, Pool, PoolError, Runtime};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, PushInfo, PushKind, RedisError, Script, Value};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::super::EngineError;
use super::dial::{Dial, reconnect_backoff};
use super::error::{ConnectError, sentence};
use super::topology::Address;

/// How long a caller waits for a connection that broke just now.
const SHORT_OUTAGE: Duration = Duration::from_millis(500);
/// Connections for bulk.
const BULK_CONNECTIONS: usize = 4;

/// Who to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// A server.
    Address(Address),
    /// Whoever the sentinels say is the master, asked at each connecting.
    Master { sentinels: Arc<[Address]>, name: Arc<str> },
}

impl Target {
    /// Where it is now.
    pub(super) async fn find(&self, dial: &Dial) -> Result<Address, ConnectError> {
        let (sentinels, name) = match self {
            Self::Address(address) => return Ok(address.clone()),
            Self::Master { sentinels, name } => (sentinels, name),
        };
        let mut detail = "none of them knows it".to_owned();
        for sentinel in sentinels.iter() {
            match dial.ask_sentinel(sentinel, name).await {
                Ok(Some(master)) => return Ok(master),
                Ok(None) => {}
                Err(error) => detail = error.to_string(),
            }
        }
        Err(ConnectError::NoMaster { master: name.to_string(), detail })
    }
}

/// Which connection a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Road {
    /// The shared one: short commands with short answers.
    Hot,
    /// One of the pool: long answers.
    Bulk,
}

/// One server.
pub(super) struct Node {
    target: Target,
    state: watch::Receiver<State>,
    /// Which connecting is to be looked at.
    doubts: mpsc::Sender<u64>,
    bulk_timeout: Duration,
    _keeper: AbortOnDropHandle<()>,
}

/// The connections of one connecting.
#[derive(Clone)]
struct Line {
    generation: u64,
    hot: MultiplexedConnection,
    bulk: Pool,
}

#[derive(Clone)]
enum State {
    Up(Line),
    Down { since: Instant, reason: String },
}

impl Node {
    pub(super) fn new(dial: Arc<Dial>, target: Target, bulk_timeout: Duration) -> Self {
        let down = State::Down { since: Instant::now(), reason: "not connected yet".to_owned() };
        let (states, state) = watch::channel(down);
        let (doubts, doubted) = mpsc::channel(8);
        let keeper = Keeper { dial, target: target.clone(), bulk_timeout, states, doubts: doubts.clone(), doubted };
        Self { target, state, doubts, bulk_timeout, _keeper: AbortOnDropHandle::new(tokio::spawn(keeper.run())) }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up(_))
    }

    /// Sends a command.
    pub(super) async fn send(&self, road: Road, command: &Cmd) -> Result<Value, Failure> {
        let mut line = self.line().await?;
        if road == Road::Hot {
            let answer = line.hot.send_packed_command(command).await;
            return self.judge(&line, answer);
        }
        let answer = async {
            let mut connection = line.bulk.get().await.map_err(|error| self.no_bulk(&line, error))?;
            connection.send_packed_command(command).await.and_then(checked).map_err(Failure::Redis)
        };
        tokio::select! {
            answer = answer => answer,
            // The shared one notices much sooner that nobody answers any more.
            failure = self.gone(&line) => Err(failure),
        }
    }

    /// Sends a command for a slot that is on its way to this server.
    pub(super) async fn send_asking(&self, command: &Cmd) -> Result<Value, Failure> {
        let mut line = self.line().await?;
        // One write, so that nobody's command comes between.
        let mut both = redis::pipe();
        both.cmd("ASKING").add_command(command.clone());
        let answer = line.hot.req_packed_commands(&both, 0, 2).await;
        let answer = answer.and_then(|mut values| {
            values.pop().ok_or_else(|| RedisError::from((redis::ErrorKind::Parse, "no answer")))
        });
        self.judge(&line, answer)
    }

    /// Gives it a script that it does not know.
    pub(super) async fn load(&self, script: &Script) -> Result<(), Failure> {
        let mut line = self.line().await?;
        let loaded = script.load_async(&mut line.hot).await;
        self.judge(&line, loaded.map(|_| Value::Okay)).map(|_| ())
    }

    /// Has the connection looked at: it may be one to a master that is none any more.
    pub(super) fn doubt(&self) {
        if let State::Up(line) = &*self.state.borrow() {
            // Full means that it has been told often enough.
            let _ = self.doubts.try_send(line.generation);
        }
    }

    /// Waits for the first connection.
    pub(super) async fn wait_up(&self, patience: Duration) -> Result<(), EngineError> {
        let mut state = self.state.clone();
        let _ = tokio::time::timeout(patience, state.wait_for(|state| matches!(state, State::Up(_)))).await;
        self.line().await.map(|_| ()).map_err(Failure::into_engine_error)
    }

    async fn line(&self) -> Result<Line, Failure> {
        let mut state = self.state.clone();
        let patience = match &*state.borrow() {
            State::Up(line) => return Ok(line.clone()),
            State::Down { since, .. } => SHORT_OUTAGE.saturating_sub(since.elapsed()),
        };
        let up = state.wait_for(|state| matches!(state, State::Up(_)));
        // Who runs out of patience takes the state as it is.
        let _ = tokio::time::timeout(patience, up).await;
        match &*self.state.borrow() {
            State::Up(line) => Ok(line.clone()),
            State::Down { reason, .. } => Err(Failure::Down(reason.clone())),
        }
    }

    fn judge(&self, line: &Line, answer: Result<Value, RedisError>) -> Result<Value, Failure> {
        answer.and_then(checked).map_err(|error| {
            if error.is_io_error() || error.is_connection_dropped() || error.is_timeout() {
                let _ = self.doubts.try_send(line.generation);
            }
            Failure::Redis(error)
        })
    }

    /// Returns once a line has been given up.
    async fn gone(&self, line: &Line) -> Failure {
        let is_line = |state: &State| matches!(state, State::Up(now) if now.generation == line.generation);
        // An error says that the keeper is gone, and the line with it.
        let _ = self.state.clone().wait_for(|state| !is_line(state)).await;
        Failure::Down("the connection broke".to_owned())
    }

    fn no_bulk(&self, line: &Line, error: PoolError) -> Failure {
        match error {
            PoolError::Backend(error) => self.judge(line, Err(error)).expect_err("an error stays one"),
            PoolError::Timeout(_) => Failure::Down(format!("no connection for bulk within {:?}", self.bulk_timeout)),
            other => Failure::Down(other.to_string()),
        }
    }
}

/// Errors also come as values where an answer has several parts.
fn checked(value: Value) -> Result<Value, RedisError> {
    match value {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

/// Why a command has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no connection; nothing was sent.
    Down(String),
    /// The connection broke or the server refused.
    Redis(RedisError),
}

impl Failure {
    pub(super) fn into_engine_error(self) -> EngineError {
        match self {
            Self::Down(reason) => EngineError::Unavailable(reason),
            Self::Redis(error) => EngineError::Unavailable(sentence(&error)),
        }
    }
}

/// The task that connects, and connects again.
struct Keeper {
    dial: Arc<Dial>,
    target: Target,
    bulk_timeout: Duration,
    states: watch::Sender<State>,
    doubts: mpsc::Sender<u64>,
    doubted: mpsc::Receiver<u64>,
}

impl Keeper {
    async fn run(mut self) {
        let (mut backoff, mut generation) = (reconnect_backoff(), 0);
        loop {
            generation += 1;
            match self.connect(generation).await {
                Ok(line) => {
                    backoff.reset();
                    let hot = line.hot.clone();
                    self.states.send_replace(State::Up(line));
                    let reason = self.watch_over(hot, generation).await;
                    metrics::counter!("ringside_redis_reconnects_total", "connection" => "commands").increment(1);
                    self.states.send_replace(State::Down { since: Instant::now(), reason });
                }
                Err(error) => {
                    self.states.send_modify(|state| {
                        if let State::Down { reason, .. } = state {
                            *reason = error.to_string();
                        }
                    });
                    if backoff.is_fresh() {
                        tracing::warn!(%error, "Redis is away; trying again until it is back");
                    }
                    backoff.wait().await;
                }
            }
        }
    }

    /// Returns why a connection is to be given up.
    async fn watch_over(&mut self, mut hot: MultiplexedConnection, generation: u64) -> String {
        while let Some(doubted) = self.doubted.recv().await {
            // What is said of earlier connections is old news.
            if doubted == generation
                && let Err(reason) = self.dial.check(&mut hot).await
            {
                return reason;
            }
        }
        "nobody needs it".to_owned()
    }

    async fn connect(&self, generation: u64) -> Result<Line, ConnectError> {
        let address = self.target.find(&self.dial).await?;
        let doubts = self.doubts.clone();
        let hear = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                let _ = doubts.try_send(generation);
            }
            Ok::<_, ()>(())
        };
        let hot = self.dial.open(&address, &self.dial.config().set_push_sender(hear)).await?;
        let config = self.dial.config().set_response_timeout(Some(self.bulk_timeout));
        let unusable = |detail: String| ConnectError::Unusable { address: address.to_string(), detail };
        let manager =
            Manager::new_with_config(self.dial.info(&address)?, config).map_err(|e| unusable(e.to_string()))?;
        let bulk = Pool::builder(manager)
            .max_size(BULK_CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(self.bulk_timeout))
            .build()
            .map_err(|e| unusable(e.to_string()))?;
        Ok(Line { generation, hot, bulk })
    }
}
