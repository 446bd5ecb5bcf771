//! Whatever is published and however slowly it is read, a client can account for every offset.

use proptest::prelude::*;
use ringside_engine::RoomFrame;
use ringside_model::CampaignId;
use serde_json::Value;

use super::*;

struct All;

impl Sight for All {
    fn sees(&self, _: &Frame) -> bool {
        true
    }

    fn state(&self, frame: &Frame, conflated: u64) -> Packet {
        frame.packet_after(conflated)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Event(usize),
    States(u8),
    Read(usize),
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![Just(10_usize), Just(3_000), Just(90_000)].prop_map(Step::Event),
        3 => (1_u8..5).prop_map(Step::States),
        2 => prop_oneof![Just(0_usize), Just(1), Just(5_000), Just(1 << 20)].prop_map(Step::Read),
        1 => Just(Step::Resume),
    ]
}

/// A client and what it can account for.
#[derive(Default)]
struct Client {
    reached: u64,
    announced: u64,
    events: u64,
    skipped: u64,
    newest_state: u64,
}

impl Client {
    fn take(&mut self, delivery: &RoomPacket) {
        let frame: Value = serde_json::from_str(delivery.packet.text()).expect("frames are JSON");
        if frame["type"] == "skipped" {
            self.announced += frame["count"].as_u64().expect("a count");
            self.skipped += frame["count"].as_u64().expect("a count");
            return;
        }
        let cursor: Cursor = frame["cursor"].as_str().expect("a cursor").parse().expect("that reads back");
        let conflated = frame["conflated"].as_u64().unwrap_or(0);
        let state = frame["type"] == "metrics_update";
        if state {
            self.newest_state = frame["n"].as_u64().expect("its own offset");
        }
        if cursor.offset == self.reached {
            assert!(state && conflated == 0, "only a state may repeat a cursor: {frame}");
            return;
        }
        assert_eq!(cursor.offset, self.reached + 1 + conflated + self.announced, "a silent gap");
        assert_eq!(frame["n"], cursor.offset, "out of order");
        self.reached = cursor.offset;
        self.announced = 0;
        self.events += u64::from(!state);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_offset_is_delivered_conflated_or_announced(steps in prop::collection::vec(step(), 1..120)) {
        let room = Room::Campaign(CampaignId::parse("alpha").expect("a name"));
        let epoch = Epoch(7);
        let view = RoomView {
            epoch, head: 0, trimmed: 0, events: Vec::new(), more: false, state: None, snapshot: None,
        };
        let mut ring = Ring::fill(Arc::new(room.clone()), 0, &view, RING_FRAMES);
        let id = ringside_engine::RoomId::new(
            ringside_model::TenantId::parse("acme").expect("a name"), room);
        let publish = |ring: &mut Ring, lane, kind: &str, size: usize| {
            let offset = ring.head() + 1;
            let body = format!(r#"{{"n":{offset},"filler":"{}"}}"#, "x".repeat(size)).into();
            let frame = RoomFrame {
                room: id.clone(), epoch, offset, lane, kind: kind.into(), at: Timestamp::from_millis(0), body,
            };
            assert_eq!(ring.accept(&frame), Accepted::New);
            assert_eq!(ring.accept(&frame), Accepted::Known);
        };
        let (mut client, mut place) = (Client::default(), ring.place(0, false));
        let (mut events, mut newest_state) = (0, 0);
        let read = |ring: &Ring, place: &mut Place, client: &mut Client, bytes| {
            let mut out = Vec::new();
            let reading = ring.read(place, &All, bytes, &mut out);
            for delivery in &out {
                client.take(delivery);
            }
            assert_eq!(place.reached.offset, client.reached, "both sides know where the client is");
            reading
        };
        for step in steps {
            match step {
                Step::Event(size) => {
                    publish(&mut ring, Lane::Event, "call_event", size);
                    events += 1;
                }
                Step::States(count) => {
                    for _ in 0..count {
                        publish(&mut ring, Lane::State, "metrics_update", 10);
                    }
                    newest_state = ring.head();
                }
                Step::Read(bytes) => {
                    read(&ring, &mut place, &mut client, bytes);
                }
                Step::Resume => {
                    // Nothing that was announced is taken back: the place before it may be read again in full.
                    if client.announced == 0 && ring.covers(client.reached) {
                        place = ring.place(client.reached, true);
                    }
                }
            }
        }
        for _ in 0..2_000 {
            match read(&ring, &mut place, &mut client, 1 << 20) {
                Reading::Done => break,
                // What the engine's history is for.
                Reading::Behind => place.resuming = false,
                Reading::More => {}
                Reading::Other => panic!("there was one life only"),
            }
        }
        prop_assert_eq!(client.events + client.skipped, events, "every event was delivered or counted");
        prop_assert_eq!(client.newest_state, newest_state, "the newest state was the last");
        prop_assert_eq!(read(&ring, &mut place, &mut client, 1 << 20), Reading::Done);
    }
}
