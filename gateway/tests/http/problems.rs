//! Whatever a route can't take is told as a problem with a code, by every route of the table.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::access::permissions::{RolesFixture, Row, address, table};

/// What a route answers to an address and a body as an admin or as nobody: its status, its kind of content, its body.
async fn send(
    fixture: &RolesFixture,
    method: &Method,
    path: &str,
    body: Option<Vec<u8>>,
    admin: bool,
) -> reqwest::Response {
    let mut asked = fixture.http.request(method.clone(), fixture.gateway.url(path));
    if admin {
        let token = fixture.token("admin", "acme", json!("*")).await.unwrap();
        asked = asked.bearer_auth(token);
    }
    if let Some(body) = body {
        asked = asked.header("content-type", "application/json").body(body);
    }
    asked.send().await.unwrap()
}

/// The code of a problem; panics where it is none.
async fn code(case: &str, answer: reqwest::Response) -> String {
    assert_eq!(answer.headers()["content-type"], "application/problem+json", "{case}");
    let status = answer.status().as_u16();
    let problem: Value = answer.json().await.unwrap();
    assert_eq!((&problem["status"], &problem["type"]), (&json!(status), &json!("about:blank")), "{case}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{case}: {problem}");
    problem["code"].as_str().expect("a code").to_owned()
}

#[tokio::test]
async fn an_address_that_can_not_be_read_is_a_problem_everywhere() {
    let fixture = RolesFixture::new().await;
    let mut tried = 0;
    for Row { method, path, .. } in table().into_iter().filter(|row| row.path.contains('{')) {
        let (open, close) = (path.find('{').unwrap(), path.find('}').unwrap());
        for garbage in ["%FF", "a%C3%28", "%ED%A0%80"] {
            let address = format!("{}{garbage}{}", &path[..open], &path[close + 1..]);
            let body = (method != Method::GET).then(|| b"{}".to_vec());
            let case = format!("{method} {address}");
            let answer = send(&fixture, &method, &address, body.clone(), true).await;
            assert_eq!(answer.status(), 400, "{case}");
            assert_eq!(code(&case, answer).await, "bad_request", "{case}");
            let stranger = send(&fixture, &method, &address, body, false).await;
            if stranger.status().is_client_error() {
                code(&case, stranger).await;
            }
            tried += 1;
        }
    }
    assert!(tried >= 30, "the routes with names are not where they were: {tried}");
}

/// What takes a body, and how long it may be.
const LIMITS: [(Method, &str, usize); 9] = [
    (Method::POST, "/auth/login", 32 << 10),
    (Method::POST, "/auth/refresh", 8 << 10),
    (Method::POST, "/auth/tenant", 8 << 10),
    (Method::POST, "/admin/users", 64 << 10),
    (Method::PATCH, "/admin/users/{name}", 64 << 10),
    (Method::POST, "/admin/users/{name}/password", 64 << 10),
    (Method::POST, "/admin/tokens", 64 << 10),
    (Method::POST, "/admin/keys", 64 << 10),
    (Method::POST, "/bench/{n}", 64 << 10),
];

#[tokio::test]
async fn a_body_that_is_too_long_is_a_problem_everywhere() {
    let fixture = RolesFixture::new().await;
    for Row { method, path, .. } in table() {
        if method == Method::GET {
            continue;
        }
        let limit = LIMITS.iter().find(|(of, at, _)| (of, *at) == (&method, path)).map(|(.., limit)| *limit);
        let address = address(path, "alpha");
        let case = format!("{method} {address}");
        // No JSON either: whatever is short enough to be read is refused for that.
        let answer = send(&fixture, &method, &address, Some(vec![b'x'; limit.unwrap_or(64 << 10) + 1]), true).await;
        let Some(limit) = limit else {
            // It takes no body and has not looked at this one.
            assert_ne!(answer.status(), 413, "{case}");
            if answer.status().is_client_error() {
                code(&case, answer).await;
            }
            continue;
        };
        assert_eq!(answer.status(), 413, "{case}");
        assert_eq!(code(&case, answer).await, "too_large", "{case}");
        let answer = send(&fixture, &method, &address, Some(vec![b'x'; limit]), true).await;
        assert_eq!(answer.status(), 400, "{case}");
        assert_eq!(code(&case, answer).await, "bad_request", "{case}: as long as it may be, it is read");
    }
}

#[tokio::test]
async fn every_401_says_that_a_token_is_wanted_and_no_browser_asks_for_a_password_of_its_own() {
    let fixture = RolesFixture::new().await;
    let login = json!({ "username": "nobody", "password": "not it" }).to_string();
    let mut asked = vec![(Method::POST, "/auth/login".to_owned(), login)];
    asked.push((Method::POST, "/auth/login".to_owned(), json!({ "token": "x" }).to_string()));
    asked.extend(table().into_iter().map(|row| (row.method, address(row.path, "alpha"), "{}".to_owned())));
    let mut codes = BTreeSet::new();
    for (method, address, body) in asked {
        for accept in ["*/*", "text/html"] {
            let asked = fixture.http.request(method.clone(), fixture.gateway.url(&address)).header("accept", accept);
            let answer = asked.body(body.clone()).send().await.unwrap();
            let wanted = answer.headers().get("www-authenticate").map(|wanted| wanted.to_str().unwrap().to_owned());
            let refused = answer.status() == 401;
            assert_eq!(wanted.as_deref(), refused.then_some("Bearer"), "{method} {address} for {accept}");
            if refused && accept == "*/*" {
                codes.insert(code(&address, answer).await);
            }
        }
    }
    let all = ["bad_token", "login_ended", "unauthorized", "wrong_password"];
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), all);
}
