//! One server: a self-healing shared connection and a pool for long answers.
//!
//! All short commands are multiplexed over the shared connection, so it needs no pool. Long reads take a connection of
//! the pool instead, because a long answer would delay every command behind it. While the server is away commands fail
//! within moments instead of waiting, and the connector retries forever.
//!
//! A slow connection is not a broken one: after a command timed out, the connector checks the server once before it
//! drops the connection. Reconnecting would cost a busy machine more, and would fail all commands meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_redis::{Manager, Pool, PoolError, Runtime};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, PushInfo, PushKind, RedisError, Script, Value};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::address::Address;
use super::dialer::{Dialer, reconnect_backoff};
use super::error::{ConnectError, sentence};
use crate::EngineError;

/// How long a command waits for a connection that has just broken.
const SHORT_OUTAGE: Duration = Duration::from_millis(500);
/// The size of the pool for long answers.
const BULK_CONNECTIONS: usize = 4;

/// The server to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// At a fixed address.
    Address(Address),
    /// The master that the sentinels name, asked before each connect.
    Master { sentinels: Arc<[Address]>, name: Arc<str> },
}

impl Target {
    /// Returns its current address.
    pub(super) async fn find(&self, dialer: &Dialer) -> Result<Address, ConnectError> {
        let (sentinels, name) = match self {
            Self::Address(address) => return Ok(address.clone()),
            Self::Master { sentinels, name } => (sentinels, name),
        };
        let mut detail = "none of them knows it".to_owned();
        for sentinel in sentinels.iter() {
            match dialer.ask_sentinel(sentinel, name).await {
                Ok(Some(master)) => return Ok(master),
                Ok(None) => {}
                Err(error) => detail = error.to_string(),
            }
        }
        Err(ConnectError::NoMaster { master: name.to_string(), detail })
    }
}

/// The connection that a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// The shared connection, for short commands with short answers.
    Shared,
    /// A connection of the pool, for long answers.
    Bulk,
}

/// One server and the connections to it.
pub(super) struct Node {
    target: Target,
    state: watch::Receiver<State>,
    /// Generations of connections that have to be checked.
    suspects: mpsc::Sender<u64>,
    bulk_timeout: Duration,
    _connector: AbortOnDropHandle<()>,
}

/// The open connections. The generation tells them from earlier ones.
#[derive(Clone)]
struct Connections {
    generation: u64,
    shared: MultiplexedConnection,
    bulk: Pool,
}

#[derive(Clone)]
enum State {
    Up(Connections),
    Down { since: Instant, reason: String },
}

impl Node {
    pub(super) fn new(dialer: Arc<Dialer>, target: Target, bulk_timeout: Duration) -> Self {
        let down = State::Down { since: Instant::now(), reason: "not connected yet".to_owned() };
        let (states, state) = watch::channel(down);
        let (suspects, suspected) = mpsc::channel(8);
        let connector =
            Connector { dialer, target: target.clone(), bulk_timeout, states, suspects: suspects.clone(), suspected };
        Self {
            target,
            state,
            suspects,
            bulk_timeout,
            _connector: AbortOnDropHandle::new(tokio::spawn(connector.run())),
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up(_))
    }

    /// Sends a command and returns the reply.
    pub(super) async fn send(&self, route: Route, command: &Cmd) -> Result<Value, SendError> {
        let mut connections = self.connections().await?;
        if route == Route::Shared {
            let answer = connections.shared.send_packed_command(command).await;
            return self.check_reply(&connections, answer);
        }
        let answer = async {
            let mut connection = connections.bulk.get().await.map_err(|error| self.pool_error(&connections, error))?;
            connection.send_packed_command(command).await.and_then(into_result).map_err(SendError::Redis)
        };
        tokio::select! {
            answer = answer => answer,
            // The shared connection detects a dead server much sooner.
            failure = self.gone(&connections) => Err(failure),
        }
    }

    /// Sends a command for a slot that is migrating to this server.
    pub(super) async fn send_asking(&self, command: &Cmd) -> Result<Value, SendError> {
        let mut connections = self.connections().await?;
        // One write, so that no other command comes in between.
        let mut both = redis::pipe();
        both.cmd("ASKING").add_command(command.clone());
        let answer = connections.shared.req_packed_commands(&both, 0, 2).await;
        let answer = answer.and_then(|mut values| {
            values.pop().ok_or_else(|| RedisError::from((redis::ErrorKind::Parse, "no answer")))
        });
        self.check_reply(&connections, answer)
    }

    /// Sends a script that the server does not know yet.
    pub(super) async fn load(&self, script: &Script) -> Result<(), SendError> {
        let mut connections = self.connections().await?;
        let loaded = script.load_async(&mut connections.shared).await;
        self.check_reply(&connections, loaded.map(|_| Value::Okay)).map(|_| ())
    }

    /// Requests a check of the connection: the server may no longer be a master.
    pub(super) fn suspect(&self) {
        if let State::Up(connections) = &*self.state.borrow() {
            // A full queue means that a check is due anyway.
            let _ = self.suspects.try_send(connections.generation);
        }
    }

    /// Waits for the first connection.
    pub(super) async fn wait_up(&self, patience: Duration) -> Result<(), EngineError> {
        let mut state = self.state.clone();
        let _ = tokio::time::timeout(patience, state.wait_for(|state| matches!(state, State::Up(_)))).await;
        self.connections().await.map(|_| ()).map_err(SendError::into_engine_error)
    }

    async fn connections(&self) -> Result<Connections, SendError> {
        let mut state = self.state.clone();
        let patience = match &*state.borrow() {
            State::Up(connections) => return Ok(connections.clone()),
            State::Down { since, .. } => SHORT_OUTAGE.saturating_sub(since.elapsed()),
        };
        let up = state.wait_for(|state| matches!(state, State::Up(_)));
        // After the timeout the current state is the answer.
        let _ = tokio::time::timeout(patience, up).await;
        match &*self.state.borrow() {
            State::Up(connections) => Ok(connections.clone()),
            State::Down { reason, .. } => Err(SendError::Down(reason.clone())),
        }
    }

    /// Requests a check of the connections if the error is one of theirs.
    fn check_reply(&self, connections: &Connections, answer: Result<Value, RedisError>) -> Result<Value, SendError> {
        answer.and_then(into_result).map_err(|error| {
            if error.is_io_error() || error.is_connection_dropped() || error.is_timeout() {
                let _ = self.suspects.try_send(connections.generation);
            }
            SendError::Redis(error)
        })
    }

    /// Returns once these connections have been dropped.
    async fn gone(&self, connections: &Connections) -> SendError {
        let is_same = |state: &State| matches!(state, State::Up(now) if now.generation == connections.generation);
        // An error means that the connector has ended, and the connections with it.
        let _ = self.state.clone().wait_for(|state| !is_same(state)).await;
        SendError::Down("the connection broke".to_owned())
    }

    fn pool_error(&self, connections: &Connections, error: PoolError) -> SendError {
        match error {
            PoolError::Backend(error) => {
                self.check_reply(connections, Err(error)).expect_err("an error stays an error")
            }
            PoolError::Timeout(_) => {
                SendError::Down(format!("no free connection for long reads within {:?}", self.bulk_timeout))
            }
            other => SendError::Down(other.to_string()),
        }
    }
}

/// Turns an error within a reply of several parts into an error.
fn into_result(value: Value) -> Result<Value, RedisError> {
    match value {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

/// Why a command has no reply.
#[derive(Debug)]
pub(super) enum SendError {
    /// There is no connection, and nothing was sent.
    Down(String),
    /// The connection broke, or the server refused the command.
    Redis(RedisError),
}

impl SendError {
    pub(super) fn into_engine_error(self) -> EngineError {
        match self {
            Self::Down(reason) => EngineError::Unavailable(reason),
            Self::Redis(error) => EngineError::Unavailable(sentence(&error)),
        }
    }
}

/// The task that connects and reconnects.
struct Connector {
    dialer: Arc<Dialer>,
    target: Target,
    bulk_timeout: Duration,
    states: watch::Sender<State>,
    suspects: mpsc::Sender<u64>,
    suspected: mpsc::Receiver<u64>,
}

impl Connector {
    async fn run(mut self) {
        let (mut backoff, mut generation) = (reconnect_backoff(), 0);
        loop {
            generation += 1;
            match self.connect(generation).await {
                Ok(connections) => {
                    backoff.reset();
                    let shared = connections.shared.clone();
                    self.states.send_replace(State::Up(connections));
                    let reason = self.watch_over(shared, generation).await;
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
                        tracing::warn!(%error, "Redis connection failed; retrying");
                    }
                    backoff.wait().await;
                }
            }
        }
    }

    /// Checks suspect connections; returns why the current one has to be dropped.
    async fn watch_over(&mut self, mut shared: MultiplexedConnection, generation: u64) -> String {
        while let Some(suspected) = self.suspected.recv().await {
            // Earlier connections are gone already.
            if suspected == generation
                && let Err(reason) = self.dialer.check(&mut shared).await
            {
                return reason;
            }
        }
        "the node is no longer used".to_owned()
    }

    async fn connect(&self, generation: u64) -> Result<Connections, ConnectError> {
        let address = self.target.find(&self.dialer).await?;
        let suspects = self.suspects.clone();
        let push_sender = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                let _ = suspects.try_send(generation);
            }
            Ok::<_, ()>(())
        };
        let shared = self.dialer.open(&address, &self.dialer.config().set_push_sender(push_sender)).await?;
        let config = self.dialer.config().set_response_timeout(Some(self.bulk_timeout));
        let unusable = |detail: String| ConnectError::Unusable { address: address.to_string(), detail };
        let manager =
            Manager::new_with_config(self.dialer.info(&address)?, config).map_err(|e| unusable(e.to_string()))?;
        let bulk = Pool::builder(manager)
            .max_size(BULK_CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(self.bulk_timeout))
            .build()
            .map_err(|e| unusable(e.to_string()))?;
        Ok(Connections { generation, shared, bulk })
    }
}
