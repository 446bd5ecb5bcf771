//! `POST /bench/{n}`: one frame for the room `bench:{n}` of a load run.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use ringside_access::{Access, Permission};
use ringside_engine::RoomId;
use ringside_model::Room;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::bench::Bench;
use crate::error::Error;
use crate::extract::{Body, Path, bearer, require};

/// The longest body.
pub(crate) const BODY_BYTES: usize = 64 << 10;

/// What every frame has of itself, or may get on its way. A body's own members of these names are left out.
const FRAMES_OWN: [&str; 5] = ["type", "room", "cursor", "timestamp", "conflated"];

/// `POST /bench/{n}`. Answers once it is queued: nothing of a load run is worth waiting for a disk.
pub(crate) async fn publish_bench(
    State(access): State<Access>,
    State(bench): State<Option<Arc<Bench>>>,
    room: Result<Path<u16>, Error>,
    request: Request,
) -> Result<StatusCode, Error> {
    // A token only, no cookie: so no other site's page can make a browser post here.
    let token = bearer(request.headers()).map(str::to_owned);
    let viewer = access.identify(token.as_deref()).await?;
    require(&viewer, Permission::RunLoad)?;
    let bad_room = |_| Error::BadRequest("Bench rooms have the numbers 0 to 65535, such as /bench/7.".to_owned());
    let Path(number) = room.map_err(bad_room)?;
    let Body(body) = Body::from_request(request, &()).await?;
    let Members(members) = serde_json::from_slice(&body).map_err(|error| {
        Error::BadRequest(format!("The body must be one JSON object, which becomes the frame's members: {error}."))
    })?;
    let bench = bench.ok_or(Error::NoSuchAddress)?;
    bench.take(RoomId::new(viewer.tenant.clone(), Room::Bench(number)), members.into()).await?;
    Ok(StatusCode::ACCEPTED)
}

/// A JSON object as it came, without the members that its frame has itself, on one line. Read once, and no value of it
/// is looked into.
struct Members(Vec<u8>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Splice)
    }
}

/// A member's name, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct Splice;

impl<'de> Visitor<'de> for Splice {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut spliced = Vec::with_capacity(512);
        spliced.push(b'{');
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            if FRAMES_OWN.contains(&&*name) {
                continue;
            }
            if spliced.len() > 1 {
                spliced.push(b',');
            }
            serde_json::to_writer(&mut spliced, &name).expect("a Vec takes everything");
            spliced.push(b':');
            spliced.extend_from_slice(value.get().as_bytes());
        }
        spliced.push(b'}');
        // Between values only, as no JSON string has one in it; a frame must be one line, for SSE.
        for byte in spliced.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
        Ok(Members(spliced))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &str) {
        let Members(members) = serde_json::from_str(body).unwrap();
        assert_eq!(str::from_utf8(&members).unwrap(), expected);
    }

    #[test]
    fn what_the_frame_has_itself_is_left_out_and_the_rest_is_as_it_came() {
        check(
            r#"{"type":"metrics_update","t":1,"seq":2,"room":"bench:0","pad":"xx"}"#,
            r#"{"t":1,"seq":2,"pad":"xx"}"#,
        );
        check(r#" { "a" : [1, {"type": "kept"}] , "cursor":null,"timestamp":{} } "#, r#"{"a":[1, {"type": "kept"}]}"#);
        check(r#"{"\u0074ype":1,"conflated":3,"q\"\n":"a\"b"}"#, r#"{"q\"\n":"a\"b"}"#);
        check("{\"a\":[1,\r\n2]}", "{\"a\":[1,  2]}");
        check("{}", "{}");
        check(r#"{"room":1}"#, "{}");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in
            ["", "[]", "1", "null", r#"{"a":}"#, r#"{"a":1"#, r#"{"a":1}{}"#, r#"{"a":1,}"#, "{\"a\":\"\n\"}", "{a:1}"]
        {
            assert!(serde_json::from_str::<Members>(body).is_err(), "{body}");
        }
        assert!(serde_json::from_slice::<Members>(b"{\"a\":\"\xff\"}").is_err());
    }
}
