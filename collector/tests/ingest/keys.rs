//! API keys: issued once, found by hash, ended.

use std::sync::Arc;

use ringside_access::{KeyError, Keys};
use ringside_engine::Engine;

use crate::house::{House, event, events, source, tenant};

#[tokio::test]
async fn a_key_is_random_and_only_its_hash_is_kept() {
    let house = House::new().await;
    let key = &house.key.key;
    assert!(key.starts_with("rsk_") && key.len() == 44 && key[4..].bytes().all(|b| b.is_ascii_alphanumeric()));
    let other = house.keys.issue(&tenant("acme"), &source("hook"), "other", Vec::new()).await.unwrap();
    assert_ne!(*key, other.key);
    for (name, value) in house.engine.list("key/").await.unwrap() {
        assert!(!name.contains(&key[4..]));
        assert!(!String::from_utf8_lossy(&value).contains(&key[4..]));
    }
    let listed = house.keys.list(Some(&tenant("acme"))).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert!(house.keys.list(Some(&tenant("other"))).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_key_writes_only_into_its_own_tenant_even_with_the_same_ids() {
    let house = House::new().await;
    let other = house.keys.issue(&tenant("rival"), &source("hook"), "", Vec::new()).await.unwrap();
    assert_eq!(house.post(events(0..5)).await.counts(), (5, 0, 0));
    let bearer = format!("Bearer {}", other.key);
    let body = events(0..5).replace("\"id\"", "\"tenant\":\"acme\",\"id\"");
    assert_eq!(house.send(&[("authorization", &bearer)], body).await.counts(), (5, 0, 0));
    let logged = house.logged().await;
    assert_eq!(logged.iter().filter(|event| event.tenant == tenant("acme")).count(), 5);
    assert_eq!(logged.iter().filter(|event| event.tenant == tenant("rival")).count(), 5);
}

#[tokio::test]
async fn a_revoked_key_ends_at_once_here_and_within_seconds_elsewhere() {
    let house = House::new().await;
    let shared: Arc<dyn Engine> = house.engine.clone();
    let door = house.door.clone();
    let elsewhere = Keys::new(shared, Arc::new(move || door.now()));
    let key = &house.key.key;
    assert!(elsewhere.find(key).await.unwrap().is_some());
    house.keys.revoke(&house.key.record.id[..12]).await.unwrap();
    assert_eq!(house.post(event("e")).await.problem().1, "unknown_key");
    house.pass_ms(5_000);
    assert!(elsewhere.find(key).await.unwrap().is_none());
}

#[tokio::test]
async fn revoking_what_is_not_there_says_so() {
    let house = House::new().await;
    for id in ["", "zz", "0", "key/"] {
        let known = house.key.record.id.starts_with('0') && id == "0";
        if !known {
            let error = house.keys.revoke(id).await.unwrap_err();
            assert!(matches!(error, KeyError::NotFound(_)), "{id}: {error}");
        }
    }
    for number in 0..40 {
        house.keys.issue(&tenant("acme"), &source("s"), &number.to_string(), Vec::new()).await.unwrap();
    }
    // Of 41 ids at least two begin with the same one of 16 digits.
    let mut ambiguous = 0;
    for digit in "0123456789abcdef".chars() {
        if let Err(KeyError::Ambiguous(_, several)) = house.keys.revoke(&digit.to_string()).await {
            assert!(several >= 2);
            ambiguous += 1;
        }
    }
    assert!(ambiguous > 0);
}

#[tokio::test]
async fn a_configured_key_is_made_once_and_stays_what_it_is() {
    let house = House::new().await;
    let key = "configured-key-of-32-characters!";
    let made = house.keys.ensure(&tenant("default"), &source("ingest"), key).await.unwrap();
    house.pass_ms(1_000);
    assert_eq!(house.keys.ensure(&tenant("default"), &source("ingest"), key).await.unwrap(), made);
    assert_eq!(house.keys.find(key).await.unwrap().unwrap().tenant, tenant("default"));
    let taken = house.keys.ensure(&tenant("other"), &source("ingest"), key).await.unwrap_err();
    assert!(taken.to_string().contains("tenant default"));
    for bad in ["short", "has a space in it and is long enough", "ключ-ключ-ключ-ключ-ключ-ключ-ключ"]
    {
        assert!(
            matches!(house.keys.ensure(&tenant("a"), &source("b"), bad).await, Err(KeyError::Malformed(_))),
            "{bad}"
        );
    }
}
