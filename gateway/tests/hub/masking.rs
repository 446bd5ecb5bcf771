//! Whatever way calls leave a gateway, nobody gets more of a number than their role may see.

use ringside_model::Cursor;
use ringside_wire::frame_kind;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::roaming_client::DOORS;
use crate::support::room_reader::Visitor;
use crate::support::test_gateway::TestGateway;

/// What the floor publishes, and what each role makes of it.
const STORED: &str = "+44 ••• 0 123";
const TOLD: [(&str, Told); 6] = [
    ("wallboard", Told { to: None, agent: None }),
    ("viewer", Told { to: Some("+44 ••• 23"), agent: Some("ann") }),
    ("operator", Told { to: Some("+44 ••• 23"), agent: Some("ann") }),
    ("auditor", Told { to: Some(STORED), agent: Some("ann") }),
    ("supervisor", Told { to: Some(STORED), agent: Some("ann") }),
    ("admin", Told { to: Some(STORED), agent: Some("ann") }),
];

/// What of a call is told.
#[derive(Clone, Copy)]
struct Told {
    to: Option<&'static str>,
    agent: Option<&'static str>,
}

impl Told {
    /// Fails where a call in it says anything else.
    fn check(self, what: &str, frame: &Value) {
        let calls = frame["calls"].as_array().unwrap_or_else(|| panic!("{what}: calls in {frame}"));
        assert!(!calls.is_empty(), "{what}: {frame}");
        for call in calls {
            assert_eq!((call["to"].as_str(), call["agent"].as_str()), (self.to, self.agent), "{what}: {call}");
        }
    }

    /// Fails where a text has more of the number than may be told, in whatever form.
    fn check_text(self, what: &str, text: &str) {
        assert_eq!(text.contains("0 123"), self.to == Some(STORED), "{what}");
        match self.to {
            Some(to) => assert!(text.contains(to), "{what} tells what it may"),
            None => assert!(!text.contains("•••"), "{what}"),
        }
    }
}

/// The floor, with calls to and from somebody.
struct Dialed {
    floor: TestGateway,
}

impl Dialed {
    async fn start() -> Self {
        let floor = TestGateway::start().await;
        floor.directory(&["alpha"]).await;
        floor.numbers("alpha", 1, 1).await;
        let dialed = Self { floor };
        dialed.call(1).await;
        dialed
    }

    async fn call(&self, n: u64) {
        let call = json!({ "campaignId": "alpha", "callId": format!("c{n}"), "at": "2026-11-20T12:00:00.000Z",
            "phase": "ended", "outcome": "busy", "to": STORED, "agent": "ann" });
        self.floor.event("calls:alpha", frame_kind::CALL_EVENT, json!({ "calls": [call] })).await;
    }

    async fn token(&self, role: &str) -> String {
        let mut claims = TestGateway::claims(None);
        claims["role"] = json!(role);
        if role == "wallboard" {
            claims["page"] = json!("overview");
        }
        self.floor.sign(&claims).await
    }

    async fn head(&self) -> Cursor {
        self.floor.head("calls:alpha").await
    }

    async fn page(&self, path: &str, token: &str) -> String {
        let asked = reqwest::Client::new().get(self.floor.url(path)).header("cookie", format!("ringside={token}"));
        let response = asked.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }
}

#[tokio::test]
async fn live_calls_and_snapshots_are_masked_by_role_at_every_door() {
    let dialed = Dialed::start().await;
    for door in DOORS {
        let mut visitors = Vec::new();
        // All of them at once, so that what is composed for one is there when the next one reads.
        for (role, told) in TOLD {
            let token = dialed.token(role).await;
            let mut visitor = Visitor::enter(door, dialed.floor.address, &token, "calls:alpha", None).await;
            told.check(&format!("{role}'s initial by {door:?}"), &visitor.next().await);
            visitors.push((role, told, visitor));
        }
        dialed.call(2).await;
        for (role, told, visitor) in &mut visitors {
            told.check(&format!("{role}'s event by {door:?}"), &visitor.next().await);
        }
    }
}

#[tokio::test]
async fn what_was_missed_is_masked_by_role_from_the_ring_and_from_before_it() {
    const MORE_THAN_A_RING: u64 = 600;
    let dialed = Dialed::start().await;
    let start = dialed.head().await;
    for n in 2..=MORE_THAN_A_RING {
        dialed.call(n).await;
    }
    let before_the_last = Cursor { offset: dialed.head().await.offset - 1, ..start };
    for door in DOORS {
        for (role, told) in TOLD {
            let token = dialed.token(role).await;
            for (cursor, missed) in [(start, MORE_THAN_A_RING - 1), (before_the_last, 1)] {
                let mut back = Visitor::enter(door, dialed.floor.address, &token, "calls:alpha", Some(cursor)).await;
                for n in 1..=missed {
                    let frame = back.next().await;
                    assert_eq!(frame["type"], "call_event", "{role} by {door:?}: nothing is left out");
                    told.check(&format!("{role}'s missed event {n} by {door:?}"), &frame);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_socket_that_takes_another_role_sees_as_that_one_from_then_on() {
    let dialed = Dialed::start().await;
    let told = |role: &str| TOLD.iter().find(|(name, _)| *name == role).unwrap().1;
    let mut client = Client::connect(dialed.floor.address, "/ws", &dialed.token("supervisor").await).await;
    client.subscribe("calls:alpha").await;
    told("supervisor").check("before", &client.until("initial").await);
    client.send(json!({ "action": "auth", "token": dialed.token("viewer").await, "requestId": "a" })).await;
    // Whatever is said after it is said to the other role.
    client.send(json!({ "action": "ping" })).await;
    client.until("pong").await;
    dialed.call(2).await;
    told("viewer").check("after", &client.until("call_event").await);
}

#[tokio::test]
async fn the_list_of_calls_is_masked_by_role() {
    let dialed = Dialed::start().await;
    for (role, told) in TOLD.into_iter().filter(|(role, _)| *role != "wallboard") {
        let (status, answer) =
            dialed.floor.ask("/analytics/campaigns/alpha/calls?limit=5", &dialed.token(role).await).await;
        assert_eq!(status, 200);
        told.check(role, &answer);
        told.check_text(role, &answer.to_string());
    }
}

#[tokio::test]
async fn pages_are_masked_by_role_in_their_rows_and_in_what_they_embed() {
    let dialed = Dialed::start().await;
    for (role, told) in TOLD {
        let token = dialed.token(role).await;
        let paths: &[&str] = if role == "wallboard" { &["/"] } else { &["/", "/campaigns/alpha"] };
        for path in paths {
            let page = dialed.page(path, &token).await;
            let (rows, embedded) = page.split_once("application/json").expect("a page embeds its frames");
            for (part, text) in [("rows", rows), ("frames", embedded)] {
                told.check_text(&format!("the {part} of {path} for {role}"), text);
            }
        }
    }
}
