//! Access tokens, sign-in and sign-out, and the scope of a viewer.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ringside_access::{Account, Accounts, EnsuredAdmin, Role};
use ringside_engine::Histories;
use ringside_gateway::DeliverySettings;
use ringside_model::Timestamp;
use ringside_rig::until;
use serde_json::{Value, json};

use crate::support::client::{Client, PATIENCE};
use crate::support::stream::Stream;
use crate::support::test_gateway::{TestGateway, delivery_settings, member, tenant};

#[tokio::test]
async fn api_routes_answer_401_and_pages_redirect_to_sign_in() {
    let gateway = TestGateway::start().await;
    for path in ["/analytics/metrics", "/api/stats", "/auth/me", "/poll?rooms=alerts", "/events?rooms=alerts", "/ws"] {
        let (status, body) = gateway.ask(path, "nonsense").await;
        assert_eq!((status, body["code"].as_str()), (401, Some("unauthorized")), "{path}");
    }
    assert_eq!(Client::try_connect(gateway.address, "/ws", &[]).await.err(), Some(401));
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let response = browser.get(gateway.url("/campaigns?x=1")).send().await.unwrap();
    assert_eq!(response.status(), 303);
    assert_eq!(response.headers()["location"], "/auth/resume?next=/campaigns%3Fx%3D1");
    assert_eq!(gateway.ask("/nowhere", "").await.0, 404);
    let posted = browser.post(gateway.url("/analytics/metrics")).send().await.unwrap();
    assert_eq!(
        (posted.status().as_u16(), posted.headers()["content-type"].to_str().unwrap()),
        (405, "application/problem+json")
    );
}

#[tokio::test]
async fn forged_tokens_are_rejected() {
    let gateway = TestGateway::start().await;
    let (_, public, kid) = gateway.key().await;
    let good = TestGateway::claims(None);
    assert_eq!(gateway.ask("/auth/me", &gateway.sign(&good).await).await.0, 200);

    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let now = Timestamp::now().seconds();
    for claims in [
        with("exp", json!(now - 1)),
        with("aud", json!("elsewhere")),
        with("iss", json!("elsewhere")),
        with("nbf", json!(now + 60)),
        with("aud", json!(["ringside", "elsewhere"])),
        without("sub"),
        without("sid"),
        without("iat"),
        without("aud"),
        without("iss"),
        without("exp"),
        without("tenant"),
        without("campaigns"),
        with("campaigns", json!("all")),
        with("role", json!("root")),
        with("role", json!("wallboard")),
        with("page", json!("overview")),
        with("tenant", json!("../other")),
    ] {
        let (status, body) = gateway.ask("/auth/me", &gateway.sign(&claims).await).await;
        assert_eq!((status, &body["code"]), (401, &json!("unauthorized")), "{claims}");
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!("{}.{}.", part(&json!({ "alg": "none", "typ": "at+jwt", "kid": kid })), part(&good));
    let symmetric = |secret: &[u8]| {
        let mut head = Header::new(Algorithm::HS256);
        head.typ = Some("at+jwt".to_owned());
        head.kid = Some(kid.clone());
        jsonwebtoken::encode(&head, &good, &EncodingKey::from_secret(secret)).unwrap()
    };
    let stranger = {
        use ed25519_dalek::pkcs8::EncodePrivateKey;
        let pair = ed25519_dalek::SigningKey::from_bytes(&rand::random());
        let mut head = Header::new(Algorithm::EdDSA);
        head.typ = Some("at+jwt".to_owned());
        head.kid = Some(kid.clone());
        let key = EncodingKey::from_ed_der(pair.to_pkcs8_der().unwrap().as_bytes());
        jsonwebtoken::encode(&head, &good, &key).unwrap()
    };
    let with_header = async |change: &dyn Fn(&mut Header)| {
        let mut head = Header::new(Algorithm::EdDSA);
        head.typ = Some("at+jwt".to_owned());
        head.kid = Some(kid.clone());
        change(&mut head);
        jsonwebtoken::encode(&head, &good, &gateway.key().await.0).unwrap()
    };
    for (case, token) in [
        ("another type of token", with_header(&|head| head.typ = Some("rt+jwt".to_owned())).await),
        ("no type", with_header(&|head| head.typ = None).await),
        ("an unknown key", with_header(&|head| head.kid = Some("0011223344556677".to_owned())).await),
        ("no key id", with_header(&|head| head.kid = None).await),
        ("longer than the limit", format!("{}.{}", "A".repeat(9_000), with_header(&|_| {}).await)),
    ] {
        let (status, body) = gateway.ask("/auth/me", &token).await;
        assert_eq!((status, &body["code"]), (401, &json!("unauthorized")), "{case}");
    }
    assert_eq!(gateway.ask("/auth/me", &with_header(&|_| {}).await).await.0, 200, "the unchanged one is valid");
    let mut altered = gateway.sign(&good).await;
    let signature = altered.rfind('.').unwrap() + 1;
    let flipped = if altered[signature..].starts_with('A') { "B" } else { "A" };
    altered.replace_range(signature..=signature, flipped);
    for token in [unsigned, symmetric(public.as_bytes()), symmetric(b"secret"), stranger, altered] {
        let (status, body) = gateway.ask("/auth/me", &token).await;
        assert_eq!((status, &body["code"]), (401, &json!("unauthorized")), "{token}");
    }
}

#[tokio::test]
async fn a_socket_takes_all_credentials_but_no_foreign_origin() {
    let gateway = TestGateway::start().await;
    let token = gateway.token().await;
    let host = gateway.address.to_string();
    let cookie = format!("theme=dark; ringside={token}");
    let protocol = format!("ringside.v1, bearer.{token}");
    let own = format!("http://{host}");
    for headers in [
        vec![("cookie", cookie.as_str()), ("origin", &own)],
        vec![("sec-websocket-protocol", protocol.as_str()), ("origin", &own)],
    ] {
        let mut client = Client::try_connect(gateway.address, "/ws", &headers).await.unwrap();
        client.send(json!({ "action": "ping" })).await;
        client.until("pong").await;
    }
    for origin in ["https://evil.example", "null"] {
        let rejected = Client::try_connect(gateway.address, "/ws", &[("cookie", &cookie), ("origin", origin)]).await;
        assert_eq!(rejected.err(), Some(403), "{origin}");
    }
}

#[tokio::test]
async fn a_scoped_viewer_gets_only_its_campaigns() {
    let gateway = TestGateway::start().await;
    let token = gateway.sign(&TestGateway::claims(Some(&["alpha"]))).await;
    let mut client = Client::connect(gateway.address, "/ws", &token).await;
    for room in ["campaign:beta", "calls:beta"] {
        client.subscribe(room).await;
        let error = client.until("error").await;
        assert_eq!((&error["code"], &error["room"]), (&json!("forbidden_room"), &json!(room)));
    }
    assert_eq!(gateway.ask("/poll?rooms=calls:beta", &token).await.1["code"], "forbidden_room");
    assert_eq!(gateway.ask("/events?rooms=calls:beta", &token).await.0, 403);

    gateway.alert(1, Some("beta")).await;
    gateway.alert(2, Some("alpha")).await;
    client.subscribe("alerts").await;
    let initial = client.until("initial").await;
    let seen: Vec<&Value> = initial["alerts"].as_array().unwrap().iter().map(|alert| &alert["fingerprint"]).collect();
    assert_eq!(seen, ["f2"], "alerts of other campaigns are not in it");
    gateway.alert(3, Some("beta")).await;
    gateway.alert(4, None).await;
    let alert = client.until("alert").await;
    assert_eq!(alert["alert"]["fingerprint"], "f4");
    assert_eq!(alert["conflated"], 1, "updates out of scope count as conflated, so that no gap is silent");
    // The same when it resumes from an earlier cursor.
    let before = initial["cursor"].as_str().unwrap().parse().unwrap();
    client.resume("alerts", before).await;
    assert_eq!(client.until("alert").await["alert"]["fingerprint"], "f4");
}

#[tokio::test]
async fn an_expired_token_closes_its_socket_unless_renewed() {
    let settings =
        delivery_settings(DeliverySettings { token_grace: Duration::from_secs(1), ..DeliverySettings::default() });
    let gateway = TestGateway::with(settings, Histories::default()).await;
    let mut claims = TestGateway::claims(None);
    claims["exp"] = json!(Timestamp::now().seconds() + 10);
    let token = gateway.sign(&claims).await;
    let mut ending = Client::connect(gateway.address, "/ws", &token).await;
    let mut renewed = Client::connect(gateway.address, "/ws", &token).await;
    let mut other = Client::connect(gateway.address, "/ws", &token).await;
    renewed.until("auth_expiring").await;
    renewed.send(json!({ "action": "auth", "token": "nonsense" })).await;
    assert_eq!(renewed.until("error").await["code"], "bad_token");
    renewed.send(json!({ "action": "auth", "token": gateway.token().await })).await;
    let mut stranger = TestGateway::claims(None);
    stranger["sub"] = json!("bob");
    other.send(json!({ "action": "auth", "token": gateway.sign(&stranger).await })).await;
    assert_eq!(other.close_code().await, 4403);
    ending.until("auth_expiring").await;
    assert_eq!(ending.close_code().await, 4401);
    renewed.send(json!({ "action": "ping" })).await;
    renewed.until("pong").await;
}

#[tokio::test]
async fn wrong_passwords_are_counted_and_a_lock_closes_sockets() {
    let gateway = TestGateway::start().await;
    Accounts::add(gateway.engine.as_ref(), "ann", "correct horse", &member(Role::Viewer, &["alpha"])).await.unwrap();
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let sign_in = async |password: &str| {
        let body = json!({ "username": "ann", "password": password }).to_string();
        let request = browser.post(gateway.url("/auth/login")).header("content-type", "application/json").body(body);
        let response = request.send().await.unwrap();
        let cookie = response.headers().get("set-cookie").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), cookie, serde_json::from_slice::<Value>(&response.bytes().await.unwrap()).unwrap())
    };
    let (status, _, wrong) = sign_in("battery staple").await;
    assert_eq!((status, wrong["detail"].as_str()), (401, Some("Name or password is wrong. 4 tries left.")));
    let (status, cookie, body) = sign_in("correct horse").await;
    assert_eq!((status, &body["role"], &body["campaigns"]), (200, &json!("viewer"), &json!(["alpha"])));
    let cookie = cookie.unwrap();
    assert!(cookie.starts_with("ringside=") && cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");

    let form = async |body: String| {
        let request =
            browser.post(gateway.url("/auth/login")).header("content-type", "application/x-www-form-urlencoded");
        let response = request.body(body).send().await.unwrap();
        (response.status().as_u16(), response.headers()["location"].to_str().unwrap().to_owned())
    };
    let sent = form("username=ann&password=correct+horse&next=%2Fcampaigns".into()).await;
    assert_eq!(sent, (303, "/campaigns".into()));
    let sent = form("username=ann&password=x&next=//evil.example".into()).await;
    assert_eq!(sent, (303, "/login?error=wrong&left=4&next=/".into()));
    let foreign = browser
        .post(gateway.url("/auth/login"))
        .header("origin", "https://evil.example")
        .body("{\"username\":\"ann\",\"password\":\"correct horse\"}");
    assert_eq!(foreign.send().await.unwrap().status(), 403);

    let token = body["token"].as_str().unwrap();
    let mut client = Client::connect(gateway.address, "/ws", token).await;
    Accounts::disable(gateway.engine.as_ref(), "ann").await.unwrap();
    assert_eq!(client.close_code().await, 4401);
    assert_eq!(gateway.ask("/auth/me", token).await.0, 401);
    assert_eq!(sign_in("correct horse").await.0, 401);
    for _ in 0..5 {
        sign_in("x").await;
    }
    let (status, _, locked) = sign_in("correct horse").await;
    assert_eq!((status, locked["code"].as_str()), (429, Some("locked")));
}

#[tokio::test]
async fn signing_out_ends_the_session_and_its_sockets() {
    let gateway = TestGateway::start().await;
    let token = gateway.token().await;
    let mut client = Client::connect(gateway.address, "/ws", &token).await;
    client.send(json!({ "action": "ping" })).await;
    client.until("pong").await;
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let sent =
        browser.post(gateway.url("/auth/logout")).header("cookie", format!("ringside={token}")).send().await.unwrap();
    assert_eq!((sent.status().as_u16(), sent.headers()["location"].to_str().unwrap()), (303, "/login"));
    assert!(sent.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(client.close_code().await, 4401);
    assert_eq!(gateway.ask("/auth/me", &token).await.0, 401);
}

#[tokio::test]
async fn signing_out_ends_a_held_poll_and_a_stream() {
    let (gateway, faulty) = TestGateway::faulty().await;
    let token = gateway.token().await;
    gateway.call("alpha", 1).await;
    let followed = faulty.subscriptions();
    let cursor = gateway.head("calls:alpha").await;
    let held = gateway.ask_later(&format!("/poll?rooms=calls:alpha@{cursor}&wait=50"), &token);
    until("the poll is held", PATIENCE, async || faulty.subscriptions() > followed).await.unwrap();
    let mut stream = Stream::open_at(&gateway.url("/events?rooms=calls:alpha"), &token, None).await;
    stream.until("initial").await;
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let asked = browser.post(gateway.url("/auth/logout")).header("cookie", format!("ringside={token}"));
    assert_eq!(asked.send().await.unwrap().status(), 303);
    let (status, body) = tokio::time::timeout(PATIENCE, held).await.expect("long before its wait ends").unwrap();
    assert_eq!((status, &body["code"]), (401, &json!("unauthorized")));
    assert!(stream.next().await.is_none(), "the stream ends");
}

#[tokio::test]
async fn a_gateway_restores_lost_signing_keys_and_adopts_others() {
    let gateway = TestGateway::start().await;
    let before = gateway.token().await;
    let key = gateway.engine.get("signing/keys").await.unwrap();
    gateway.engine.set("signing/keys", None).await.unwrap();
    let back = async || gateway.engine.get("signing/keys").await.unwrap() == key;
    until("the key is restored", PATIENCE, back).await.unwrap();
    assert_eq!(gateway.ask("/auth/me", &before).await.0, 200, "the old token is still valid");

    // A gateway that started after a flush has created its own keys before this one looked.
    let seed = || URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let other = json!({ "refresh": seed(), "keys": [{ "seed": seed(), "madeMs": 0, "signsFromMs": 0 }] }).to_string();
    gateway.engine.set("signing/keys", Some(other.clone().into())).await.unwrap();
    let after = gateway.token().await;
    let adopted = async || gateway.ask("/auth/me", &after).await.0 == 200;
    until("tokens of the other gateway are valid here", PATIENCE, adopted).await.unwrap();
    assert_eq!(gateway.ask("/auth/me", &before).await.0, 401, "verified tokens are dropped from the cache too");
    assert_eq!(gateway.engine.get("signing/keys").await.unwrap().as_deref(), Some(other.as_bytes()));
}

#[tokio::test]
async fn the_first_account_is_created_once_and_can_sign_in() {
    let gateway = TestGateway::start().await;
    let generated = Accounts::ensure_admin(gateway.engine.as_ref(), &tenant(), None).await.unwrap();
    let EnsuredAdmin::Generated(generated) = generated else { panic!("{generated:?}") };
    let again = Accounts::ensure_admin(gateway.engine.as_ref(), &tenant(), None).await.unwrap();
    assert_eq!(again, EnsuredAdmin::AsConfigured);
    let accounts = Account::list(gateway.engine.as_ref()).await.unwrap();
    assert_eq!(accounts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["admin  acme  admin  *"]);
    let body = json!({ "username": "admin", "password": generated.to_string() }).to_string();
    let sent = reqwest::Client::new().post(gateway.url("/auth/login")).body(body).send().await.unwrap();
    assert_eq!(sent.status(), 200);
}

#[tokio::test]
async fn a_configured_admin_password_ends_the_old_sessions() {
    let gateway = TestGateway::start().await;
    let engine = gateway.engine.as_ref();
    let sign_in = async |password: &str| {
        let body = json!({ "username": "admin", "password": password }).to_string();
        let sent = reqwest::Client::new().post(gateway.url("/auth/login")).body(body).send().await.unwrap();
        serde_json::from_slice::<Value>(&sent.bytes().await.unwrap()).unwrap()["token"].as_str().map(str::to_owned)
    };
    let ensure = async |password| Accounts::ensure_admin(engine, &tenant(), password).await;
    assert_eq!(ensure(Some("first password")).await.unwrap(), EnsuredAdmin::AsConfigured);
    let token = sign_in("first password").await.expect("a token");
    let mut client = Client::connect(gateway.address, "/ws", &token).await;

    assert_eq!(ensure(Some("second password")).await.unwrap(), EnsuredAdmin::Changed { home: tenant() });
    assert_eq!(client.close_code().await, 4401);
    assert_eq!(gateway.ask("/auth/me", &token).await.0, 401);
    assert_eq!(sign_in("first password").await, None);
    assert!(sign_in("second password").await.is_some());

    // The same password again, or none, changes nothing: a restart must not end sessions.
    let account = engine.get("account/admin").await.unwrap();
    for password in [Some("second password"), None] {
        assert_eq!(ensure(password).await.unwrap(), EnsuredAdmin::AsConfigured);
    }
    assert_eq!(engine.get("account/admin").await.unwrap(), account);
    assert!(ensure(Some("short")).await.is_err(), "an invalid one is rejected");
    assert_eq!(engine.get("account/admin").await.unwrap(), account);
}
