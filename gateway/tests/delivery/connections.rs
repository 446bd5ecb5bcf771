//! The list of connections for admins: own tenant only, page by page, each with its rooms and cursors.

use std::collections::BTreeSet;

use ringside_rig::until;
use serde_json::{Value, json};

use crate::support::client::PATIENCE;
use crate::support::stream::Stream;
use crate::support::test_gateway::TestGateway;

async fn token(floor: &TestGateway, user: &str, tenant: &str, role: &str) -> String {
    let mut claims = TestGateway::claims(None);
    claims["sub"] = json!(user);
    claims["tenant"] = json!(tenant);
    claims["role"] = json!(role);
    floor.sign(&claims).await
}

async fn listed(floor: &TestGateway, query: &str) -> Value {
    let admin = token(floor, "root", "acme", "admin").await;
    let (status, body) = floor.ask(&format!("/admin/connections?{query}"), &admin).await;
    assert_eq!(status, 200, "{body}");
    body
}

fn ids(body: &Value) -> Vec<u64> {
    body["connections"].as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()).collect()
}

async fn stream(floor: &TestGateway, user: &str, tenant: &str, rooms: &str) -> Stream {
    let token = token(floor, user, tenant, "viewer").await;
    Stream::open_at(&floor.url(&format!("/events?rooms={rooms}")), &token, None).await
}

#[tokio::test]
async fn admins_see_who_is_connected_where_they_are_and_when_they_have_gone() {
    let floor = TestGateway::start().await;
    floor.call("alpha", 1).await;
    let mut ann = stream(&floor, "ann", "acme", "calls:alpha,overview").await;
    ann.until("initial").await;
    ann.until("initial").await;
    let head = floor.head("calls:alpha").await;
    let body = listed(&floor, "").await;
    let one = &body["connections"][0];
    assert_eq!((&body["total"], &body["next"]), (&json!(1), &Value::Null), "{body}");
    assert_eq!((&one["user"], &one["transport"], &one["address"]), (&json!("ann"), &json!("sse"), &json!("127.0.0.1")));
    assert_eq!((&one["queuedBytes"], &one["pace"]), (&json!(0), &json!("full")));
    assert!(one["connectedAt"].as_str().unwrap().ends_with('Z') && one["ageMs"].as_i64().unwrap() >= 0, "{one}");
    assert_eq!(one["rooms"][0], json!({ "room": "calls:alpha", "sent": head.to_string(), "acked": null }));
    assert_eq!(one["rooms"].as_array().unwrap().len(), 2);
    floor.call("alpha", 2).await;
    ann.until("call_event").await;
    let head = floor.head("calls:alpha").await;
    assert_eq!(listed(&floor, "").await["connections"][0]["rooms"][0]["sent"], head.to_string());
    // A held poll says where it is by what it came with.
    let poll = floor
        .ask_later(&format!("/poll?rooms=calls:alpha@{head}&wait=50"), &token(&floor, "bob", "acme", "viewer").await);
    until("the poll is held", PATIENCE, async || listed(&floor, "user=bob").await["total"] == 1).await.unwrap();
    let one = listed(&floor, "user=bob").await["connections"][0].clone();
    assert_eq!(one["transport"], "poll");
    assert_eq!(one["rooms"][0]["acked"], head.to_string(), "{one}");
    floor.call("alpha", 3).await;
    assert_eq!(poll.await.unwrap().0, 200);
    drop(ann);
    until("all have gone", PATIENCE, async || listed(&floor, "").await["total"] == 0).await.unwrap();
}

#[tokio::test]
async fn the_list_is_cut_by_user_by_room_and_into_pages() {
    let floor = TestGateway::start().await;
    let mut streams = Vec::new();
    for n in 0..7 {
        let (user, rooms) = if n % 2 == 0 { ("ann", "calls:alpha") } else { ("bob", "calls:beta,alerts") };
        let mut stream = stream(&floor, user, "acme", rooms).await;
        stream.until("initial").await;
        streams.push(stream);
    }
    let _others = stream(&floor, "ann", "other", "alerts").await;
    let all = listed(&floor, "").await;
    assert_eq!((all["total"].as_u64(), ids(&all).len()), (Some(7), 7), "another tenant's is not there: {all}");
    for (query, user, many) in
        [("user=ann", "ann", 4), ("room=calls:beta", "bob", 3), ("user=bob&room=alerts", "bob", 3)]
    {
        let body = listed(&floor, query).await;
        let users: BTreeSet<&str> =
            body["connections"].as_array().unwrap().iter().map(|one| one["user"].as_str().unwrap()).collect();
        assert_eq!((body["total"].as_u64(), users), (Some(many), [user].into()), "{query}");
    }
    assert_eq!(listed(&floor, "user=ann&room=calls:beta").await["total"], 0);
    let (mut paged, mut after) = (Vec::new(), 0);
    loop {
        let page = listed(&floor, &format!("limit=3&after={after}")).await;
        assert_eq!(page["total"], 7);
        paged.extend(ids(&page));
        let Some(next) = page["next"].as_u64() else { break };
        after = next;
    }
    assert_eq!(paged, ids(&all), "each once and in order");
}

#[tokio::test]
async fn only_admins_may_ask_and_nonsense_is_told() {
    let floor = TestGateway::start().await;
    for role in ["viewer", "auditor", "operator", "supervisor"] {
        let (status, body) = floor.ask("/admin/connections", &token(&floor, "ann", "acme", role).await).await;
        assert_eq!((status, &body["code"]), (403, &json!("forbidden_role")), "{role}");
    }
    assert_eq!(floor.ask("/admin/connections", "nobody").await.0, 401);
    let admin = token(&floor, "root", "acme", "admin").await;
    for query in ["limit=0", "limit=1001", "limit=many", "after=-1", "room=kitchen", "user=a&user=b"] {
        let (status, body) = floor.ask(&format!("/admin/connections?{query}"), &admin).await;
        assert_eq!((status, &body["code"]), (400, &json!("bad_request")), "{query}");
    }
}
