//! API keys: issued once, found by hash, revoked.

use std::sync::Arc;

use ringside_access::{KeyError, Keys};
use ringside_engine::{Engine, Registry};

use crate::intake_fixture::{IntakeFixture, event, events, source, tenant};

#[tokio::test]
async fn a_key_is_random_and_only_its_hash_is_stored() {
    let fixture = IntakeFixture::new().await;
    let key = &fixture.key.key;
    assert!(key.starts_with("rsk_") && key.len() == 44 && key[4..].bytes().all(|b| b.is_ascii_alphanumeric()));
    let other = fixture.keys.issue(&tenant("acme"), &source("hook"), "other", Vec::new()).await.unwrap();
    assert_ne!(*key, other.key);
    for (name, value) in fixture.engine.list("key/").await.unwrap() {
        assert!(!name.contains(&key[4..]));
        assert!(!String::from_utf8_lossy(&value).contains(&key[4..]));
    }
    let listed = fixture.keys.list(Some(&tenant("acme"))).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert!(fixture.keys.list(Some(&tenant("other"))).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_key_writes_only_to_its_own_tenant() {
    let fixture = IntakeFixture::new().await;
    let other = fixture.keys.issue(&tenant("rival"), &source("hook"), "", Vec::new()).await.unwrap();
    assert_eq!(fixture.post(events(0..5)).await.counts(), (5, 0, 0));
    let bearer = format!("Bearer {}", other.key);
    let body = events(0..5).replace("\"id\"", "\"tenant\":\"acme\",\"id\"");
    assert_eq!(fixture.send(&[("authorization", &bearer)], body).await.counts(), (5, 0, 0));
    let logged = fixture.logged().await;
    assert_eq!(logged.iter().filter(|event| event.tenant == tenant("acme")).count(), 5);
    assert_eq!(logged.iter().filter(|event| event.tenant == tenant("rival")).count(), 5);
}

#[tokio::test]
async fn a_revoked_key_ends_at_once_and_elsewhere_within_seconds() {
    let fixture = IntakeFixture::new().await;
    let shared: Arc<dyn Engine> = fixture.engine.clone();
    let intake = fixture.intake.clone();
    let elsewhere = Keys::new(shared, Arc::new(move || intake.now()));
    let key = &fixture.key.key;
    assert!(elsewhere.find(key).await.unwrap().is_some());
    fixture.keys.revoke(&fixture.key.record.id[..12]).await.unwrap();
    assert_eq!(fixture.post(event("e")).await.problem().1, "unknown_key");
    fixture.pass_ms(5_000);
    assert!(elsewhere.find(key).await.unwrap().is_none());
}

#[tokio::test]
async fn revoking_an_unknown_or_ambiguous_key_is_an_error() {
    let fixture = IntakeFixture::new().await;
    for id in ["", "zz", "0", "key/"] {
        let known = fixture.key.record.id.starts_with('0') && id == "0";
        if !known {
            let error = fixture.keys.revoke(id).await.unwrap_err();
            assert!(matches!(error, KeyError::NotFound(_)), "{id}: {error}");
        }
    }
    for number in 0..40 {
        fixture.keys.issue(&tenant("acme"), &source("s"), &number.to_string(), Vec::new()).await.unwrap();
    }
    // Of 41 ids at least two begin with the same of 16 digits.
    let mut ambiguous = 0;
    for digit in "0123456789abcdef".chars() {
        if let Err(KeyError::Ambiguous(_, several)) = fixture.keys.revoke(&digit.to_string()).await {
            assert!(several >= 2);
            ambiguous += 1;
        }
    }
    assert!(ambiguous > 0);
}

#[tokio::test]
async fn a_configured_key_is_created_once_and_never_changed() {
    let fixture = IntakeFixture::new().await;
    let key = "configured-key-of-32-characters!";
    let made = fixture.keys.ensure(&tenant("default"), &source("ingest"), key).await.unwrap();
    fixture.pass_ms(1_000);
    assert_eq!(fixture.keys.ensure(&tenant("default"), &source("ingest"), key).await.unwrap(), made);
    assert_eq!(fixture.keys.find(key).await.unwrap().unwrap().tenant, tenant("default"));
    let taken = fixture.keys.ensure(&tenant("other"), &source("ingest"), key).await.unwrap_err();
    assert!(taken.to_string().contains("tenant default"));
    for bad in ["short", "has a space in it and is long enough", "ключ-ключ-ключ-ключ-ключ-ключ-ключ"]
    {
        assert!(
            matches!(fixture.keys.ensure(&tenant("a"), &source("b"), bad).await, Err(KeyError::Malformed(_))),
            "{bad}"
        );
    }
}
