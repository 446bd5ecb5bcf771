//! What the documents list, they list whole: metrics in the Markdown, routes in `docs/openapi.yaml`.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ringside_gateway::ROUTES;
use ringside_http::HEALTH_ROUTES;
use ringside_rig::sources;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// The texts that a call of any of these begins with.
fn first_texts(sources: &[String], calls: &[&str]) -> BTreeSet<String> {
    let of_call = |source: &str, call: &str| -> Vec<String> {
        let texts =
            source.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
        texts.map(str::to_owned).collect()
    };
    sources.iter().flat_map(|source| calls.iter().flat_map(|call| of_call(source, call))).collect()
}

#[test]
fn every_metric_is_described() {
    let crates = ["shared", "collector/src", "gateway/src", "src"];
    let sources: Vec<_> = crates.iter().flat_map(|folder| sources(&root().join(folder))).collect();
    let metrics = first_texts(&sources, &["counter!(", "gauge!(", "histogram!("]);
    assert!(metrics.len() > 30, "the metrics are not where they were: {metrics:?}");
    let described = ["operations.md", "protocol.md"].map(document).concat();
    let told =
        |metric: &String| described.contains(&format!("`{metric}`")) || described.contains(&format!("`{metric}{{"));
    let untold: Vec<_> = metrics.iter().filter(|metric| !told(metric)).collect();
    assert!(untold.is_empty(), "in no table of docs/operations.md or docs/protocol.md: {untold:?}");
}

#[test]
fn every_route_but_pages_and_files_is_in_the_openapi_document() {
    let not_listed = ["/", "/analytics/realtime", "/campaigns", "/campaigns/{id}", "/admin", "/login", "/favicon.ico"];
    let is_listed = |path: &&str| !not_listed.contains(path) && !path.starts_with("/static/");
    let nameless = |path: &str| -> Vec<String> {
        path.split('/').map(|part| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() }).collect()
    };
    let routes = ROUTES.iter().chain(&HEALTH_ROUTES).map(|(_, path)| *path);
    let routes: BTreeSet<_> = routes.filter(is_listed).map(nameless).collect();
    let openapi = document("openapi.yaml");
    let paths = openapi.lines().filter_map(|line| line.strip_prefix("  /")?.split(':').next());
    let paths: BTreeSet<_> = paths.map(|path| nameless(&format!("/{path}"))).collect();
    assert_eq!(routes, paths, "left: what is answered; right: what the document has");
}
