//! The `initial` frames of a page: read once, drawn as HTML, and embedded for the browser's store.
//!
//! The store applies them like frames from a socket and subscribes with their cursors, so that nothing is missed
//! between the page and the socket.

use ringside_access::Viewer;
use ringside_model::Room;
use ringside_wire::{
    AlertJson, CallChangeJson, CallsBody, HostJson, MetricJson, MetricPointJson, body_bytes, compose_frame, frame_kind,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::hub::{Initial, Refusal, RoomReader};

/// The frames that a page starts from.
#[derive(Default)]
pub(super) struct Frames {
    embedded: Vec<String>,
}

impl Frames {
    /// Reads a room for a page, and keeps its frame. A room that the page can do without may be refused: then the panel
    /// says that it has no data, and the others stay.
    pub(super) async fn read<T: DeserializeOwned + Default>(
        &mut self,
        reader: &RoomReader,
        viewer: &Viewer,
        room: &Room,
    ) -> Result<T, Refusal> {
        let initial = reader.initial(viewer, room).await?;
        self.embedded.push(String::from_utf8_lossy(&initial.frame()).into_owned());
        Ok(parse(&initial))
    }

    /// Keeps a room of calls with only those of its calls that the page shows. The cursor stays what it is: older calls
    /// are left out, newer ones are not.
    pub(super) fn keep_calls(&mut self, initial: &Initial, calls: Vec<CallChangeJson>) {
        let body = body_bytes(&CallsBody { calls });
        let frame = compose_frame(frame_kind::INITIAL, Some(&initial.room), initial.cursor, initial.at, &body);
        self.embedded.push(String::from_utf8_lossy(&frame).into_owned());
    }

    /// All of them as the text of a `<script type="application/json">`.
    pub(super) fn embed(&self) -> String {
        escape_for_script(&format!("[{}]", self.embedded.join(",")))
    }
}

/// An `initial`'s body as what it should be. A body that isn't reads as empty, so that one bad room costs one panel.
pub(super) fn parse<T: DeserializeOwned + Default>(initial: &Initial) -> T {
    serde_json::from_slice(&initial.body).unwrap_or_else(|error| {
        warn!(room = %initial.room, %error, "the snapshot of a room can't be read");
        T::default()
    })
}

/// JSON in which nothing ends a script element.
fn escape_for_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// What the alerts room starts with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AlertsInitial {
    /// Firing now, worst first.
    pub open: Vec<AlertJson>,
    /// The newest transitions.
    pub alerts: Vec<AlertJson>,
}

/// What the metrics room starts with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MetricsInitial {
    /// Newest values.
    pub metrics: Vec<MetricJson>,
    /// Newest points.
    pub series: Vec<MetricPointJson>,
}

/// What the system room starts with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SystemInitial {
    /// All hosts.
    pub hosts: Vec<HostJson>,
}

/// What a room of calls starts with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CallsInitial {
    /// The newest changes, oldest first.
    pub calls: Vec<CallChangeJson>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_campaign_ends_the_script() {
        let frames = Frames { embedded: vec![r#"{"name":"</script><b>"}"#.into()] };
        assert_eq!(frames.embed(), r#"[{"name":"\u003c/script>\u003cb>"}]"#);
        let back: serde_json::Value = serde_json::from_str(&frames.embed()).unwrap();
        assert_eq!(back[0]["name"], "</script><b>");
    }
}
