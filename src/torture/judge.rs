//! Holds what was counted, kept and received against what really happened.

use std::collections::{BTreeMap, BTreeSet};

use super::track::Track;
use super::truth::{Counts, Fact, Truth};

/// A room as its history stood at the end.
#[derive(Debug, Default, Clone)]
pub(crate) struct Kept {
    /// Its epoch.
    pub(crate) epoch: Box<str>,
    /// The newest offset when the clients were still there.
    pub(crate) head: u64,
    /// History holds all events above this offset.
    pub(crate) trimmed: u64,
    /// The offsets of its events.
    pub(crate) events: BTreeSet<u64>,
    /// What its events tell, with how often; of calls and notifications.
    pub(crate) facts: BTreeMap<Fact, u64>,
}

/// Everything that is known at the end.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// The acknowledged events.
    pub(crate) truth: Truth,
    /// What the campaigns say.
    pub(crate) counted: BTreeMap<String, Counts>,
    /// The rooms.
    pub(crate) kept: BTreeMap<String, Kept>,
    /// Each client's rooms.
    pub(crate) tracks: Vec<(String, Track)>,
}

/// What came out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Events that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Good events that were refused.
    pub(crate) refused: u64,
    /// What all campaigns count together.
    pub(crate) counted: i64,
    /// Counted too little, over all counters.
    pub(crate) lost: i64,
    /// Counted too often.
    pub(crate) double: i64,
    /// Event frames in the rooms' histories.
    pub(crate) published: u64,
    /// Facts that no history tells although it reaches back far enough.
    pub(crate) untold: u64,
    /// Facts that a history tells more than once.
    pub(crate) told_twice: u64,
    /// Event frames that clients got, all together.
    pub(crate) received: u64,
    /// Those of them that a resume brought.
    pub(crate) repaired: u64,
    /// Resets and skips that clients were told of.
    pub(crate) gaps_told: u64,
    /// Frames that a client should have had, and nobody said so.
    pub(crate) silent: u64,
    /// Frames that a client got again, or that differ from another client's at the same place.
    pub(crate) twice: u64,
    /// The first things that were wrong.
    pub(crate) complaints: Vec<String>,
}

impl Verdict {
    /// True where nothing is to be explained away.
    pub(crate) fn is_clean(&self) -> bool {
        [self.lost, self.double] == [0, 0]
            && [self.refused, self.untold, self.told_twice, self.silent, self.twice] == [0; 5]
    }

    fn complain(&mut self, complaint: String) {
        if self.complaints.len() < 20 {
            self.complaints.push(complaint);
        }
    }
}

/// Judges.
pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let Evidence { truth, counted, kept, tracks } = evidence;
    let mut verdict = Verdict { acknowledged: truth.acknowledged, refused: truth.refused, ..Verdict::default() };
    count(&mut verdict, truth, counted);
    tell(&mut verdict, truth, kept);
    let mut said: BTreeMap<(&str, &str, u64), u64> = BTreeMap::new();
    for (room, track) in tracks {
        verdict.received += track.events.len() as u64;
        verdict.repaired += track.repaired;
        verdict.gaps_told += track.told;
        verdict.silent += track.silent;
        verdict.twice += track.twice;
        for complaint in &track.complaints {
            verdict.complain(format!("{room}: {complaint}"));
        }
        for ((epoch, offset), fingerprint) in &track.events {
            let first = said.entry((room, epoch, *offset)).or_insert(*fingerprint);
            if first != fingerprint {
                verdict.twice += 1;
                verdict.complain(format!("{room}: two clients got different frames at {epoch}:{offset}"));
            }
        }
        if let Some(kept) = kept.get(room) {
            compare(&mut verdict, room, track, kept);
        }
    }
    verdict
}

fn count(verdict: &mut Verdict, truth: &Truth, counted: &BTreeMap<String, Counts>) {
    for (campaign, expected) in &truth.counts {
        let found = counted.get(campaign).copied().unwrap_or_default();
        for (name, (expected, found)) in super::truth::COUNTERS.iter().zip(expected.iter().zip(found)) {
            verdict.counted += found;
            verdict.lost += (expected - found).max(0);
            verdict.double += (found - expected).max(0);
            if *expected != found {
                verdict.complain(format!("{campaign}: {name} is {found} and should be {expected}"));
            }
        }
    }
}

/// Every fact must have been published once.
fn tell(verdict: &mut Verdict, truth: &Truth, kept: &BTreeMap<String, Kept>) {
    let titles = truth.notifications.iter().map(|title| (title.clone(), "".into())).collect::<BTreeSet<Fact>>();
    let rooms = truth.facts.iter().map(|(campaign, facts)| (format!("calls:{campaign}"), facts));
    for (room, facts) in rooms.chain([("notifications".to_owned(), &titles)]) {
        let Some(kept) = kept.get(&room) else { continue };
        verdict.published += kept.events.len() as u64;
        for ((what, at), times) in kept.facts.iter().filter(|(_, times)| **times > 1) {
            verdict.told_twice += times - 1;
            verdict.complain(format!("{room}: {what} {at} was published {times} times"));
        }
        if kept.trimmed == 0 {
            for (what, at) in facts.iter().filter(|fact| !kept.facts.contains_key(fact)) {
                verdict.untold += 1;
                verdict.complain(format!("{room}: {what} {at} was never published"));
            }
        }
    }
}

/// What a client got of a room's present epoch, against what the room has.
fn compare(verdict: &mut Verdict, room: &str, track: &Track, kept: &Kept) {
    for span in track.spans.iter().filter(|span| span.epoch == kept.epoch) {
        let from = span.from.max(kept.trimmed);
        let got = |offset: &u64| track.events.contains_key(&(span.epoch.clone(), *offset));
        if from < span.to {
            let missing = kept.events.range(from + 1..=span.to).filter(|offset| !got(offset)).count() as u64;
            let unexplained = missing.saturating_sub(span.skipped);
            if unexplained > 0 {
                verdict.silent += unexplained;
                verdict.complain(format!("{room}: {unexplained} events between {from} and {} are missing", span.to));
            }
        }
    }
    let phantoms = track.events.keys().filter(|(epoch, offset)| {
        *epoch == kept.epoch && *offset > kept.trimmed && *offset <= kept.head && !kept.events.contains(offset)
    });
    let phantoms = phantoms.count() as u64;
    if phantoms > 0 {
        verdict.twice += phantoms;
        verdict.complain(format!("{room}: {phantoms} frames were received that the room does not have"));
    }
    let behind = match track.place() {
        Some(span) if span.epoch == kept.epoch => {
            kept.events.range(span.to + 1..).filter(|at| **at <= kept.head).count()
        }
        _ => kept.events.len().min(1),
    };
    if behind > 0 {
        verdict.silent += behind as u64;
        let place = track.cursor().unwrap_or_else(|| "nowhere".to_owned());
        verdict.complain(format!("{room}: a client stayed at {place}, the room is at {}:{}", kept.epoch, kept.head));
    }
}

#[cfg(test)]
mod tests {
    use ringside_model::Timestamp;
    use serde_json::{Value, json};

    use super::super::truth::MadeUpCall;
    use super::*;

    /// One busy call, published in two frames, and a client that got both.
    fn clean() -> Evidence {
        let mut evidence = Evidence::default();
        let mut call = MadeUpCall::new("alpha", 0, 0);
        let mut kept = Kept { epoch: "a".into(), head: 2, ..Kept::default() };
        let mut track = Track::default();
        track.take(&frame("initial", 0, Value::Null), 0);
        for offset in 1..=2 {
            let event = call.next(Timestamp::from_millis(offset as i64 * 100)).unwrap();
            let fact = (event["callId"].as_str().unwrap().into(), event["at"].as_str().unwrap().into());
            kept.facts.insert(fact, 1);
            kept.events.insert(offset);
            track.take(&frame("call_event", offset, event.clone()), 0);
            evidence.truth.acknowledge(&[event]);
        }
        evidence.counted.insert("alpha".to_owned(), [1, 1, 0, 1, 0, 0]);
        evidence.kept.insert("calls:alpha".to_owned(), kept);
        evidence.tracks.push(("calls:alpha".to_owned(), track));
        evidence
    }

    fn frame(kind: &str, offset: u64, said: Value) -> Value {
        let cursor = format!("a:{offset}");
        let mut frame = json!({"type": kind, "cursor": cursor, "timestamp": "1970-01-01T00:00:02.000Z"});
        frame["said"] = said;
        frame
    }

    fn kept(evidence: &mut Evidence) -> &mut Kept {
        evidence.kept.get_mut("calls:alpha").unwrap()
    }

    #[test]
    fn a_clean_run_is_clean() {
        let verdict = judge(&clean());
        assert!(verdict.is_clean(), "{verdict:?}");
        assert_eq!((verdict.acknowledged, verdict.counted, verdict.published, verdict.received), (2, 3, 2, 2));
    }

    #[test]
    fn a_lost_and_a_doubled_event_are_found() {
        let mut evidence = clean();
        evidence.counted.insert("alpha".to_owned(), [1, 0, 0, 2, 0, 0]);
        let verdict = judge(&evidence);
        assert_eq!((verdict.lost, verdict.double, verdict.is_clean()), (1, 1, false));
        evidence.counted.clear();
        assert_eq!(judge(&evidence).lost, 3, "a campaign that nobody knows has lost everything");
    }

    #[test]
    fn an_event_that_was_never_or_twice_published_is_found() {
        let mut evidence = clean();
        let fact = kept(&mut evidence).facts.pop_first().unwrap().0;
        assert_eq!(judge(&evidence).untold, 1);
        kept(&mut evidence).facts.insert(fact, 2);
        let verdict = judge(&evidence);
        assert_eq!((verdict.untold, verdict.told_twice, verdict.is_clean()), (0, 1, false));
    }

    #[test]
    fn an_event_that_the_room_has_and_the_client_does_not_is_lost_silently() {
        let mut evidence = clean();
        evidence.tracks[0].1.events.pop_first();
        let verdict = judge(&evidence);
        assert_eq!((verdict.silent, verdict.is_clean()), (1, false));
        evidence.tracks[0].1.spans[0].skipped = 1;
        assert!(judge(&evidence).is_clean(), "unless it was told");
    }

    #[test]
    fn a_client_that_stays_behind_is_a_silent_loss() {
        let mut evidence = clean();
        kept(&mut evidence).events.insert(3);
        kept(&mut evidence).head = 3;
        assert_eq!(judge(&evidence).silent, 1);
        kept(&mut evidence).epoch = "b".into();
        assert_eq!(judge(&evidence).silent, 1, "so is one that stays in an epoch that is over");
    }

    #[test]
    fn frames_that_the_room_does_not_have_or_that_differ_are_found() {
        let mut evidence = clean();
        kept(&mut evidence).events.remove(&2);
        assert_eq!(judge(&evidence).twice, 1);
        let mut evidence = clean();
        let mut other = Track::default();
        other.take(&frame("initial", 1, Value::Null), 0);
        other.take(&frame("call_event", 2, json!("something else")), 0);
        evidence.tracks.push(("calls:alpha".to_owned(), other));
        assert_eq!(judge(&evidence).twice, 1);
    }
}
