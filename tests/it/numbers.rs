//! Telephone numbers that a sender puts where they don't belong: nobody gets them, whatever they are and however they ask.

use ringside_rig::until;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::scene::{PATIENCE, now};

/// What no answer and no file may have any of.
const PARTS: [&str; 4] = ["441632960123", "1632960123", "1632 960", "960 123"];
const WALLBOARD: &str = "wallboard";
const ROOMS: [&str; 3] = ["notifications", "calls:alpha", "campaign:alpha"];

/// Events that have a number in every member that is the sender's choice.
fn events(nth: usize) -> Vec<Value> {
    let (at, text) = (now(), format!("Call {nth} back: +44 (0)1632 960 123, +441632960123"));
    vec![
        json!({"id": format!("{nth}-441632960123-n"), "type": "notification", "at": at, "category": text, "kind": text,
            "status": text, "title": text, "body": text}),
        json!({"id": format!("{nth}-441632960123-s"), "type": "campaign.state", "at": at, "campaign": "alpha",
            "name": text, "status": if nth == 1 { "paused" } else { "running" }, "reason": text}),
        json!({"id": format!("{nth}-441632960123-m"), "type": "metric", "at": at, "name": "lines", "unit": text,
            "value": 1, "labels": {"line": text}}),
        json!({"id": format!("{nth}-441632960123-c"), "type": "call.dialing", "at": at, "campaign": "alpha",
            "callId": format!("SIP-441632960123-{nth}"), "agent": "441632960123", "lead": text, "to": "+441632960123"}),
    ]
}

fn check(what: &str, text: &str) {
    for part in PARTS {
        assert!(!text.contains(part), "{what} has {part}: {text}");
    }
}

/// Somebody of each role, with an access token or a token that lasts.
async fn everybody(app: &TestApp) -> Vec<(&'static str, String)> {
    let admin = app.login().await;
    let http = reqwest::Client::new();
    let mut everybody = Vec::new();
    for role in ["viewer", "auditor", "operator", "supervisor"] {
        let wanted = json!({"kind": "script", "name": role, "role": role, "campaigns": "*"});
        let answer = http.post(app.url("/admin/tokens")).bearer_auth(&admin).json(&wanted).send().await.unwrap();
        let told: Value = answer.json().await.unwrap();
        everybody.push((role, told["text"].as_str().expect("a token").to_owned()));
    }
    let wanted = json!({"kind": "wallboard", "name": "hall", "page": "campaign:alpha"});
    let answer = http.post(app.url("/admin/tokens")).bearer_auth(&admin).json(&wanted).send().await.unwrap();
    let told: Value = answer.json().await.unwrap();
    let answer = http.post(app.url("/auth/login")).json(&json!({"token": told["text"]})).send().await.unwrap();
    let login: Value = answer.json().await.unwrap();
    everybody.push((WALLBOARD, login["token"].as_str().expect("a login").to_owned()));
    everybody.push(("admin", admin));
    everybody
}

async fn text(app: &TestApp, token: &str, path: &str) -> String {
    let http = reqwest::Client::new();
    let asked = http.get(app.url(path)).header("cookie", format!("ringside={token}")).bearer_auth(token);
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

/// Waits until the tenant's directory has the campaign: then it has a page and questions about it are answered.
async fn until_known(app: &TestApp, token: &str) {
    let path = app.url("/analytics/campaigns/alpha/metrics");
    let ask = async || reqwest::Client::new().get(&path).bearer_auth(token).send().await.unwrap().status();
    until("the campaign", PATIENCE, async || ask().await == 200).await.unwrap();
}

/// What a stream says until each of the rooms has had its say.
async fn streamed(app: &TestApp, token: &str) -> String {
    let asked = reqwest::Client::new().get(app.url(&format!("/events?rooms={}", ROOMS.join(","))));
    let mut answer = asked.bearer_auth(token).send().await.unwrap();
    let mut said = String::new();
    while !ROOMS.iter().all(|room| said.contains(&format!("\"room\":\"{room}\""))) || !said.ends_with("\n\n") {
        said.push_str(&String::from_utf8_lossy(&answer.chunk().await.unwrap().expect("it goes on")));
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_a_number_by_whatever_way_out() {
    let app = TestApp::quiet();
    let everybody = everybody(&app).await;
    let mut sockets = Vec::new();
    for (role, token) in &everybody {
        let mut socket = app.socket(token).await;
        for room in ROOMS {
            socket.send(json!({"action": "subscribe", "room": room})).await;
            socket.next_of("initial", room).await;
        }
        sockets.push((role, socket));
    }
    let answer = app.post_events(&events(1)).await;
    assert_eq!(answer["accepted"], 4, "{answer}");
    for (role, socket) in &mut sockets {
        let call = socket.next_of("call_event", "calls:alpha").await;
        check(&format!("{role}'s call"), &call.to_string());
        let id = call["calls"][0]["callId"].as_str().expect("every call has a name");
        assert!(id.starts_with("alias-"), "{role}: {call}");
    }
    app.post_events(&events(2)).await;
    for (role, socket) in &mut sockets {
        // Of one partition, and behind the calls: whatever order they come in, all that is said is looked at.
        let (mut notifications, mut changes) = (0, 0);
        while notifications < 1 || changes < 1 {
            let frame = socket.next_frame().await;
            check(&format!("{role}'s frame"), &frame.to_string());
            notifications += usize::from(frame["type"] == "notification");
            changes += usize::from(frame["type"] == "campaign_status_change");
        }
    }
    until_known(&app, &everybody[0].1).await;
    for (role, token) in &everybody {
        let mut paths = vec![format!("/poll?rooms={}&wait=0", ROOMS.join(",")), "/campaigns/alpha".to_owned()];
        if *role != WALLBOARD {
            let more = [
                "/",
                "/analytics/campaigns/alpha/calls",
                "/analytics/campaigns/alpha/metrics",
                "/analytics/latest",
                "/analytics/dashboard?include=campaigns,aggregate,system,metrics,alerts",
                "/poll?rooms=metrics,overview,alerts&wait=0",
            ];
            paths.extend(more.map(str::to_owned));
        }
        for path in paths {
            let said = text(&app, token, &path).await;
            check(&format!("{role}'s {path}"), &said);
        }
        let poll = text(&app, token, "/poll?rooms=notifications,calls:alpha&wait=0").await;
        assert!(poll.contains("Call 1 back: •••") && poll.contains("alias-"), "{role} gets the rest: {poll}");
        check(&format!("{role}'s stream"), &streamed(&app, token).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_of_the_data_folder_has_a_number() {
    let mut app = TestApp::quiet();
    let token = app.login().await;
    app.post_events(&events(1)).await;
    until_known(&app, &token).await;
    assert!(app.stop(), "it ends well");
    let (mut folders, mut files) = (vec![app.data()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(9).any(|part| part == b"632960123"), "{} has the number", path.display());
        }
    }
    assert!(files > 0, "there are files");
}
