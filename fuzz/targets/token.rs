//! Access tokens: nothing is accepted that was not signed by us, and of what was signed nothing that is not an access
//! token for us that is still good.
//!
//! The first byte says how the rest becomes a token. What is signed here with our own key is what an attacker could only
//! get signed by a fault of ours; everything else must be refused, whatever it says.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use ringside_gateway::fuzzing::Verifier;
use serde_json::{Value, json};
use sha2::Sha256;

const ISSUER: &str = "https://floor.example";
const AUDIENCE: &str = "ringside";

static OURS: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[7; 32]));
static THEIRS: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[8; 32]));
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Verifier::new([7; 32], ISSUER, AUDIENCE));
/// A token that is good for as long as this runs.
static GOOD: LazyLock<String> = LazyLock::new(|| {
    let head = json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": VERIFIER.kid() });
    let claims = json!({
        "sub": "ann", "tenant": "acme", "role": "viewer", "campaigns": "*", "sid": "s", "jti": "j",
        "iat": now_secs(), "exp": now_secs() + 1_000_000, "iss": ISSUER, "aud": AUDIENCE,
    });
    let unsigned = unsigned(head.to_string().as_bytes(), claims.to_string().as_bytes());
    signed(&unsigned, &OURS.sign(unsigned.as_bytes()).to_bytes())
});

pub(crate) fn run(data: &[u8]) {
    assert_eq!(VERIFIER.verify(&GOOD).map(|viewer| viewer.user).as_deref(), Some("ann"));
    let Some((way, rest)) = data.split_first() else { return };
    let refused = |token: &str| assert_eq!(VERIFIER.verify(token), None, "accepted: {token}");
    // Head and claims, with a zero byte between them.
    let cut = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    let (head, claims) = (&rest[..cut], rest.get(cut + 1..).unwrap_or_default());
    let head = String::from_utf8_lossy(head).replace("KID", &VERIFIER.kid()).into_bytes();
    let unsigned = unsigned(&head, claims);
    match way % 8 {
        0 => refused(&String::from_utf8_lossy(rest)),
        1 => refused(&signed(&unsigned, &THEIRS.sign(unsigned.as_bytes()).to_bytes())),
        2 => {
            let key = OURS.verifying_key();
            let mut code = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key may have any length");
            code.update(unsigned.as_bytes());
            refused(&signed(&unsigned, &code.finalize().into_bytes()));
        }
        3 => refused(&format!("{unsigned}.")),
        4 => refused(&signed(&unsigned, rest)),
        // A good one with some bytes of its own replaced, or more of them.
        5 => {
            let mut token = GOOD.clone().into_bytes();
            for change in rest.chunks_exact(2) {
                let at = usize::from(change[0]) * token.len() / 256;
                token[at] = change[1];
            }
            let token = String::from_utf8_lossy(&token).into_owned();
            if token != *GOOD {
                refused(&token);
            }
        }
        6 => {
            let (first, last) = GOOD.rsplit_once('.').expect("a token has three parts");
            let more = String::from_utf8_lossy(rest);
            if !more.is_empty() {
                refused(&format!("{first}.{last}{more}"));
                refused(&format!("{more}{first}.{last}"));
            }
        }
        _ => {
            let token = signed(&unsigned, &OURS.sign(unsigned.as_bytes()).to_bytes());
            if let Some(viewer) = VERIFIER.verify(&token) {
                // A claim that nobody knows is passed over, whatever bytes it holds.
                let read = |json| serde_json::from_str(&String::from_utf8_lossy(json)).expect("it was read");
                let (head, claims): (Value, Value) = (read(&head), read(claims));
                assert_eq!((&head["typ"], &head["alg"]), (&json!("at+jwt"), &json!("EdDSA")), "{token}");
                assert_eq!(head["kid"], json!(VERIFIER.kid()), "{token}");
                assert_eq!((&claims["iss"], &claims["sub"]), (&json!(ISSUER), &json!(viewer.user)), "{token}");
                let audience = &claims["aud"];
                assert!(*audience == AUDIENCE || audience.as_array().is_some_and(|all| all.contains(&json!(AUDIENCE))));
                assert!(claims["exp"].as_i64().is_some_and(|exp| exp >= now_secs() - 1), "{token}");
                let not_before = claims.get("nbf").and_then(Value::as_f64);
                assert!(not_before.is_none_or(|from| from <= now_secs() as f64 + 1.0), "{token}");
                assert_eq!(claims["tenant"], json!(viewer.tenant.as_str()), "{token}");
            }
        }
    }
}

fn unsigned(head: &[u8], claims: &[u8]) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims))
}

fn signed(unsigned: &str, signature: &[u8]) -> String {
    format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn now_secs() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    i64::try_from(since.as_secs()).expect("the clock is before the end of time")
}
