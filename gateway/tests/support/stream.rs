//! A stream of events, read line by line, with the checks that every door's client makes.

use serde_json::Value;

use crate::support::client::{Checker, PATIENCE};
use crate::support::test_gateway::TestGateway;

/// A stream of events, read line by line.
pub(crate) struct Stream {
    response: reqwest::Response,
    text: String,
    retry_ms: Option<u64>,
    pub(crate) checker: Checker,
}

impl Stream {
    pub(crate) async fn open(floor: &TestGateway, path: &str, last_event_id: Option<&str>) -> Self {
        Self::open_at(&floor.url(path), &floor.token().await, last_event_id).await
    }

    pub(crate) async fn open_at(url: &str, token: &str, last_event_id: Option<&str>) -> Self {
        let mut request = reqwest::Client::new().get(url).bearer_auth(token);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self { response, text: String::new(), retry_ms: None, checker: Checker::default() }
    }

    /// The next event: its frame and its id.
    pub(crate) async fn next(&mut self) -> Option<(Value, Option<String>)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    event.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_start().to_owned())
                };
                assert!(field("event:").is_none(), "events have no name");
                self.retry_ms = field("retry:").map(|value| value.parse().unwrap()).or(self.retry_ms);
                let read = field("data:").map(|data| (serde_json::from_str(&data).unwrap(), field("id:")));
                self.text = rest.to_owned();
                let Some((frame, id)) = read else { continue };
                self.checker.check(&frame);
                return Some((frame, id));
            }
            let chunk =
                tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("an event in time").unwrap()?;
            self.text.push_str(str::from_utf8(&chunk).unwrap());
        }
    }

    /// What the server said last of when to come back.
    pub(crate) fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    pub(crate) async fn until(&mut self, kind: &str) -> (Value, Option<String>) {
        loop {
            let (frame, id) = self.next().await.expect("the stream goes on");
            if frame["type"] == kind {
                return (frame, id);
            }
        }
    }
}
