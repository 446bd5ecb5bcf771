//! Unusable servers are refused with advice; TLS and ACL work.

use std::path::Path;

use ringside_engine::redis::{ConnectError, Password, Redis, RedisSettings};
use ringside_engine::{Engine, EventLog, Journals, Members, Partition, Registry, Rooms};
use ringside_rig::{RedisCluster, RedisOptions, RedisServer, TlsFiles};

use crate::support::{bytes, connect, own, publish, receive, room_in, settings};

async fn refused(settings: RedisSettings) -> ConnectError {
    match Redis::connect(settings).await {
        Ok(_) => panic!("the server was accepted"),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusable_servers_are_refused_with_a_sentence() {
    let mut server = RedisServer::start(RedisOptions::default()).await.unwrap();
    connect(settings(&server.url(), "a")).await;
    let other = RedisSettings { partitions: 16, ..settings(&server.url(), "a") };
    assert!(matches!(refused(other).await, ConnectError::Partitions { actual: 8, wanted: 16, .. }));
    let (user, password) = (Some("nobody".to_owned()), Some(Password::new("wrong")));
    let login = RedisSettings { user, password, ..settings(&server.url(), "a") };
    assert!(matches!(refused(login).await, ConnectError::Login { .. }));
    assert!(matches!(refused(settings(&server.url(), "a b")).await, ConnectError::BadPrefix(_)));
    let as_cluster = settings(&server.url().replace("redis://", "redis+cluster://"), "a");
    assert!(matches!(refused(as_cluster).await, ConnectError::Mode { is_cluster: false, .. }));
    let as_sentinel = settings(&format!("redis+sentinel://127.0.0.1:{}/floor", server.port()), "a");
    assert!(matches!(refused(as_sentinel).await, ConnectError::NoMaster { .. }));

    let () = server.command("REPLICAOF 127.0.0.1 1").await.unwrap();
    assert!(matches!(refused(settings(&server.url(), "a")).await, ConnectError::Replica { .. }));
    server.kill();
    assert!(matches!(refused(settings(&server.url(), "a")).await, ConnectError::Unreachable { .. }));

    let cluster = RedisCluster::start(3, 0).await.unwrap();
    let node = settings(&cluster.nodes()[0].url(), "a");
    let error = refused(node).await;
    assert!(matches!(error, ConnectError::Mode { is_cluster: true, .. }), "{error}");
    assert!(error.to_string().contains("redis+cluster://"), "{error}");
}

/// Creates a certificate authority and a server's certificate for 127.0.0.1.
fn certificates(folder: &Path) -> TlsFiles {
    let authority_key = rcgen::KeyPair::generate().expect("keys can be generated");
    let mut authority = rcgen::CertificateParams::new(vec![]).expect("an empty list of names is valid");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_pem = authority.self_signed(&authority_key).expect("the authority signs itself").pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().expect("keys can be generated");
    let server = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("127.0.0.1 is an address");
    let certificate = server.signed_by(&key, &issuer).expect("the authority signs").pem();
    let write = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).expect("the folder exists");
        folder.join(name)
    };
    TlsFiles {
        certificate: write("server.pem", certificate),
        key: write("server.key", key.serialize_pem()),
        ca: write("ca.pem", ca_pem),
    }
}

/// The user has only the permissions that the error message names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_over_tls_with_minimal_permissions() {
    let folder = tempfile::tempdir().unwrap();
    let tls = certificates(folder.path());
    let ca = tls.ca.clone();
    let forbidden = ConnectError::Forbidden { prefix: "floor".to_owned(), detail: String::new() }.to_string();
    let permissions = forbidden.split_once("Allow it ").expect("the message says what to allow").1.to_owned();
    let acl = vec!["user default off".to_owned(), format!("user ringside on >secret {permissions}")];
    let options = RedisOptions { tls: Some(tls), acl, ..RedisOptions::default() };
    let server = RedisServer::start(options).await.unwrap();
    let user = Some("ringside".to_owned());
    let password = Some(Password::new("secret"));
    let settings = RedisSettings { user, password, ca_file: Some(ca), ..settings(&server.url(), "floor") };
    assert!(!format!("{settings:?}").contains("secret"));

    let engine = connect(settings.clone()).await;
    let room = room_in(Partition(1), engine.partitions());
    let token = own(&engine, Partition(1)).await;
    let mut subscription = engine.subscribe(Partition(1)).await.unwrap();
    engine.append(vec![(Partition(1), bytes("a"))]).await.unwrap();
    publish(&engine, token, &room, "delivered").await.unwrap();
    assert!(!receive(&engine, &mut *subscription, &room, "delivered").await);
    engine.heartbeat("collectors", "one", std::time::Duration::from_secs(5)).await.unwrap();
    engine.set("users/ann", Some(bytes("1"))).await.unwrap();
    assert_eq!(engine.list("users/").await.unwrap().len(), 1);
    assert_eq!(engine.compare_and_swap("users/ann", Some(bytes("1")), Some(bytes("2"))).await, Ok(true));
    engine.append_journal("audit/acme", vec![bytes("who")], std::time::Duration::from_secs(60)).await.unwrap();
    assert_eq!(engine.read_journal("audit/acme", None, 10).await.unwrap().len(), 1);
    assert_eq!(engine.used_partitions().await.unwrap(), [Partition(1)]);
    engine.ping().await.unwrap();

    let elsewhere = RedisSettings { prefix: "elsewhere".to_owned(), ..settings.clone() };
    assert!(matches!(refused(elsewhere).await, ConnectError::Forbidden { .. }));
    let anonymous = RedisSettings { user: None, password: None, ..settings.clone() };
    assert!(matches!(refused(anonymous).await, ConnectError::Login { .. }));
    let distrusted = refused(RedisSettings { ca_file: None, ..settings }).await;
    assert!(matches!(distrusted, ConnectError::Unreachable { .. }), "{distrusted:?}");
}
