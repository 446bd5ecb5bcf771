//! Making connections: TLS, login, and a check of the server's version and role.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, TlsCertificates, Value, cmd,
};
use ringside_pacing::Backoff;

use super::address::Address;
use super::error::{ConnectError, sentence};
use super::settings::RedisSettings;
use super::topology::{Location, Topology};

/// Returns the pauses between attempts to connect.
pub(super) const fn reconnect_backoff() -> Backoff {
    Backoff::new(Duration::from_millis(50), Duration::from_secs(1))
}

/// Makes connections with the settings that all of an engine's share.
#[derive(Debug)]
pub(super) struct Dialer {
    tls: bool,
    ca: Option<Vec<u8>>,
    login: RedisConnectionInfo,
    is_cluster: bool,
    prefix: String,
    connect_timeout: Duration,
    response_timeout: Duration,
}

impl Dialer {
    pub(super) fn new(settings: &RedisSettings, location: &Location) -> Result<Self, ConnectError> {
        if location.tls {
            // A provider that was installed before is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let read = |path: &std::path::PathBuf| {
            let failed = |e: std::io::Error| ConnectError::BadCa { path: path.clone(), detail: e.to_string() };
            std::fs::read(path).map_err(failed)
        };
        let mut login = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        if let Some(user) = settings.user.as_ref().or(location.user.as_ref()) {
            login = login.set_username(user);
        }
        let password = settings.password.as_ref().map(|password| password.reveal());
        if let Some(password) = password.or(location.password.as_deref()) {
            login = login.set_password(password);
        }
        Ok(Self {
            tls: location.tls,
            ca: settings.ca_file.as_ref().map(read).transpose()?,
            login,
            is_cluster: matches!(location.topology, Topology::Cluster(_)),
            prefix: settings.prefix.clone(),
            connect_timeout: settings.connect_timeout,
            response_timeout: settings.response_timeout,
        })
    }

    /// Returns the configuration of a normal connection.
    pub(super) fn config(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.response_timeout))
    }

    /// Returns the parameters of a connection to a server.
    pub(super) fn info(&self, address: &Address) -> Result<ConnectionInfo, ConnectError> {
        self.info_as(address, self.login.clone())
    }

    fn info_as(&self, address: &Address, login: RedisConnectionInfo) -> Result<ConnectionInfo, ConnectError> {
        let Address { host, port } = address.clone();
        let failed = |e: RedisError| ConnectError::at(address, &self.prefix, &e);
        let addr = if self.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        // Detects a dead peer even if no command is sent.
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(TcpKeepalive::new().with_time(Duration::from_secs(5)).with_interval(Duration::from_secs(2)))
            .set_user_timeout(Duration::from_secs(10));
        let info = addr.into_connection_info().map_err(failed)?.set_redis_settings(login).set_tcp_settings(tcp);
        match &self.ca {
            Some(ca) if self.tls => {
                let certificates = TlsCertificates { client_tls: None, root_cert: Some(ca.clone()) };
                let client = Client::build_with_tls(info, certificates).map_err(failed)?;
                Ok(client.get_connection_info().clone())
            }
            _ => Ok(info),
        }
    }

    /// Connects, and rejects servers that can't be used.
    pub(super) async fn open(
        &self,
        address: &Address,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, ConnectError> {
        let failed = |e: RedisError| ConnectError::at(address, &self.prefix, &e);
        let client = Client::open(self.info(address)?).map_err(failed)?;
        let mut connection = client.get_multiplexed_async_connection_with_config(config).await.map_err(failed)?;
        let info: String = cmd("INFO").arg("server").query_async(&mut connection).await.map_err(failed)?;
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let version = field("redis_version").unwrap_or_default();
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_none_or(|major| major < 7) {
            return Err(ConnectError::TooOld { address: address.to_string(), version: version.to_owned() });
        }
        let is_cluster = field("redis_mode") == Some("cluster");
        if is_cluster != self.is_cluster {
            return Err(ConnectError::Mode { address: address.to_string(), is_cluster });
        }
        // In a cluster every node knows the masters; elsewhere only the server itself can say.
        if !is_cluster && !is_master(&mut connection).await.map_err(failed)? {
            return Err(ConnectError::Replica { address: address.to_string() });
        }
        Ok(connection)
    }

    /// Checks that an open connection can still be used; the error says why not.
    pub(super) async fn check(&self, connection: &mut MultiplexedConnection) -> Result<(), String> {
        // In a cluster the slot map tells whether it is a master.
        let can_be_used = match self.is_cluster {
            true => cmd("PING").exec_async(connection).await.map(|()| true),
            false => is_master(connection).await,
        };
        match can_be_used {
            Ok(true) => Ok(()),
            Ok(false) => Err("it is no longer a master".to_owned()),
            Err(error) => Err(sentence(&error)),
        }
    }

    /// Asks a sentinel for its master.
    ///
    /// A sentinel that requires a password gets the servers' one.
    pub(super) async fn ask_sentinel(&self, sentinel: &Address, master: &str) -> Result<Option<Address>, ConnectError> {
        let anonymous = RedisConnectionInfo::default().set_skip_set_lib_name();
        let with_login = self.login.clone().set_protocol(ProtocolVersion::RESP2);
        let failed = |e: RedisError| ConnectError::at(sentinel, &self.prefix, &e);
        let mut answer = self.ask_master_address(sentinel, master, anonymous).await?;
        if answer.as_ref().is_err_and(|e| e.code() == Some("NOAUTH")) {
            answer = self.ask_master_address(sentinel, master, with_login).await?;
        }
        Ok(answer.map_err(failed)?.map(|(host, port)| Address { host, port }))
    }

    async fn ask_master_address(
        &self,
        sentinel: &Address,
        master: &str,
        login: RedisConnectionInfo,
    ) -> Result<Result<Option<(String, u16)>, RedisError>, ConnectError> {
        let failed = |e: RedisError| ConnectError::at(sentinel, &self.prefix, &e);
        let client = Client::open(self.info_as(sentinel, login)?).map_err(failed)?;
        let config = self.config();
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.map_err(failed)?;
        Ok(cmd("SENTINEL").arg("get-master-addr-by-name").arg(master).query_async(&mut connection).await)
    }
}

/// True if the server reports the role of a master.
async fn is_master(connection: &mut MultiplexedConnection) -> Result<bool, RedisError> {
    let role: Vec<Value> = cmd("ROLE").query_async(connection).await?;
    Ok(matches!(role.first(), Some(Value::BulkString(role)) if role == b"master"))
}
