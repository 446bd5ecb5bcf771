//! Tests of the rig with real servers.

use std::process::Command;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig, RedisResult};
use ringside_rig::{
    AppendFsync, ClusterOptions, FaultProxy, Process, RedisCluster, RedisOptions, RedisSentinel, RedisServer, until,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Connects with timeouts that a slow server doesn't exceed.
async fn connect(url: &str) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new();
    let config = config.set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
    redis::Client::open(url)?.get_multiplexed_async_connection_with_config(&config).await
}

#[tokio::test]
async fn a_killed_server_with_append_only_file_keeps_its_data() {
    let mut server = RedisServer::start(RedisOptions::append_only(AppendFsync::Always)).await.unwrap();
    let port = server.port();
    server.command::<()>("SET greeting hello").await.unwrap();
    server.kill();
    assert!(server.command::<String>("PING").await.is_err());
    server.restart().await.unwrap();
    assert_eq!(server.port(), port);
    assert_eq!(server.command::<String>("GET greeting").await.unwrap(), "hello");
}

#[tokio::test]
async fn a_paused_server_replies_once_it_is_resumed() {
    let server = RedisServer::start(RedisOptions::default()).await.unwrap();
    let mut connection = server.connection().await.unwrap();
    server.pause();
    let answer = tokio::spawn(async move { connection.get::<_, Option<String>>("x").await });
    assert!(tokio::time::timeout(Duration::from_millis(200), server.command::<String>("PING")).await.is_err());
    assert!(!answer.is_finished());
    server.resume();
    assert_eq!(answer.await.unwrap().unwrap(), None);
}

#[tokio::test]
async fn a_server_can_require_a_user_and_a_password() {
    let acl = ["user default off", "user ada on >secret ~* &* +@all"].map(str::to_owned).to_vec();
    let server = RedisServer::start(RedisOptions { acl, ..RedisOptions::default() }).await.unwrap();
    let get = async |login: &str| {
        connect(&format!("redis://{login}127.0.0.1:{}/", server.port())).await?.get::<_, Option<String>>("x").await
    };
    assert!(get("").await.is_err());
    assert_eq!(get("ada:secret@").await.unwrap(), None);
}

#[tokio::test]
async fn a_proxy_cuts_refuses_holds_delays_and_heals() {
    let server = RedisServer::start(RedisOptions::default()).await.unwrap();
    let proxy = FaultProxy::to_port(server.port()).await.unwrap();
    let connect = async || connect(&proxy.url()).await;
    let mut connection = connect().await.unwrap();
    connection.set::<_, _, ()>("x", 1).await.unwrap();

    proxy.delay(Duration::from_millis(60));
    let begun = Instant::now();
    assert_eq!(connection.get::<_, u32>("x").await.unwrap(), 1);
    assert!(begun.elapsed() >= Duration::from_millis(120), "delayed in both directions");
    proxy.heal();

    proxy.pause();
    let mut other = connection.clone();
    let held = tokio::spawn(async move { redis::cmd("INCR").arg("x").query_async::<u32>(&mut other).await });
    assert!(!held.is_finished());
    assert_eq!(server.command::<u32>("GET x").await.unwrap(), 1, "the request is held");
    proxy.heal();
    assert_eq!(held.await.unwrap().unwrap(), 2);

    proxy.hold_replies();
    let mut other = connection.clone();
    let unknown = tokio::spawn(async move { redis::cmd("INCR").arg("x").query_async::<u32>(&mut other).await });
    until("the request is executed", PATIENCE, async || server.command::<u32>("GET x").await.unwrap() == 3)
        .await
        .unwrap();
    proxy.cut();
    assert!(unknown.await.unwrap().is_err(), "executed, and its reply is lost");
    proxy.heal();

    let mut connection = connect().await.unwrap();
    proxy.cut_after(40);
    assert!(connection.set::<_, _, ()>("x", "y".repeat(500)).await.is_err());
    assert_eq!(server.command::<u32>("GET x").await.unwrap(), 3, "half a request has no effect");

    proxy.refuse();
    assert!(connect().await.is_err());
    proxy.heal();
    connect().await.unwrap();
}

#[tokio::test]
async fn slots_move_and_killed_masters_are_replaced() {
    let mut cluster = RedisCluster::start(3, 1).await.unwrap();
    let slot = cluster.slot_of("{seven}").await.unwrap();
    let old = cluster.owner_of(slot).await.unwrap();
    cluster.nodes()[old].command::<()>("SET {seven}:a 1").await.unwrap();
    cluster.nodes()[old].command::<()>("SET {seven}:b 2").await.unwrap();

    let new = (old + 1) % 3;
    cluster.migrate_slot(slot, new).await.unwrap();
    assert_eq!(cluster.owner_of(slot).await.unwrap(), new);
    assert_eq!(cluster.nodes()[new].command::<u32>("GET {seven}:b").await.unwrap(), 2);

    cluster.wait_for_replica(new).await.unwrap();
    let promoted = cluster.failover(new).await.unwrap();
    assert_eq!(cluster.nodes()[promoted].command::<u32>("GET {seven}:a").await.unwrap(), 1);
    cluster.restart(new).await.unwrap();
    assert_eq!(cluster.graceful_failover(promoted).await.unwrap(), new);
    assert_eq!(cluster.nodes()[new].command::<u32>("GET {seven}:a").await.unwrap(), 1);
}

#[tokio::test]
async fn clients_of_a_proxied_cluster_connect_by_its_proxies() {
    let options = ClusterOptions { proxied: true, node_timeout_ms: 30_000, ..ClusterOptions::default() };
    let cluster = RedisCluster::start_with(options).await.unwrap();
    let nodes: Vec<String> =
        cluster.proxies().iter().map(|proxy| format!("redis://127.0.0.1:{}/", proxy.port())).collect();
    let client = redis::cluster::ClusterClientBuilder::new(nodes);
    let client = client.connection_timeout(PATIENCE).response_timeout(PATIENCE).build().unwrap();
    let mut connection = client.get_async_connection().await.unwrap();
    for key in ["a", "b", "c", "d"] {
        connection.set::<_, _, ()>(key, 1).await.unwrap();
    }
    assert!(cluster.proxies().iter().all(|proxy| proxy.connections() > 0));
    let announced: String = cluster.nodes()[0].command("CLUSTER NODES").await.unwrap();
    for (node, proxy) in cluster.nodes().iter().zip(cluster.proxies()) {
        assert!(announced.contains(&format!("127.0.0.1:{}@{}", proxy.port(), node.port() + 10_000)), "{announced}");
    }
}

#[tokio::test]
async fn sentinels_promote_the_replica_of_a_killed_master() {
    let mut set = RedisSentinel::start().await.unwrap();
    let old = set.master().await.unwrap();
    set.servers()[old].command::<()>("SET x 1").await.unwrap();
    set.wait_for_replica().await.unwrap();
    let new = set.failover().await.unwrap();
    assert_ne!(new, old);
    assert_eq!(set.servers()[new].command::<u32>("GET x").await.unwrap(), 1);
    set.restart(old).await.unwrap();
    // Both servers have it. On a busy machine the sentinels may have changed the master again.
    for server in set.servers() {
        assert_eq!(server.command::<u32>("GET x").await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_process_is_read_paused_and_ended() {
    let mut command = Command::new("sh");
    command.args(["-c", "trap 'echo bye; exit 3' TERM; echo ready; echo warned >&2; while :; do sleep 0.05; done"]);
    let mut process = Process::start(&command).unwrap();
    process.wait_for_line("ready", PATIENCE).await.unwrap();
    process.wait_for_line("warned", PATIENCE).await.unwrap();
    process.pause();
    assert_eq!(process.exit_status(), None);
    process.resume();
    process.terminate();
    assert_eq!(process.wait(PATIENCE).await.unwrap().code(), Some(3));
    assert!(process.wait_for_line("bye", PATIENCE).await.is_ok());
    assert!(process.wait_for_line("never written", PATIENCE).await.is_err());
}
