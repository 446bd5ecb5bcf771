use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use ringside_engine::Registry as _;
use ringside_engine::contract::Around;
use ringside_engine::embedded::{Embedded, EmbeddedSettings};
use ringside_model::TenantId;
use tempfile::TempDir;

use super::*;
use crate::sweep::sweep;
use crate::{Accounts, Membership, Role, Scope};

/// A registry that counts its calls and can be unavailable.
struct Registry {
    engine: Embedded,
    asked: AtomicUsize,
    is_away: bool,
    _folder: TempDir,
}

impl Registry {
    fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = EmbeddedSettings { partitions: 1, ..EmbeddedSettings::default() };
        let engine = Embedded::open(folder.path(), settings).unwrap();
        Self { engine, asked: AtomicUsize::new(0), is_away: false, _folder: folder }
    }

    fn ask(&self) -> Result<(), EngineError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_away { Err(EngineError::Unavailable("the test says so".to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl Around for Registry {
    fn inner(&self) -> &dyn Engine {
        &self.engine
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, EngineError> {
        self.ask()?;
        self.engine.get(key).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<bool, EngineError> {
        self.ask()?;
        self.engine.compare_and_swap(key, expected, value).await
    }
}

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

/// Attempts a wrong password; how many tries are left, or none where it was locked.
async fn wrong(throttle: &Throttle, engine: &dyn Engine, name: &str, from: Option<IpAddr>) -> Option<u32> {
    match throttle.attempt(engine, name, from, None).await {
        Ok(attempt) => Some(attempt.failed()),
        Err(Throttled::Locked { wait }) => {
            assert!(wait <= LOCKED_FOR && wait > LOCKED_FOR - Duration::from_secs(60), "{wait:?}");
            None
        }
        Err(Throttled::Unavailable(error)) => panic!("{error}"),
    }
}

async fn add(engine: &dyn Engine, name: &str) {
    let tenant = TenantId::parse("acme").unwrap();
    let member = Membership { tenant, role: Role::Viewer, scope: Scope::All };
    Accounts::add(engine, name, "correct horse", &member).await.unwrap();
    // A device that is known since the same millisecond doesn't count.
    let added = Timestamp::now();
    while Timestamp::now() <= added {
        tokio::task::yield_now().await;
    }
}

/// Tries the right password. Returns the device cookie.
async fn right(throttle: &Throttle, engine: &dyn Engine, name: &str, device: Option<&str>) -> Option<String> {
    let attempt = throttle.attempt(engine, name, address("198.51.100.7"), device).await.ok()?;
    Some(attempt.succeeded().await.unwrap())
}

#[tokio::test]
async fn five_wrong_passwords_lock_an_account_on_every_gateway() {
    let registry = Registry::fresh();
    let (one, other) = (Throttle::default(), Throttle::default());
    for (throttle, left) in [(&one, 4), (&other, 3), (&one, 2), (&other, 1), (&other, 0)] {
        assert_eq!(wrong(throttle, &registry, "ann", None).await, Some(left));
    }
    for throttle in [&one, &other, &Throttle::default()] {
        assert_eq!(wrong(throttle, &registry, "ann", None).await, None);
        assert!(right(throttle, &registry, "ann", None).await.is_none(), "the right password opens no lock");
        assert!(right(throttle, &registry, "bob", None).await.is_some(), "another name is not affected");
    }
}

#[tokio::test]
async fn a_new_password_unlocks_its_account_on_every_gateway() {
    let registry = Registry::fresh();
    let throttles: [Throttle; 2] = Default::default();
    while wrong(&throttles[0], &registry, "ann", None).await.is_some() {}
    assert_eq!(wrong(&throttles[1], &registry, "ann", None).await, None);
    unlock(&registry, "ann").await.unwrap();
    for throttle in &throttles {
        let deadline = Instant::now() + Duration::from_secs(20);
        while right(throttle, &registry, "ann", None).await.is_none() {
            assert!(Instant::now() < deadline, "it is still locked");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn the_right_password_clears_the_wrong_ones_before_it() {
    let registry = Registry::fresh();
    let throttle = Throttle::default();
    for _ in 0..3 {
        for left in [4, 3, 2, 1] {
            assert_eq!(wrong(&throttle, &registry, "ann", None).await, Some(left));
        }
        right(&throttle, &registry, "ann", None).await.unwrap();
    }
}

#[tokio::test]
async fn a_password_that_was_not_checked_does_not_count() {
    let registry = Registry::fresh();
    let throttle = Throttle::default();
    let from = address("192.0.2.1");
    assert_eq!(wrong(&throttle, &registry, "ann", from).await, Some(4));
    for _ in 0..60 {
        throttle.attempt(&registry, "ann", from, None).await.expect("not locked").cancel().await.unwrap();
    }
    assert_eq!(wrong(&throttle, &registry, "ann", from).await, Some(3), "the wrong password before still counts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_attempts_at_once_five_get_through() {
    let registry: Arc<dyn Engine> = Arc::new(Registry::fresh());
    let throttles: [Arc<Throttle>; 2] = Default::default();
    let attempts: Vec<_> = (0..200)
        .map(|n| {
            let (registry, throttle) = (registry.clone(), throttles[n % 2].clone());
            // Each from its own address: addresses have a limit of their own.
            let from = address(&format!("192.0.2.{n}"));
            tokio::spawn(async move { wrong(&throttle, &*registry, "ann", from).await })
        })
        .collect();
    let mut left = Vec::new();
    for attempt in attempts {
        left.extend(attempt.await.unwrap());
    }
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn an_attempt_counts_before_its_password_is_checked() {
    let registry = Registry::fresh();
    let throttles: [Throttle; 6] = Default::default();
    let mut under_way = Vec::new();
    for throttle in &throttles[..5] {
        under_way.push(throttle.attempt(&registry, "ann", None, None).await.ok().unwrap());
    }
    assert!(right(&throttles[5], &registry, "ann", None).await.is_none(), "five are under way elsewhere");
    // One of them was right; the others report nothing.
    under_way.pop().unwrap().succeeded().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while right(&throttles[5], &registry, "ann", None).await.is_none() {
        assert!(Instant::now() < deadline, "an outdated lock is read again");
        tokio::task::yield_now().await;
    }
    drop(under_way);
}

#[tokio::test]
async fn an_address_that_tries_many_names_is_locked() {
    for (from, neighbour, other) in [
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:3::1"),
    ] {
        let registry = Registry::fresh();
        let throttle = Throttle::default();
        for n in 0..50 {
            let name = format!("name{n}");
            assert_eq!(wrong(&throttle, &registry, &name, address(from)).await, Some(4.min(49 - n)), "{from}");
        }
        for throttle in [&throttle, &Throttle::default()] {
            assert_eq!(wrong(throttle, &registry, "ann", address(neighbour)).await, None, "{neighbour}");
            assert!(wrong(throttle, &registry, "bob", address(other)).await.is_some(), "{other}");
        }
    }
}

#[tokio::test]
async fn a_locked_address_does_not_count_against_the_account() {
    let registry = Registry::fresh();
    for n in 0..50 {
        wrong(&Throttle::default(), &registry, &format!("name{n}"), address("192.0.2.1")).await.unwrap();
    }
    for _ in 0..10 {
        assert_eq!(wrong(&Throttle::default(), &registry, "ann", address("192.0.2.1")).await, None);
    }
    assert_eq!(wrong(&Throttle::default(), &registry, "ann", address("192.0.2.2")).await, Some(4));
}

#[tokio::test]
async fn the_right_password_undoes_only_its_own_attempt() {
    let registry = Registry::fresh();
    let throttle = Throttle::default();
    let office = address("198.51.100.7");
    for n in 0..49 {
        wrong(&throttle, &registry, &format!("name{n}"), office).await.unwrap();
    }
    for _ in 0..5 {
        right(&throttle, &registry, "ann", None).await.unwrap();
    }
    assert_eq!(wrong(&throttle, &registry, "bob", office).await, Some(0), "the forty-nine before still count");
    assert!(right(&throttle, &registry, "ann", None).await.is_none());
}

#[tokio::test]
async fn a_known_device_signs_in_despite_a_locked_account() {
    let registry = Registry::fresh();
    let (throttle, elsewhere) = (Throttle::default(), Throttle::default());
    add(&registry, "ann").await;
    let device = right(&throttle, &registry, "ann", None).await.unwrap();
    while wrong(&throttle, &registry, "ann", None).await.is_some() {}
    for n in 0..50 {
        wrong(&throttle, &registry, &format!("name{n}"), address("198.51.100.7")).await;
    }
    assert!(right(&throttle, &registry, "ann", None).await.is_none());
    for gateway in [&throttle, &elsewhere] {
        let again = right(gateway, &registry, "ann", Some(&device)).await.expect("its owner signs in");
        assert_eq!(again, device, "the device stays the same one");
        assert!(right(gateway, &registry, "ann", None).await.is_none(), "the account stays locked to others");
        assert!(right(gateway, &registry, "bob", Some(&device)).await.is_none(), "it is no device of bob's");
    }
    // The device has a limit too, on all gateways.
    for (gateway, left) in [(&throttle, 4), (&elsewhere, 3), (&throttle, 2), (&elsewhere, 1), (&throttle, 0)] {
        let attempt = gateway.attempt(&registry, "ann", None, Some(&device)).await.ok().unwrap();
        assert_eq!(attempt.failed(), left);
    }
    assert!(right(&elsewhere, &registry, "ann", Some(&device)).await.is_none());
}

#[tokio::test]
async fn a_new_password_makes_devices_unknown() {
    let registry = Registry::fresh();
    let throttle = Throttle::default();
    add(&registry, "ann").await;
    let device = right(&throttle, &registry, "ann", None).await.unwrap();
    Accounts::set_password(&registry, "ann", "battery staple").await.unwrap();
    while wrong(&throttle, &registry, "ann", None).await.is_some() {}
    assert!(right(&throttle, &registry, "ann", Some(&device)).await.is_none(), "the old device is locked out too");
}

#[tokio::test]
async fn a_forged_device_cookie_is_unknown() {
    let registry = Registry::fresh();
    let throttle = Throttle::default();
    let device = right(&throttle, &registry, "ann", None).await.unwrap();
    let foreign = right(&throttle, &Registry::fresh(), "ann", None).await.unwrap();
    let elsewhere = right(&Throttle::default(), &Registry::fresh(), "ann", None).await.unwrap();
    assert!(wrong(&throttle, &registry, "ann", None).await.is_some());
    let (id, code) = device.split_once('.').unwrap();
    let other_id = foreign.split_once('.').unwrap().0;
    let long = "A".repeat(1 << 20);
    let forged = [
        elsewhere.clone(),
        format!("{other_id}.{code}"),
        format!("{id}."),
        format!("{id}.{}", &code[1..]),
        format!(".{code}"),
        id.to_owned(),
        String::new(),
        format!("{long}.{long}"),
        format!("{id}.{code}."),
    ];
    for device in &forged {
        let known = throttle.devices.recognize(&registry, "ann", Some(device)).await.unwrap();
        assert!(known.is_none(), "{device:.80}");
    }
    assert!(throttle.devices.recognize(&registry, "ann", Some(&device)).await.unwrap().is_some());
    // Name and id are told apart by the id's length.
    let longer = right(&throttle, &registry, "anna123", None).await.unwrap();
    for (name, device) in [("an", device), ("ann", format!("a123{longer}"))] {
        assert!(throttle.devices.recognize(&registry, name, Some(&device)).await.unwrap().is_none(), "{name}");
    }
}

#[tokio::test]
async fn attempts_at_a_locked_account_hardly_ask_the_registry() {
    let registry = Registry::fresh();
    let throttle = Throttle::default();
    while wrong(&throttle, &registry, "ann", address("192.0.2.1")).await.is_some() {}
    let (asked, start) = (registry.asked.load(Ordering::SeqCst), Instant::now());
    for _ in 0..5_000 {
        assert_eq!(wrong(&throttle, &registry, "ann", address("192.0.2.1")).await, None);
    }
    let asked = registry.asked.load(Ordering::SeqCst) - asked;
    let seconds = start.elapsed().as_secs() as usize + 1;
    assert!(asked <= 2 * seconds, "asked {asked} times in {seconds} s");
}

#[tokio::test]
async fn without_a_registry_no_password_is_tried() {
    let registry = Registry { is_away: true, ..Registry::fresh() };
    let throttle = Throttle::default();
    let throttled = throttle.attempt(&registry, "ann", address("192.0.2.1"), None).await.err();
    assert_eq!(throttled, Some(Throttled::Unavailable(EngineError::Unavailable("the test says so".to_owned()))));
}

#[tokio::test]
async fn cached_limiters_are_evicted_unless_in_use() {
    let throttle = Throttle::default();
    let held = throttle.limiter(ACCOUNT, "held");
    for n in 0..3 * MAX_LIMITERS {
        throttle.limiter(ACCOUNT, &format!("n{n}"));
    }
    assert!(throttle.limiters.lock().len() <= MAX_LIMITERS);
    assert!(Arc::ptr_eq(&held, &throttle.limiter(ACCOUNT, "held")));
}

#[tokio::test]
async fn only_expired_counts_are_swept_from_the_registry() {
    let registry = Registry::fresh();
    let throttle = Throttle::default();
    assert_eq!(wrong(&throttle, &registry, "ann", address("192.0.2.1")).await, Some(4));
    let old = |minutes: i64| Attempts { count: 5, last: Timestamp::now().plus_millis(-minutes * 60_000) }.write();
    let locked = attempts::key("account", "bob");
    registry.engine.set(&locked, Some(old(14))).await.unwrap();
    registry.engine.set(&attempts::key("account", "dan"), Some(old(16))).await.unwrap();
    registry.engine.set("tries/account/nonsense", Some(Bytes::from_static(b"?"))).await.unwrap();
    registry.engine.set("account/ann", Some(Bytes::from_static(b"an account"))).await.unwrap();
    assert_eq!(sweep(&registry, Timestamp::now()).await, Ok(2));
    assert_eq!(sweep(&registry, Timestamp::now()).await, Ok(0));
    assert_eq!(registry.engine.list("account/").await.unwrap().len(), 1);
    let kept: Vec<_> = registry.engine.list("tries/").await.unwrap().into_iter().map(|(key, _)| key).collect();
    let mut expected = vec![locked, attempts::key("account", "ann")];
    expected.push(attempts::key("address", "192.0.2.1"));
    expected.sort();
    assert_eq!(kept, expected);
    assert!(throttle.attempt(&registry, "bob", None, None).await.is_err());
    assert_eq!(wrong(&throttle, &registry, "dan", None).await, Some(4), "an expired count doesn't apply");
}
