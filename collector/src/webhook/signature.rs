//! Verifies the signatures of Standard Webhooks.
//!
//! The signed text is `{webhook-id}.{webhook-timestamp}.{body}`. A replay needs no list of seen `webhook-id`s: it has
//! the same events with the same ids, and the intake counts them as duplicates.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use ringside_access::Secret;
use ringside_model::Timestamp;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use super::problem::Problem;

/// How much the sender's clock may differ from ours.
const TOLERANCE_S: i64 = 300;

/// The most signatures to check: enough for a rotation, and bounded work.
const MOST_SIGNATURES: usize = 8;

/// Verifies a delivery's signature. Without a secret any delivery passes.
pub(super) fn verify(secrets: &[Secret], headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), Problem> {
    if secrets.is_empty() {
        return Ok(());
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(id), Some(timestamp), Some(signatures)) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"))
    else {
        return Err(Problem::unauthorized(
            "bad_signature",
            "this API key requires signed requests: send \"webhook-id\", \"webhook-timestamp\" and \
             \"webhook-signature\" as in Standard Webhooks",
        ));
    };
    let sent_s: i64 = timestamp
        .parse()
        .map_err(|_| Problem::unauthorized("bad_signature", "\"webhook-timestamp\" must be seconds since 1970"))?;
    if sent_s.abs_diff(now.seconds()) > TOLERANCE_S.unsigned_abs() {
        return Err(Problem::unauthorized(
            "bad_signature",
            "\"webhook-timestamp\" is more than 5 minutes off: sign each attempt anew, and check the sender's clock",
        ));
    }
    let expected: Vec<_> = secrets.iter().map(|secret| signature(secret, id, timestamp, body)).collect();
    let mut matches = Choice::from(0);
    let given = signatures.split_ascii_whitespace().filter_map(|signature| signature.strip_prefix("v1,"));
    for given in given.take(MOST_SIGNATURES).filter_map(|base64| STANDARD.decode(base64).ok()) {
        for expected in &expected {
            matches |= expected.as_slice().ct_eq(given.as_slice());
        }
    }
    if bool::from(matches) {
        Ok(())
    } else {
        Err(Problem::unauthorized(
            "bad_signature",
            "no \"v1\" signature matches: it must be the base64 of HMAC-SHA256 over \"{webhook-id}.{webhook-timestamp}.{body}\", \
             with the key's secret and the exact bytes of the body",
        ))
    }
}

fn signature(secret: &Secret, id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.bytes()).expect("HMAC accepts keys of any length");
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}
