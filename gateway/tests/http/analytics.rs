//! Single answers over HTTP.

use serde_json::{Value, json};

use crate::support::test_gateway::TestGateway;

fn metric(name: &str) -> Value {
    json!({ "name": name, "unit": "%", "value": 4.0, "at": "2026-11-20T12:00:00.000Z", "count": 3, "avg": 2.0, "min": 1.0,
        "max": 4.0, "p50": 2.0, "p95": 4.0, "trend": "up", "change": 0.5 })
}

#[tokio::test]
async fn campaigns_are_listed_with_their_sums_within_the_scope() {
    let floor = TestGateway::start().await;
    floor.directory(&["alpha", "beta"]).await;
    floor.numbers("alpha", 3, 10).await;
    floor.numbers("beta", 4, 20).await;
    let (status, all) = floor.ask("/analytics/metrics", &floor.token().await).await;
    assert_eq!((status, all["campaigns"].as_array().unwrap().len()), (200, 2));
    assert_eq!((&all["aggregate"]["totalActiveCalls"], &all["aggregate"]["activeCampaigns"]), (&json!(7), &json!(2)));
    let scoped = floor.sign(&TestGateway::claims(Some(&["beta"]))).await;
    let (_, one) = floor.ask("/analytics/metrics", &scoped).await;
    assert_eq!(one["campaigns"][0]["campaignId"], "beta");
    assert_eq!(one["aggregate"]["totalActiveCalls"], 4);

    let (_, beta) = floor.ask("/analytics/campaigns/beta/metrics", &scoped).await;
    assert_eq!((&beta["activeCalls"], &beta["counters"]["attempts"]), (&json!(4), &json!(20)));
    assert_eq!(beta["cursor"], floor.head("campaign:beta").await.to_string());
    let hidden = floor.ask("/analytics/campaigns/alpha/metrics", &scoped).await;
    let missing = floor.ask("/analytics/campaigns/nowhere/metrics", &scoped).await;
    assert_eq!((hidden.0, hidden.1["code"].as_str()), (404, Some("no_such_campaign")));
    assert_eq!(hidden, missing, "what may not be seen looks as if it were not there");
}

#[tokio::test]
async fn calls_are_paged_into_the_past_without_gap_or_double() {
    let floor = TestGateway::start().await;
    floor.numbers("alpha", 1, 1).await;
    for n in 1..=25 {
        floor.call("alpha", n).await;
    }
    let token = floor.token().await;
    let mut seen = Vec::new();
    let mut before = String::new();
    loop {
        let (status, page) = floor.ask(&format!("/analytics/campaigns/alpha/calls?limit=10{before}"), &token).await;
        assert_eq!(status, 200, "{page}");
        seen.extend(page["calls"].as_array().unwrap().iter().map(|call| call["callId"].as_str().unwrap().to_owned()));
        match page["before"].as_str() {
            Some(cursor) => before = format!("&before={cursor}"),
            None => break,
        }
    }
    let all: Vec<String> = (1..=25).rev().map(|n| format!("c{n}")).collect();
    assert_eq!(seen, all);
    for query in ["limit=0", "limit=501", "before=yesterday"] {
        assert_eq!(floor.ask(&format!("/analytics/campaigns/alpha/calls?{query}"), &token).await.0, 400, "{query}");
    }
}

#[tokio::test]
async fn generic_metrics_answer_under_both_of_their_names() {
    let floor = TestGateway::start().await;
    let points: Vec<Value> = (0..60).map(|n| json!([n, n as f64])).collect();
    let series = json!({ "series": [{ "name": "cpu_usage", "points": points }] });
    floor.state("metrics", "metrics_update", json!({ "metrics": [metric("cpu_usage")] }), Some(series)).await;
    let token = floor.token().await;
    for (path, alias) in [
        ("/analytics/stats", "/api/stats"),
        ("/analytics/recent?count=5", "/api/metrics/recent?count=5"),
        ("/analytics/latest", "/api/metrics/latest"),
    ] {
        let answer = floor.ask(path, &token).await;
        assert_eq!(answer.0, 200);
        assert_eq!(answer, floor.ask(alias, &token).await, "{alias}");
    }
    let stats = floor.ask("/api/stats", &token).await.1;
    assert_eq!((&stats["metrics"][0]["p95"], &stats["metrics"][0]["count"]), (&json!(4.0), &json!(3)));
    let recent = floor.ask("/api/metrics/recent?count=5", &token).await.1;
    assert_eq!(recent["series"][0]["points"], json!([[55, 55.0], [56, 56.0], [57, 57.0], [58, 58.0], [59, 59.0]]));
    let latest = floor.ask("/api/metrics/latest", &token).await.1;
    assert_eq!((&latest["metrics"][0]["value"], &latest["metrics"][0]["p95"]), (&json!(4.0), &Value::Null));
}

#[tokio::test]
async fn the_dashboard_has_what_was_asked_for_and_refuses_what_it_does_not_know() {
    let floor = TestGateway::start().await;
    floor.directory(&["alpha"]).await;
    floor.numbers("alpha", 3, 10).await;
    floor.alert(1, Some("alpha")).await;
    let token = floor.token().await;
    let (_, all) = floor.ask("/analytics/dashboard", &token).await;
    assert_eq!(all["campaigns"]["campaigns"][0]["campaignId"], "alpha");
    assert_eq!(all["aggregate"]["aggregate"]["totalActiveCalls"], 3);
    assert_eq!(all["alerts"]["cursor"], floor.head("alerts").await.to_string());
    assert_eq!((&all["system"]["hosts"], &all["metrics"]["metrics"]), (&json!([]), &json!([])));
    assert_eq!(all["summary"]["counters"]["attempts"], 10);
    let (_, some) = floor.ask("/analytics/dashboard?include=aggregate&period=hour", &token).await;
    assert!(some["campaigns"].is_null() && some["summary"]["counters"]["attempts"] == 0, "{some}");
    let (_, today) = floor.ask("/analytics/dashboard?include=aggregate&period=today", &token).await;
    assert_eq!(today["summary"]["ratios"]["abandonRate"]["value"], Value::Null);
    for query in ["include=kitchen", "include=", "period=century"] {
        let (status, problem) = floor.ask(&format!("/analytics/dashboard?{query}"), &token).await;
        assert_eq!((status, problem["code"].as_str()), (400, Some("bad_request")), "{query}");
    }
    let (_, health) = floor.ask("/analytics/system/health", &token).await;
    assert_eq!(health["hosts"], json!([]));
}

#[tokio::test]
async fn every_answer_is_protected_and_probes_need_no_login() {
    let floor = TestGateway::start().await;
    for path in ["/healthz", "/readyz"] {
        let response = reqwest::get(floor.url(path)).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let headers = response.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains(&format!("ws://{}", floor.address)), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(headers.contains_key("x-request-id"));
    }
    let (status, problem) = floor.ask("/analytics/nothing", "").await;
    assert_eq!((status, problem["code"].as_str(), problem["status"].as_u64()), (404, Some("not_found"), Some(404)));
}

/// What a browser gets at an address: status, kind and text.
async fn browse(floor: &TestGateway, path: &str, token: &str) -> (u16, String, String) {
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let request = browser.get(floor.url(path)).header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let response = request.header("cookie", format!("ringside={token}")).send().await.unwrap();
    let kind = response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
    (response.status().as_u16(), kind, response.text().await.unwrap())
}

#[tokio::test]
async fn a_browser_reads_what_is_wrong_as_a_page() {
    let floor = TestGateway::start().await;
    floor.numbers("alpha", 1, 1).await;
    floor.numbers("beta", 1, 1).await;
    let scoped = floor.sign(&TestGateway::claims(Some(&["alpha"]))).await;
    assert_eq!(browse(&floor, "/campaigns/alpha", &scoped).await.0, 200);
    let (hidden, missing) = (browse(&floor, "/campaigns/beta", &scoped), browse(&floor, "/campaigns/nobody", &scoped));
    let (hidden, missing) = (hidden.await, missing.await);
    assert_eq!((hidden.0, hidden.1.as_str()), (404, "text/html; charset=utf-8"));
    assert!(hidden.2.contains("This campaign does not exist in acme, or you may not see it."), "{}", hidden.2);
    assert!(hidden.2.contains(r#"<a class="btn btn-primary lg" href="/campaigns">"#) && !hidden.2.contains("<script"));
    assert_eq!(hidden, missing, "what may not be seen looks as if it were not there");
    let (status, kind, text) = browse(&floor, "/nowhere/<b>", "").await;
    assert_eq!((status, kind.as_str()), (404, "text/html; charset=utf-8"));
    assert!(text.contains("There is nothing at this address.") && !text.contains("<b>"), "{text}");
    // A script at the same address, and a browser at a script's address, get the problem.
    let (status, problem) = floor.ask("/campaigns/beta", &scoped).await;
    assert_eq!((status, &problem["code"]), (404, &json!("no_such_campaign")));
    assert_eq!(browse(&floor, "/analytics/nowhere", &scoped).await.1, "application/problem+json");
}

#[tokio::test]
async fn a_page_without_live_data_says_so_and_offers_another_try() {
    let (floor, faulty) = TestGateway::faulty().await;
    faulty.fail_reads(true);
    let token = floor.token().await;
    let (status, kind, text) = browse(&floor, "/campaigns/alpha", &token).await;
    assert_eq!((status, kind.as_str()), (503, "text/html; charset=utf-8"));
    assert!(
        text.contains("Live data is not available right now.") && text.contains(r#"href="">Try again</a>"#),
        "{text}"
    );
    let asked = reqwest::Client::new().get(floor.url("/analytics/campaigns/alpha/metrics")).bearer_auth(&token);
    let asked = asked.send().await.unwrap();
    assert_eq!((asked.status().as_u16(), &asked.headers()["retry-after"]), (503, &"2".parse().unwrap()));
}

#[tokio::test]
async fn the_overview_has_two_addresses() {
    let floor = TestGateway::start().await;
    floor.directory(&["alpha"]).await;
    floor.numbers("alpha", 3, 10).await;
    let token = floor.token().await;
    for path in ["/", "/analytics/realtime"] {
        let (status, kind, text) = browse(&floor, path, &token).await;
        assert_eq!((status, kind.as_str()), (200, "text/html; charset=utf-8"), "{path}");
        assert!(text.contains(r#"data-page="overview""#) && text.contains("/campaigns/alpha"), "{path}");
        assert_eq!(browse(&floor, path, "").await.0, 303, "{path} without a login");
    }
}
