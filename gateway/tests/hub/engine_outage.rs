//! While the engine is away: what is known is served with its age, what is not known is said to be missing, nobody hangs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::redirect::Policy;
use ringside_access::Accounts;
use serde_json::{Value, json};

use crate::support::client::{Client, PATIENCE, calls};
use crate::support::faulty_engine::{Away, Faulty};
use crate::support::test_gateway::{TestGateway, tenant};

/// Nobody who asks is made to wait for so long, whatever the engine does.
const BOUNDED: Duration = Duration::from_secs(15);

async fn readiness(floor: &TestGateway, status: u16) -> Value {
    // One that would wait for the engine takes a second at least; a busy machine may let one wait, but not each.
    let mut quickest = Duration::MAX;
    let found = async {
        loop {
            let began = Instant::now();
            let (now, body) = floor.ask("/readyz", "").await;
            quickest = quickest.min(began.elapsed());
            if now == status {
                return body;
            }
        }
    };
    let body = tokio::time::timeout(PATIENCE, found).await.expect("readiness turns by itself");
    assert!(quickest < Duration::from_secs(1), "a probe never waits for the engine: {quickest:?}");
    body
}

async fn page(floor: &TestGateway, path: &str, token: &str) -> (u16, String) {
    let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let asked = client.get(floor.url(path)).header("accept", "text/html").header("cookie", format!("ringside={token}"));
    let answer = tokio::time::timeout(BOUNDED, asked.send()).await.expect("no page hangs").unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn watched() -> (TestGateway, Arc<Faulty>, Client) {
    let (floor, faulty) = TestGateway::faulty().await;
    floor.directory(&["alpha", "beta"]).await;
    floor.numbers("alpha", 3, 41).await;
    floor.numbers("beta", 4, 1).await;
    floor.call("alpha", 1).await;
    let mut client = floor.client().await;
    for room in ["overview", "campaign:alpha", "calls:alpha", "alerts", "notifications", "metrics", "system"] {
        client.subscribe(room).await;
        client.until("initial").await;
    }
    // Fresh snapshots are not read again anyway; this test needs stale ones.
    floor.numbers("alpha", 5, 42).await;
    floor.call("alpha", 2).await;
    client.until("call_event").await;
    client.until_that(|frame| frame["aggregate"]["totalActiveCalls"] == 9).await;
    (floor, faulty, client)
}

#[tokio::test]
async fn what_is_known_is_served_with_its_age_and_all_refills_by_itself() {
    for away in [Away::Refuses, Away::Hangs] {
        let (floor, faulty, mut client) = watched().await;
        let token = floor.token().await;
        let before = floor.head("calls:alpha").await;
        let known = loop {
            // An `initial` is shared for a moment, also over the newest numbers.
            let (_, known) = floor.ask("/analytics/campaigns/alpha/metrics", &token).await;
            if known["activeCalls"] == 5 {
                break known;
            }
        };
        faulty.be_away(away);
        assert_eq!(readiness(&floor, 503).await["reasons"], json!(["the engine does not answer"]));
        // Longer than an `initial` is shared for, so that it has to be made of what is here.
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        let mut late = Client::connect(floor.address, "/ws", &token).await;
        late.subscribe("calls:alpha").await;
        let initial = late.until("initial").await;
        assert_eq!((calls(&initial), &initial["cursor"]), (vec!["c1".into(), "c2".into()], &before.to_string().into()));
        let (status, body) = floor.ask("/analytics/campaigns/alpha/metrics", &token).await;
        assert_eq!((status, &body["activeCalls"], &body["asOf"]), (200, &json!(5), &known["asOf"]), "and its age");
        for path in ["/", "/campaigns", "/campaigns/alpha"] {
            let (status, html) = page(&floor, path, &token).await;
            assert_eq!(status, 200, "{path}: {html}");
        }
        // Nobody here has ever looked at this one.
        let (status, html) = page(&floor, "/campaigns/gamma", &token).await;
        assert!(matches!(status, 404 | 503), "{status} {html}");
        let began = Instant::now();
        let (status, _) = floor.ask("/analytics/campaigns/gamma/metrics", &token).await;
        assert!(matches!(status, 404 | 503) && began.elapsed() < BOUNDED, "{status}");
        // The sockets are as they were, and go on.
        faulty.be_away(Away::No);
        readiness(&floor, 200).await;
        floor.call("alpha", 3).await;
        for client in [&mut client, &mut late] {
            let next = client.until("call_event").await;
            assert_eq!(calls(&next), ["c3"]);
        }
    }
}

#[tokio::test]
async fn a_login_is_answered_in_time_and_those_who_are_in_stay_in() {
    let (floor, faulty) = TestGateway::faulty().await;
    let password = Some("correct horse battery");
    Accounts::ensure_admin(floor.engine.as_ref(), &tenant(), password).await.unwrap();
    let log_in = || async {
        let asked = reqwest::Client::new().post(floor.url("/auth/login"));
        let asked = asked.json(&json!({ "username": "admin", "password": "correct horse battery" })).send();
        let answer = tokio::time::timeout(BOUNDED, asked).await.expect("no login hangs").unwrap();
        let retry = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), retry, answer.json::<Value>().await.unwrap())
    };
    let (_, _, me) = log_in().await;
    let token = me["token"].as_str().unwrap();
    for away in [Away::Refuses, Away::Hangs] {
        faulty.be_away(away);
        let (status, retry, body) = log_in().await;
        assert_eq!((status, retry.as_deref(), &body["code"]), (503, Some("2"), &json!("unavailable")), "{away:?}");
        assert_eq!(floor.ask("/auth/me", token).await.0, 200, "the last known accounts count");
        faulty.be_away(Away::No);
        assert_eq!(log_in().await.0, 200);
    }
}

#[tokio::test]
async fn who_logs_out_is_out_of_the_browser_and_is_told_where_the_login_lives_on() {
    let (floor, faulty) = TestGateway::faulty().await;
    let password = Some("correct horse battery");
    Accounts::ensure_admin(floor.engine.as_ref(), &tenant(), password).await.unwrap();
    let browser = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let credentials = json!({ "username": "admin", "password": "correct horse battery", "cookies": false });
    let login = browser.post(floor.url("/auth/login")).json(&credentials).send().await.unwrap();
    let login: Value = login.json().await.unwrap();
    let (access, refresh) = (login["token"].as_str().unwrap(), login["refreshToken"].as_str().unwrap());
    let log_out = async |cookies: &str, form: bool| {
        let mut asked = browser.post(floor.url("/auth/logout")).header("cookie", cookies);
        if form {
            asked = asked.header("content-type", "application/x-www-form-urlencoded").body("");
        }
        let answer = tokio::time::timeout(BOUNDED, asked.send()).await.expect("no logout hangs").unwrap();
        let mut taken: Vec<String> = Vec::new();
        for cookie in answer.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("=; ") && cookie.contains("Max-Age=0"), "{cookie}");
            taken.push(cookie.split('=').next().unwrap().to_owned());
        }
        assert_eq!(taken, ["ringside", "ringside_refresh"], "the browser is out, whatever else there is");
        let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        (answer.status().as_u16(), to, answer.text().await.unwrap())
    };
    let both = format!("ringside={access}; ringside_refresh={refresh}");
    let old = format!("ringside=old; ringside_refresh={refresh}");
    for away in [Away::Refuses, Away::Hangs] {
        faulty.be_away(away);
        for cookies in [&both, &old] {
            let (status, _, body) = log_out(cookies, false).await;
            assert!(status == 503 && body.contains("\"code\":\"unavailable\""), "{away:?}: {status} {body}");
            let (status, to, _) = log_out(cookies, true).await;
            assert_eq!((status, to.as_deref()), (303, Some("/login?error=not_ended")), "a page is told in a page");
        }
    }
    let told = browser.get(floor.url("/login?error=not_ended")).send().await.unwrap().text().await.unwrap();
    assert!(told.contains("You are signed out here, but the login itself could not be ended now."), "{told}");
    faulty.be_away(Away::No);
    let (_, sessions) = floor.ask("/admin/sessions", &floor.sign(&admin_claims()).await).await;
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(1), "an admin finds it: {sessions}");
    let (status, to, _) = log_out(&both, true).await;
    assert_eq!((status, to.as_deref()), (303, Some("/login")));
    assert_eq!(floor.ask("/auth/me", access).await.0, 401);
}

fn admin_claims() -> Value {
    let mut claims = TestGateway::claims(None);
    claims["role"] = json!("admin");
    claims
}

#[tokio::test]
async fn many_who_ask_for_what_nobody_knows_are_all_answered_in_time() {
    let (floor, faulty) = TestGateway::faulty().await;
    let token = floor.token().await;
    faulty.be_away(Away::Hangs);
    let began = Instant::now();
    let asked: Vec<_> = (0..120).map(|_| floor.ask_later("/analytics/campaigns/alpha/calls", &token)).collect();
    for answer in asked {
        let (status, body) = answer.await.unwrap();
        assert_eq!((status, &body["code"]), (503, &json!("unavailable")));
    }
    assert!(began.elapsed() < BOUNDED, "one waits for the engine, the others wait for that one: {:?}", began.elapsed());
}
