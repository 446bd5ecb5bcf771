//! The permission table: every route and socket action for each role.
//!
//! Each is tried in the own tenant, in another one, and out of scope.
//! The routes are read from `ROUTES`, which the router is built from, and their methods are probed. A route without a
//! row fails the test.

use std::collections::BTreeSet;

use reqwest::Method;
use reqwest::redirect::Policy;
use ringside_engine::Histories;
use ringside_gateway::{GatewaySettings, ROUTES};
use ringside_http::HEALTH_ROUTES;
use ringside_wire::{ClientMessage, ClientRequest};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::test_gateway::TestGateway;

/// An anonymous client and the roles, in the order of the cells.
const ROLES: [&str; 7] = ["", "wallboard", "viewer", "auditor", "operator", "supervisor", "admin"];
/// A campaign of the own tenant that others must not learn of.
const SECRET: &str = "alpha";
const BODY: &str = "{}";

/// One route and method.
///
/// Cells: `.` is answered with `ok`, `L` is 401, `F` 403, `N` 404, `>` a redirect to another page.
pub(crate) struct Row {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// The status if it is allowed, with the body `{}` and names that don't exist.
    ok: u16,
    /// One cell for each of [`ROLES`], in the own tenant with all campaigns.
    own: &'static str,
    /// The same for a campaign out of scope, and for another tenant.
    other: &'static str,
}

const PUBLIC: &str = ".......";
const AUTHENTICATED: &str = "L......";
const NON_WALLBOARD: &str = "LF.....";
const AUDITORS: &str = "LFF.FF.";
const ADMINS: &str = "LFFFFF.";
const HIDDEN: &str = "LFNNNNN";
/// A page redirects an anonymous client to the sign-in.
const PAGE: &str = ">......";
/// A page that a wallboard of another page is redirected from.
const NON_WALLBOARD_PAGE: &str = ">>.....";

pub(crate) fn table() -> Vec<Row> {
    let row = |method: Method, path, ok, own| Row { method, path, ok, own, other: own };
    let of_campaign = |path| Row { method: Method::GET, path, ok: 200, own: NON_WALLBOARD, other: HIDDEN };
    let (get, post) = (Method::GET, Method::POST);
    vec![
        row(get.clone(), "/login", 200, PUBLIC),
        row(post.clone(), "/auth/login", 400, PUBLIC),
        row(post.clone(), "/auth/refresh", 401, PUBLIC),
        row(get.clone(), "/auth/resume", 303, PUBLIC),
        row(post.clone(), "/auth/tenant", 400, NON_WALLBOARD),
        row(post.clone(), "/auth/logout", 303, PUBLIC),
        row(get.clone(), "/auth/me", 200, AUTHENTICATED),
        row(get.clone(), "/.well-known/jwks.json", 200, PUBLIC),
        row(get.clone(), "/auth/sso/{id}", 404, PUBLIC),
        row(get.clone(), "/auth/sso/{id}/callback", 404, PUBLIC),
        row(get.clone(), "/ws", 426, AUTHENTICATED),
        row(get.clone(), "/ws/metrics", 426, AUTHENTICATED),
        row(get.clone(), "/events", 400, AUTHENTICATED),
        row(get.clone(), "/events/alerts", 200, AUTHENTICATED),
        row(get.clone(), "/poll", 400, AUTHENTICATED),
        row(get.clone(), "/analytics/metrics", 200, NON_WALLBOARD),
        of_campaign("/analytics/campaigns/{id}/metrics"),
        of_campaign("/analytics/campaigns/{id}/calls"),
        row(get.clone(), "/analytics/system/health", 200, NON_WALLBOARD),
        row(get.clone(), "/analytics/stats", 200, NON_WALLBOARD),
        row(get.clone(), "/api/stats", 200, NON_WALLBOARD),
        row(get.clone(), "/analytics/recent", 200, NON_WALLBOARD),
        row(get.clone(), "/api/metrics/recent", 200, NON_WALLBOARD),
        row(get.clone(), "/analytics/latest", 200, NON_WALLBOARD),
        row(get.clone(), "/api/metrics/latest", 200, NON_WALLBOARD),
        row(get.clone(), "/analytics/dashboard", 200, NON_WALLBOARD),
        row(get.clone(), "/healthz", 200, PUBLIC),
        row(get.clone(), "/readyz", 200, PUBLIC),
        row(get.clone(), "/metrics", 404, PUBLIC),
        row(get.clone(), "/admin/connections", 200, ADMINS),
        row(get.clone(), "/admin/users", 200, AUDITORS),
        row(post.clone(), "/admin/users", 400, ADMINS),
        row(Method::PATCH, "/admin/users/{name}", 404, ADMINS),
        row(Method::DELETE, "/admin/users/{name}", 404, ADMINS),
        row(post.clone(), "/admin/users/{name}/password", 404, ADMINS),
        row(post.clone(), "/admin/users/{name}/end", 404, ADMINS),
        row(get.clone(), "/admin/tokens", 200, AUDITORS),
        row(post.clone(), "/admin/tokens", 400, ADMINS),
        row(Method::DELETE, "/admin/tokens/{id}", 404, ADMINS),
        row(get.clone(), "/admin/keys", 200, AUDITORS),
        row(post.clone(), "/admin/keys", 400, ADMINS),
        row(Method::DELETE, "/admin/keys/{id}", 404, ADMINS),
        row(get.clone(), "/admin/sessions", 200, AUDITORS),
        row(Method::DELETE, "/admin/sessions/{id}", 404, ADMINS),
        row(get.clone(), "/admin/audit", 200, AUDITORS),
        row(get.clone(), "/admin/audit/export", 200, AUDITORS),
        row(post.clone(), "/admin/sessions/end", 200, ADMINS),
        row(get.clone(), "/admin", 200, ">>F.FF."),
        row(get.clone(), "/", 200, PAGE),
        row(get.clone(), "/analytics/realtime", 200, NON_WALLBOARD_PAGE),
        row(get.clone(), "/campaigns", 200, NON_WALLBOARD_PAGE),
        Row { method: get.clone(), path: "/campaigns/{id}", ok: 200, own: NON_WALLBOARD_PAGE, other: ">>NNNNN" },
        row(get.clone(), "/static/{*path}", 404, PUBLIC),
        row(get, "/favicon.ico", 200, PUBLIC),
        row(post, "/bench/{n}", 202, "LFFF..."),
    ]
}

pub(crate) fn address(path: &str, campaign: &str) -> String {
    let campaign = if path.contains("campaigns") { campaign } else { "nobody" };
    let query = if path.ends_with("/export") { "?format=ndjson" } else { "" };
    let path = format!("{path}{query}");
    path.replace("{id}", campaign).replace("{name}", "nobody").replace("{*path}", "nothing").replace("{n}", "7")
}

pub(crate) struct RolesFixture {
    pub(crate) gateway: TestGateway,
    pub(crate) http: reqwest::Client,
}

impl RolesFixture {
    pub(crate) async fn new() -> Self {
        let settings = GatewaySettings { bench: true, ..GatewaySettings::default() };
        let gateway = TestGateway::with(settings, Histories::default()).await;
        gateway.directory(&["alpha", "beta"]).await;
        gateway.numbers("alpha", 7, 1).await;
        gateway.numbers("beta", 7, 1).await;
        gateway.alert(1, Some("alpha")).await;
        Self { gateway, http: reqwest::Client::builder().redirect(Policy::none()).build().unwrap() }
    }

    /// Signs a token for a role, or none for an anonymous client.
    pub(crate) async fn token(&self, role: &str, tenant: &str, campaigns: Value) -> Option<String> {
        let mut claims = TestGateway::claims(None);
        claims["role"] = json!(role);
        claims["tenant"] = json!(tenant);
        claims["campaigns"] = campaigns;
        // One of the routes revokes all tokens issued so far.
        claims["iat"] = json!(claims["iat"].as_i64().unwrap() + 60);
        if role == "wallboard" {
            claims["page"] = json!("overview");
        }
        if role.is_empty() { None } else { Some(self.gateway.sign(&claims).await) }
    }

    async fn ask(&self, method: &Method, path: &str, token: Option<&str>) -> (u16, String) {
        let mut asked = self.http.request(method.clone(), self.gateway.url(path));
        if let Some(token) = token {
            asked = asked.bearer_auth(token);
        }
        if *method != Method::GET {
            asked = asked.header("content-type", "application/json").body(BODY);
        }
        let answer = asked.send().await.unwrap();
        let status = answer.status().as_u16();
        // A stream does not end.
        let text = if path.starts_with("/events") { String::new() } else { answer.text().await.unwrap() };
        // The role is allowed: the conflict is with this test, which owns the room.
        let status = if text.contains("owned_by_collector") { 202 } else { status };
        (status, text)
    }
}

fn expected(cell: char, ok: u16) -> u16 {
    match cell {
        '.' => ok,
        'L' => 401,
        'F' => 403,
        'N' => 404,
        '>' => 303,
        other => panic!("there is no cell {other}"),
    }
}

#[tokio::test]
async fn each_route_answers_each_role_as_the_table_says() {
    let fixture = RolesFixture::new().await;
    let mut wrong = Vec::new();
    for Row { method, path, ok, own, other } in table() {
        for (n, role) in ROLES.into_iter().enumerate() {
            let cell = |cells: &str| expected(cells.chars().nth(n).expect("a cell for each"), ok);
            let cases = [
                ("acme", json!("*"), cell(own)),
                // A scope without the campaign (a token of an admin with a scope is invalid), and another tenant.
                (
                    "acme",
                    json!(["beta"]),
                    if role == "admin" { expected(other.chars().next().unwrap(), ok) } else { cell(other) },
                ),
                ("other", json!("*"), cell(other)),
            ];
            for (tenant, campaigns, status) in cases {
                let token = fixture.token(role, tenant, campaigns.clone()).await;
                let (answered, text) = fixture.ask(&method, &address(path, SECRET), token.as_deref()).await;
                if answered != status {
                    wrong.push(format!(
                        "{method} {path} as {role:?} of {tenant} with {campaigns}: {answered}, not {status}"
                    ));
                }
                let is_theirs = tenant == "acme" && campaigns == json!("*");
                // Searched as data: the response may repeat the id that was asked for.
                let shown = text.contains(&format!("\"{SECRET}\"")) || text.contains(&format!(">{SECRET}<"));
                if !is_theirs && token.is_some() && answered == 200 && shown {
                    wrong.push(format!("{method} {path} shows {SECRET} to {role:?} of {tenant} with {campaigns}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn each_route_and_method_has_a_row() {
    let fixture = RolesFixture::new().await;
    let rows: BTreeSet<(String, String)> =
        table().iter().map(|row| (row.method.to_string(), row.path.to_owned())).collect();
    let routes: BTreeSet<_> =
        ROUTES.iter().chain(&HEALTH_ROUTES).map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(routes, rows, "left: the routes; right: the table");
    let mut answered = BTreeSet::new();
    let admin = fixture.token("admin", "acme", json!("*")).await;
    for path in routes.iter().map(|(_, path)| path).collect::<BTreeSet<_>>() {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let (status, _) = fixture.ask(&method, &address(path, SECRET), admin.as_deref()).await;
            if status != 405 {
                answered.insert((method.to_string(), path.clone()));
            }
        }
    }
    assert_eq!(answered, rows, "left: the answered methods; right: the table");
}

/// The rooms that each role may watch: with all campaigns, and with another one.
const ROOMS: [(&str, &str, &str); 9] = [
    ("overview", "......", "......"),
    ("campaign:alpha", "F.....", "FFFFFF"),
    ("calls:alpha", "......", "FFFFFF"),
    ("metrics", "......", "......"),
    ("system", "......", "......"),
    ("alerts", "......", "......"),
    ("notifications", "......", "......"),
    ("bench:7", "FFF...", "FFF..."),
    ("campaign:beta", "F.....", "F....."),
];

#[tokio::test]
async fn each_socket_action_answers_each_role_as_the_table_says() {
    let fixture = RolesFixture::new().await;
    for (n, role) in ROLES.into_iter().enumerate().skip(1) {
        let lists = if role == "admin" { vec![json!("*")] } else { vec![json!("*"), json!(["beta"])] };
        for campaigns in lists {
            let token = fixture.token(role, "acme", campaigns.clone()).await.unwrap();
            let mut client = Client::connect(fixture.gateway.address, "/ws", &token).await;
            for (room, own, out_of_scope) in ROOMS {
                let cells = if campaigns == json!("*") { own } else { out_of_scope };
                let allowed = cells.chars().nth(n - 1) == Some('.');
                let case = format!("{role} with {campaigns} in {room}");
                for action in ["subscribe", "refresh", "unsubscribe"] {
                    client.send(json!({ "action": action, "room": room, "requestId": "r" })).await;
                    let answer = client
                        .until_that(|frame| {
                            let here = frame["room"] == json!(room);
                            let kind = frame["type"].as_str().unwrap_or_default();
                            here && matches!(
                                kind,
                                "subscribed" | "unsubscribed" | "error" | "initial" | "metrics_update"
                            ) || kind == "error" && frame["requestId"] == "r"
                        })
                        .await;
                    let denied = answer["type"] == "error";
                    match action {
                        "subscribe" => {
                            assert_eq!(denied, !allowed, "{case}: {answer}");
                            assert!(!denied || answer["code"] == "forbidden_room", "{case}: {answer}");
                        }
                        // A refresh needs a subscription. Unsubscribing without one is not an error.
                        "refresh" => assert!(allowed || denied, "{case}: {answer}"),
                        _ => {}
                    }
                }
            }
            client.send(json!({ "action": "ping" })).await;
            client.until("pong").await;
            client
                .send(json!({ "action": "command", "kind": "campaign.pause", "target": "alpha", "requestId": "c" }))
                .await;
            let rejected = client.until_that(|frame| frame["requestId"] == "c").await;
            assert_eq!((&rejected["type"], &rejected["code"]), (&json!("error"), &json!("unknown_action")));
            let other = fixture.token(role, "other", json!("*")).await.unwrap();
            client.send(json!({ "action": "auth", "token": other })).await;
            assert_eq!(client.close_code().await, 4403, "{role}: a token of another tenant is rejected");
        }
    }
}

#[tokio::test]
async fn a_socket_of_another_tenant_gets_no_data_of_this_one() {
    let fixture = RolesFixture::new().await;
    for role in &ROLES[1..] {
        let token = fixture.token(role, "other", json!("*")).await.unwrap();
        let mut client = Client::connect(fixture.gateway.address, "/ws", &token).await;
        let rooms = ["overview", "calls:alpha", "metrics", "system", "alerts", "notifications"];
        for room in rooms {
            client.subscribe(room).await;
            let initial = client.until("initial").await;
            assert_eq!(initial["room"], room);
            let text = initial.to_string().replace("calls:alpha", "");
            assert!(!text.contains(SECRET) && !text.contains("\"f1\""), "{role}: {text}");
        }
        fixture.gateway.call("alpha", 1).await;
        fixture.gateway.alert(2, None).await;
        // Once the own tenant has the frame, the next one of the other tenant must be the answer to its ping.
        let mut own = fixture.gateway.client().await;
        own.subscribe("alerts").await;
        own.until_that(|frame| frame.to_string().contains("\"f2\"")).await;
        client.send(json!({ "action": "ping" })).await;
        let next = client
            .until_that(|frame| {
                !matches!(frame["type"].as_str(), Some("metrics_update" | "system_health_update" | "subscribed"))
            })
            .await;
        assert_eq!(next["type"], "pong", "{role}: {next}");
    }
}

/// A new kind of message does not compile until it is added here.
#[test]
fn every_kind_of_message_is_in_the_table() {
    let parse = |text: &str| ClientRequest::parse(text).unwrap().message;
    for text in [
        r#"{"action":"subscribe","room":"alerts"}"#,
        r#"{"action":"unsubscribe","room":"alerts"}"#,
        r#"{"action":"refresh"}"#,
        r#"{"action":"ping"}"#,
        r#"{"action":"auth","token":"x"}"#,
    ] {
        match parse(text) {
            ClientMessage::Subscribe { .. }
            | ClientMessage::Unsubscribe { .. }
            | ClientMessage::Refresh { .. }
            | ClientMessage::Ping
            | ClientMessage::Auth { .. } => {}
        }
    }
}
