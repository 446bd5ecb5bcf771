//! Signatures of Standard Webhooks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use ringside_access::{IssuedKey, KeyError, Secret};
use sha2::Sha256;

use crate::intake_fixture::{Answer, IntakeFixture, event, events};

fn sign(secret: &Secret, id: &str, timestamp: &str, body: &str) -> String {
    let bytes = STANDARD.decode(secret.reveal().trim_start_matches("whsec_")).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&bytes).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

async fn deliver(fixture: &IntakeFixture, key: &IssuedKey, id: &str, at_s: i64, signature: &str, body: &str) -> Answer {
    let (bearer, at) = (format!("Bearer {}", key.key), at_s.to_string());
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("webhook-id", id),
        ("webhook-timestamp", &at),
        ("webhook-signature", signature),
    ];
    fixture.send(&headers, body.to_owned()).await
}

#[tokio::test]
async fn a_signed_delivery_is_accepted_and_its_replay_a_duplicate() {
    let fixture = IntakeFixture::new().await;
    let secret = Secret::generate();
    let key = fixture.signed_key(vec![secret.clone()]).await;
    let now = fixture.intake.now().seconds();
    let body = event("e1");
    let signature = sign(&secret, "msg_1", &now.to_string(), &body);
    assert_eq!(deliver(&fixture, &key, "msg_1", now, &signature, &body).await.counts(), (1, 0, 0));
    assert_eq!(deliver(&fixture, &key, "msg_1", now, &signature, &body).await.counts(), (0, 1, 0));
    assert_eq!(fixture.logged().await.len(), 1);
}

#[tokio::test]
async fn forged_changed_expired_or_missing_signatures_get_401() {
    let fixture = IntakeFixture::new().await;
    let secret = Secret::generate();
    let key = fixture.signed_key(vec![secret.clone()]).await;
    let now = fixture.intake.now().seconds();
    let body = event("e1");
    let at = |s: i64| sign(&secret, "m", &s.to_string(), &body);
    let other = sign(&Secret::generate(), "m", &now.to_string(), &body);
    let good = at(now);
    for (id, at_s, signature, body, why) in [
        ("m", now, other.as_str(), body.as_str(), "another secret"),
        ("m2", now, &good, &body, "another id"),
        ("m", now + 1, &good, &body, "another time"),
        ("m", now, &good, &event("e2"), "another body"),
        ("m", now - 301, &at(now - 301), &body, "too old"),
        ("m", now + 301, &at(now + 301), &body, "too new"),
        ("m", now, good.trim_start_matches("v1,"), &body, "no version"),
        ("m", now, &good.replace("v1,", "v2,"), &body, "another version"),
        ("m", now, "", &body, "empty"),
        ("m", now, "v1,", &body, "empty signature"),
        ("m", now, "v1,!!!", &body, "no base64"),
    ] {
        let answer = deliver(&fixture, &key, id, at_s, signature, body).await;
        assert_eq!((answer.problem().0, answer.problem().1), (401, "bad_signature"), "{why}");
    }
    let bearer = format!("Bearer {}", key.key);
    let unsigned = fixture.send(&[("authorization", &bearer)], body.clone()).await;
    assert!(unsigned.problem().2.contains("webhook-signature"));
    assert!(fixture.logged().await.is_empty());
    for at_s in [now - 299, now + 299] {
        assert!(deliver(&fixture, &key, "m", at_s, &at(at_s), &body).await.status.is_success());
    }
}

#[tokio::test]
async fn during_a_rotation_either_secret_is_valid() {
    let fixture = IntakeFixture::new().await;
    let old = Secret::generate();
    let key = fixture.signed_key(vec![old.clone()]).await;
    let new = fixture.keys.add_secret(&key.record.id[..12]).await.unwrap();
    let now = fixture.intake.now().seconds();
    for (number, secret) in [&old, &new].into_iter().enumerate() {
        let body = event(&format!("e{number}"));
        let signature = sign(secret, "m", &now.to_string(), &body);
        assert_eq!(deliver(&fixture, &key, "m", now, &signature, &body).await.counts(), (1, 0, 0));
    }
    let body = event("both");
    let both = format!(
        "v1a,c2ln {} {}",
        sign(&Secret::generate(), "m", &now.to_string(), &body),
        sign(&new, "m", &now.to_string(), &body)
    );
    assert_eq!(deliver(&fixture, &key, "m", now, &both, &body).await.counts(), (1, 0, 0));
    // The old secret ends with the rotation.
    fixture.keys.keep_newest_secret(&key.record.id[..12]).await.unwrap();
    let body = event("late");
    let answer = deliver(&fixture, &key, "m", now, &sign(&old, "m", &now.to_string(), &body), &body).await;
    assert_eq!(answer.problem().1, "bad_signature");
    let answer = deliver(&fixture, &key, "m", now, &sign(&new, "m", &now.to_string(), &body), &body).await;
    assert_eq!(answer.counts(), (1, 0, 0));
}

#[tokio::test]
async fn a_rotation_leaves_one_secret_or_two() {
    let fixture = IntakeFixture::new().await;
    let old = Secret::generate();
    let (unsigned, signed) = (&fixture.key.record.id, fixture.signed_key(vec![old.clone()]).await);
    let signed = &signed.record.id;
    let keys = &fixture.keys;
    let secrets = async || keys.list(None).await.unwrap().into_iter().find(|key| key.id == *signed).unwrap().secrets;
    assert!(matches!(keys.add_secret(unsigned).await, Err(KeyError::Unsigned(_))), "the key requires no signatures");
    assert!(matches!(keys.keep_newest_secret(unsigned).await, Err(KeyError::Unsigned(_))));
    assert!(matches!(keys.keep_oldest_secret(unsigned).await, Err(KeyError::Unsigned(_))));
    assert!(matches!(keys.keep_newest_secret(signed).await, Err(KeyError::OneSecret(_))), "the last secret stays");
    assert!(matches!(keys.keep_oldest_secret(signed).await, Err(KeyError::OneSecret(_))));
    let new = keys.add_secret(signed).await.unwrap();
    assert_eq!(secrets().await, [old.clone(), new]);
    assert!(matches!(keys.add_secret(signed).await, Err(KeyError::InRotation(_))));
    keys.keep_oldest_secret(signed).await.unwrap();
    assert_eq!(secrets().await, [old], "the new secret is revoked");
    let new = keys.add_secret(signed).await.unwrap();
    keys.keep_newest_secret(signed).await.unwrap();
    assert_eq!(secrets().await, [new]);
    keys.revoke(signed).await.unwrap();
    assert!(matches!(keys.add_secret(signed).await, Err(KeyError::NotFound(_))), "a revoked key stays revoked");
}

#[tokio::test]
async fn a_signed_stream_is_verified_before_any_line_is_accepted() {
    let fixture = IntakeFixture::new().await;
    let secret = Secret::generate();
    let key = fixture.signed_key(vec![secret.clone()]).await;
    let now = fixture.intake.now().seconds().to_string();
    let body = format!("{}\n{}\n", event("e1"), event("e2"));
    let bearer = format!("Bearer {}", key.key);
    let signature = sign(&secret, "m", &now, &body);
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("content-type", "application/x-ndjson"),
        ("webhook-id", "m"),
        ("webhook-timestamp", &now),
    ];
    assert_eq!(fixture.send(&headers, body.clone()).await.problem().1, "bad_signature");
    assert!(fixture.logged().await.is_empty());
    headers.push(("webhook-signature", &signature));
    assert_eq!(fixture.send(&headers, body).await.counts(), (2, 0, 0));
}

#[tokio::test]
async fn a_key_without_a_secret_needs_no_signature() {
    let fixture = IntakeFixture::new().await;
    assert_eq!(fixture.post(events(0..2)).await.counts(), (2, 0, 0));
}
