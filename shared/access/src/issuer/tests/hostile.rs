//! Every forged or invalid token that must be rejected, for each kind of key.

use proptest::prelude::*;

use super::*;

const KINDS: [(&str, SignatureAlgorithm); 4] = [
    ("rsa", SignatureAlgorithm::Rs256),
    ("ec", SignatureAlgorithm::Es256),
    ("ed", SignatureAlgorithm::EdDsa),
    ("hs", SignatureAlgorithm::Hs256),
];

/// Returns four issuers, each with one key `k1` of its kind.
fn all() -> (Vec<Arc<Signer>>, Issuers) {
    let signers: Vec<_> = KINDS.iter().map(|(_, algorithm)| Signer::new(*algorithm)).collect();
    let settings = KINDS
        .iter()
        .zip(&signers)
        .map(|((id, _), signer)| settings(id, KeySource::Static(vec![signer.verifying("k1")])));
    let issuers = Issuers::new(settings.collect()).unwrap();
    (signers, issuers)
}

fn with(issuer: &str, name: &str, value: Value) -> Value {
    let mut claims = claims(issuer);
    claims[name] = value;
    claims
}

fn without(issuer: &str, name: &str) -> Value {
    let mut claims = claims(issuer);
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[tokio::test]
async fn a_valid_token_maps_to_an_identity() {
    let (signers, issuers) = all();
    for ((id, _), signer) in KINDS.iter().zip(&signers) {
        let issuer = format!("https://{id}.example");
        let (identity, from) = issuers.identify(&signer.sign("k1", &claims(&issuer)), NOW).await.unwrap();
        assert_eq!(from, *id);
        assert_eq!(identity.user, format!("{id}:ann"));
        assert_eq!((identity.tenant.as_str(), identity.role), ("acme", Role::Supervisor));
        assert_eq!(identity.scope.to_string(), "alpha");
        assert_eq!(identity.valid_until, Some(NOW.plus_millis(480 * 60_000)));
        let now = NOW.seconds();
        for fine in [
            with(&issuer, "aud", json!(["someone", "ringside"])),
            with(&issuer, "nbf", json!(now + 60)),
            with(&issuer, "iat", json!(now + 60)),
            with(&issuer, "exp", json!(now as f64 + 0.5)),
            with(&issuer, "typ", json!("Bearer")),
            with(&issuer, "token_use", json!("access")),
            without(&issuer, "nbf"),
            without(&issuer, "iat"),
        ] {
            assert!(issuers.identify(&signer.sign("k1", &fine), NOW).await.is_ok(), "{fine}");
        }
        let named = signer.algorithm.as_str();
        for head in [
            json!({ "alg": named }),
            json!({ "alg": named, "kid": "k1", "typ": "at+jwt" }),
            json!({ "alg": named, "kid": "k1", "typ": "application/AT+JWT" }),
        ] {
            let token = signer.sign_texts(&head.to_string(), &claims(&issuer).to_string());
            assert!(issuers.identify(&token, NOW).await.is_ok(), "{head}");
        }
    }
}

#[tokio::test]
async fn hostile_tokens_are_rejected() {
    let (signers, issuers) = all();
    for (place, (id, algorithm)) in KINDS.iter().enumerate() {
        let (signer, own) = (&signers[place], format!("https://{id}.example"));
        let name = algorithm.as_str();
        let good = claims(&own).to_string();
        let now = NOW.seconds();
        let mut cases: Vec<(String, String, TokenRejected)> = Vec::new();
        let mut case = |what: &str, token: String, rejected| cases.push((what.to_owned(), token, rejected));

        // Headers that name another algorithm or key.
        let unsigned = |alg: &str| URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "kid": "k1" }).to_string());
        let body = URL_SAFE_NO_PAD.encode(&good);
        for none in ["none", "None", "NONE", "nOnE", ""] {
            case("no signature", format!("{}.{body}.", unsigned(none)), TokenRejected::Malformed);
            case("alg none", format!("{}.{body}.AAAA", unsigned(none)), TokenRejected::Algorithm);
        }
        for other in
            ["HS256", "RS256", "ES256", "EdDSA", "HS512", "PS256", "RS512"].iter().filter(|other| **other != name)
        {
            let head = json!({ "alg": other, "kid": "k1" }).to_string();
            case("another alg in the head", signer.sign_texts(&head, &good), TokenRejected::Algorithm);
        }
        if !signer.public_pem.is_empty() {
            let der = pem_body(&signer.public_pem);
            for secret in [signer.public_pem.as_bytes(), signer.public_pem.trim().as_bytes(), &der] {
                let key = EncodingKey::from_secret(secret);
                let signed = format!("{}.{body}", unsigned("HS256"));
                let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
                case("HS256 with the public key", format!("{signed}.{signature}"), TokenRejected::Algorithm);
                let signed = format!("{}.{body}", unsigned(name));
                let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
                case(
                    "the same, with the key's algorithm in the header",
                    format!("{signed}.{signature}"),
                    TokenRejected::Signature,
                );
            }
        }
        for (head, rejected) in [
            (json!({ "kid": "k1" }), TokenRejected::Algorithm),
            (json!({ "alg": null, "kid": "k1" }), TokenRejected::Algorithm),
            (json!({ "alg": [name], "kid": "k1" }), TokenRejected::Algorithm),
            (json!({ "alg": name.to_lowercase(), "kid": "k1" }), TokenRejected::Algorithm),
            (json!({ "alg": name, "kid": "k2" }), TokenRejected::Key),
            (json!({ "alg": name, "kid": "" }), TokenRejected::Key),
            (json!({ "alg": name, "kid": "../k1" }), TokenRejected::Key),
            (json!({ "alg": name, "kid": ["k1"] }), TokenRejected::Malformed),
            (json!({ "alg": name, "kid": "k1", "crit": ["exp"] }), TokenRejected::Malformed),
            (json!({ "alg": name, "kid": "k1", "typ": "rt+jwt" }), TokenRejected::Kind),
            (json!({ "alg": name, "kid": "k1", "typ": "refresh+jwt" }), TokenRejected::Kind),
            (json!({ "alg": name, "kid": "k1", "typ": "logout+jwt" }), TokenRejected::Kind),
            (json!({ "alg": name, "kid": "k1", "typ": 1 }), TokenRejected::Kind),
        ] {
            case(&format!("head {head}"), signer.sign_texts(&head.to_string(), &good), rejected);
        }
        let twice = format!(r#"{{"alg":"none","alg":"{name}","kid":"k1"}}"#);
        case("two algs", signer.sign_texts(&twice, &good), TokenRejected::Malformed);
        let twice = format!(r#"{{"sub":"root",{}"#, &good[1..]);
        case("two users", signer.sign_texts(&json!({ "alg": name }).to_string(), &twice), TokenRejected::Malformed);
        for garbage in ["", "[]", "null", "\"x\"", "{", "{}x", "\u{feff}{}"] {
            case("garbage head", signer.sign_texts(garbage, &good), TokenRejected::Malformed);
            let head = json!({ "alg": name, "kid": "k1" }).to_string();
            case("garbage claims", signer.sign_texts(&head, garbage), TokenRejected::Malformed);
        }

        // Keys of others.
        let stranger = Signer::new(match algorithm {
            SignatureAlgorithm::Rs256 => SignatureAlgorithm::EdDsa,
            other => *other,
        });
        let head = json!({ "alg": name, "kid": "k1" }).to_string();
        case("a stranger's key", stranger.sign_texts(&head, &good), TokenRejected::Signature);
        let head = json!({
            "alg": name, "kid": "k1", "jwk": stranger.jwk, "jku": "https://evil.example/jwks", "x5u": "https://evil.example",
        });
        case("a key of its own", stranger.sign_texts(&head.to_string(), &good), TokenRejected::Signature);
        for (other, other_signer) in signers.iter().enumerate().filter(|(other, _)| *other != place) {
            let (other_id, _) = KINDS[other];
            case("another issuer's key", other_signer.sign("k1", &claims(&own)), TokenRejected::Algorithm);
            let theirs = claims(&format!("https://{other_id}.example"));
            case("in another issuer's name", signer.sign("k1", &theirs), TokenRejected::Algorithm);
        }

        // Claims.
        let sign = |claims: Value| signer.sign("k1", &claims);
        for (claims, rejected) in [
            (without(&own, "iss"), TokenRejected::Issuer),
            (with(&own, "iss", json!("https://evil.example")), TokenRejected::Issuer),
            (with(&own, "iss", json!(format!("{own}/"))), TokenRejected::Issuer),
            (with(&own, "iss", json!([own])), TokenRejected::Issuer),
            (without(&own, "aud"), TokenRejected::Audience),
            (with(&own, "aud", json!("other")), TokenRejected::Audience),
            (with(&own, "aud", json!(["other", "others"])), TokenRejected::Audience),
            (with(&own, "aud", json!([])), TokenRejected::Audience),
            (with(&own, "aud", json!({ "ringside": true })), TokenRejected::Audience),
            (with(&own, "aud", json!("Ringside")), TokenRejected::Audience),
            (without(&own, "exp"), TokenRejected::Expired),
            (with(&own, "exp", json!(now)), TokenRejected::Expired),
            (with(&own, "exp", json!(now - 86_400)), TokenRejected::Expired),
            (with(&own, "exp", json!((now + 600).to_string())), TokenRejected::Expired),
            (with(&own, "exp", Value::Null), TokenRejected::Expired),
            (with(&own, "nbf", json!(now + 61)), TokenRejected::NotYet),
            (with(&own, "nbf", json!("now")), TokenRejected::NotYet),
            (with(&own, "iat", json!(now + 61)), TokenRejected::NotYet),
            (with(&own, "iat", Value::Null), TokenRejected::NotYet),
            (with(&own, "typ", json!("Refresh")), TokenRejected::Kind),
            (with(&own, "typ", json!("Offline")), TokenRejected::Kind),
            (with(&own, "typ", json!(["Bearer"])), TokenRejected::Kind),
            (with(&own, "token_use", json!("refresh")), TokenRejected::Kind),
            (with(&own, "token_type", json!("refresh_token")), TokenRejected::Kind),
            (with(&own, "events", json!({})), TokenRejected::Kind),
            (without(&own, "sub"), TokenRejected::User),
            (with(&own, "sub", json!("a\r\nb")), TokenRejected::User),
            (without(&own, "role"), TokenRejected::Role),
            (with(&own, "role", json!("admin")), TokenRejected::Role),
            (with(&own, "role", json!("supervisor")), TokenRejected::Role),
            (without(&own, "campaigns"), TokenRejected::Campaigns),
            (with(&own, "campaigns", json!(["alpha", "../beta"])), TokenRejected::Campaigns),
            (with(&own, "filling", json!("x".repeat(8 * 1024))), TokenRejected::TooLong),
        ] {
            case(&format!("claims {claims:.200}"), sign(claims), rejected);
        }

        // Texts that are almost a token.
        let token = sign(claims(&own));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        for (what, text, rejected) in [
            ("nothing", String::new(), TokenRejected::Malformed),
            ("dots", "..".to_owned(), TokenRejected::Malformed),
            ("words", "a.b.c".to_owned(), TokenRejected::Malformed),
            ("two parts", signed.to_owned(), TokenRejected::Malformed),
            ("four parts", format!("{token}.AAAA"), TokenRejected::Malformed),
            ("encrypted", format!("{token}.AAAA.AAAA"), TokenRejected::Malformed),
            ("a space before", format!(" {token}"), TokenRejected::Malformed),
            ("a line after", format!("{token}\n"), TokenRejected::Signature),
            ("padding", format!("{token}=="), TokenRejected::Signature),
            ("a shorter signature", token[..token.len() - 4].to_owned(), TokenRejected::Signature),
            ("a longer signature", format!("{token}AAAA"), TokenRejected::Signature),
            ("zeros", format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64])), TokenRejected::Signature),
            ("nothing signed", format!("{signed}.{}", "A".repeat(signature.len())), TokenRejected::Signature),
        ] {
            case(what, text, rejected);
        }

        for (what, token, rejected) in cases {
            let result = match issuers.identify(&token, NOW).await {
                Err(TokenRejected::NoAccess { user, reason }) => {
                    assert_eq!(user, format!("{id}:ann"), "{what}");
                    Err(*reason)
                }
                result => result,
            };
            assert_eq!(result, Err(rejected), "{id}: {what}");
        }
        assert!(issuers.identify(&token, NOW).await.is_ok(), "the valid one is still accepted");
    }
}

fn pem_body(pem: &str) -> Vec<u8> {
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

#[tokio::test]
async fn without_an_audience_no_token_is_exchanged() {
    let signer = Signer::new(SignatureAlgorithm::EdDsa);
    let mut settings = settings("portal", KeySource::Static(vec![signer.verifying("k1")]));
    settings.audiences.clear();
    settings.sso = Some(SsoSettings {
        client_id: "ringside".to_owned(),
        client_secret: None,
        scopes: Vec::new(),
        userinfo: false,
    });
    let issuers = Issuers::new(vec![settings]).unwrap();
    let token = signer.sign("k1", &claims("https://portal.example"));
    assert_eq!(issuers.identify(&token, NOW).await, Err(TokenRejected::Audience));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_token_with_one_changed_letter_is_rejected(place in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_.=+/ -]") {
        static ONE: std::sync::OnceLock<(Arc<Signer>, Issuers)> = std::sync::OnceLock::new();
        let (signer, issuers) = ONE.get_or_init(|| {
            let signer = Signer::new(SignatureAlgorithm::EdDsa);
            let settings = settings("ed", KeySource::Static(vec![signer.verifying("k1")]));
            (signer, Issuers::new(vec![settings]).unwrap())
        });
        let token = signer.sign("k1", &claims("https://ed.example"));
        let place = place.index(token.len());
        let changed = format!("{}{letter}{}", &token[..place], &token[place + 1..]);
        prop_assume!(changed != token);
        let identity = futures_util::FutureExt::now_or_never(issuers.identify(&changed, NOW)).expect("static keys need no request");
        prop_assert!(identity.is_err(), "{}", changed);
    }

    #[test]
    fn any_text_is_rejected_without_a_panic(text in "\\PC{0,200}") {
        let issuers = Issuers::new(Vec::new()).unwrap();
        let identity = futures_util::FutureExt::now_or_never(issuers.identify(&text, NOW)).expect("no issuer, no request");
        prop_assert!(identity.is_err());
    }
}
