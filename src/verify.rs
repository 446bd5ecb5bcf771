//! `ringside verify`: is what is stored consistent with itself?
//!
//! Each partition is read the way its next owner would: checkpoint, fold, log; then its rooms the way a gateway would.
//! Only the engine's contract is used, so it looks at a data folder and at a Redis alike, and it writes nothing. On a
//! running installation things move while they are read; what moved is looked at again and never called damage.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

use anyhow::bail;
use ringside_collector::fold::{Fold, FoldSettings};
use ringside_engine::{Checkpoint, Engine, EngineError, Lane, Partition, Position, ReadFrom, RoomId, RoomView};
use ringside_model::{CampaignId, Counter, Counters, Outcome, Room, TenantId};
use ringside_wire::{CampaignBody, Record};

use crate::config::Config;
use crate::engine::open_engine;
use crate::rules::fold_settings;

/// Entries or frames in one reading.
const PAGE: usize = 1_000;
/// A partition that moves under our eyes is looked at so often.
const LOOKS: usize = 5;

const REBUILD: &str = "stop its owner, restore the data from a backup, and replay the sources since then";
const REPORT: &str = "this is a defect of Ringside: keep a copy of the data and report it";
const RESET_ROOM: &str = "clients see what the room has; totals are not concerned";

/// The checks that were made, and the faults they found.
#[derive(Debug, Default)]
struct Report {
    partitions: usize,
    entries: u64,
    records_behind: u64,
    campaigns: usize,
    closed_calls: usize,
    rooms: usize,
    frames: u64,
    findings: Vec<Finding>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    subject: String,
    wrong: String,
    remedy: &'static str,
}

impl Report {
    fn find(&mut self, subject: impl Into<String>, wrong: impl Into<String>, remedy: &'static str) {
        self.findings.push(Finding { subject: subject.into(), wrong: wrong.into(), remedy });
    }
}

/// Looks at the installation that the configuration names; an error where anything is wrong with it.
pub(crate) async fn run(config: &Config) -> anyhow::Result<()> {
    let settings = Arc::new(fold_settings(config)?);
    let engine = open_engine(config).await?;
    let report = verify(engine.as_ref(), &settings).await?;
    // It was only read from.
    let _ = engine.close().await;
    let mut out = std::io::stdout();
    let Report { partitions, entries, records_behind, campaigns, closed_calls, rooms, frames, findings } = &report;
    writeln!(out, "{partitions} partitions in use, {entries} values of state")?;
    writeln!(out, "{records_behind} records of the log wait for their owners")?;
    writeln!(out, "{campaigns} campaigns, {closed_calls} closed calls remembered")?;
    writeln!(out, "{rooms} rooms with {frames} events of history")?;
    for Finding { subject, wrong, remedy } in findings {
        writeln!(out, "{subject}: {wrong}\n  what to do: {remedy}")?;
    }
    if !findings.is_empty() {
        bail!("{} of the things looked at do not agree", findings.len());
    }
    writeln!(out, "Everything agrees.")?;
    Ok(())
}

async fn verify(engine: &dyn Engine, settings: &Arc<FoldSettings>) -> Result<Report, EngineError> {
    let mut report = Report::default();
    let mut found: BTreeMap<TenantId, BTreeSet<CampaignId>> = BTreeMap::new();
    for partition in engine.used_partitions().await? {
        report.partitions += 1;
        let name = format!("partition {}", partition.0);
        let Some((checkpoint, fold)) = check_partition(engine, partition, settings, &mut report).await? else {
            continue;
        };
        let campaigns: Vec<(TenantId, CampaignId)> =
            fold.campaigns().map(|(tenant, id)| (tenant.clone(), id.clone())).collect();
        let mut rooms: Vec<RoomId> = Vec::new();
        for (tenant, id) in &campaigns {
            report.campaigns += 1;
            let metrics = fold.campaign_metrics(tenant, id).expect("it was named a line ago");
            for wrong in sums(&metrics.totals) {
                report.find(format!("campaign {id} of {tenant}"), wrong, REPORT);
            }
            rooms.extend(
                [Room::Campaign(id.clone()), Room::Calls(id.clone())].map(|room| RoomId::new(tenant.clone(), room)),
            );
            found.entry(tenant.clone()).or_default().insert(id.clone());
        }
        report.closed_calls += fold.call_counts().0;
        for tenant in fold.tenants().filter(|tenant| Partition::of(tenant, None, engine.partitions()) == partition) {
            let own = [Room::Alerts, Room::Notifications, Room::Metrics, Room::System, Room::Directory];
            rooms.extend(own.map(|room| RoomId::new(tenant.clone(), room)));
        }
        for room in rooms {
            check_room(engine, &room, &checkpoint, &fold, &mut report).await?;
        }
        if checkpoint.published < checkpoint.position {
            let wrong = format!("it is published up to {}, behind its state", checkpoint.published.0);
            report.find(&name, wrong, REPORT);
        }
    }
    // A word from one partition to another may be on its way; only where none is must the directories be complete. They
    // are read last, so that they can't be older than the campaigns.
    if report.records_behind == 0 {
        for (tenant, campaigns) in &found {
            let Some(listed) = directory(engine, tenant, settings).await? else { continue };
            for id in campaigns.difference(&listed) {
                report.find(format!("tenant {tenant}"), format!("its directory does not list campaign {id}"), REPORT);
            }
        }
    }
    Ok(report)
}

/// The campaigns that a tenant's directory lists; nothing where more is on its way there, or its state can't be read.
async fn directory(
    engine: &dyn Engine,
    tenant: &TenantId,
    settings: &Arc<FoldSettings>,
) -> Result<Option<BTreeSet<CampaignId>>, EngineError> {
    let home = Partition::of(tenant, None, engine.partitions());
    let mut scratch = Report::default();
    let Some((_, fold)) = check_partition(engine, home, settings, &mut scratch).await? else { return Ok(None) };
    let is_complete = scratch.records_behind == 0;
    Ok(is_complete.then(|| fold.directory(tenant).into_iter().map(|(id, _, _)| id).collect()))
}

/// Checkpoint, fold and log of one partition; nothing where its state can't be read.
async fn check_partition(
    engine: &dyn Engine,
    partition: Partition,
    settings: &Arc<FoldSettings>,
    report: &mut Report,
) -> Result<Option<(Checkpoint, Fold)>, EngineError> {
    let name = format!("partition {}", partition.0);
    for look in 1..=LOOKS {
        let checkpoint = match engine.load(partition).await {
            Ok(checkpoint) => checkpoint,
            Err(EngineError::Damaged(what)) => {
                report.find(&name, format!("its checkpoint can't be read: {what}"), REBUILD);
                return Ok(None);
            }
            Err(other) => return Err(other),
        };
        let log = match read_log(engine, partition, checkpoint.position).await {
            Ok(log) => log,
            Err(EngineError::Damaged(what)) => {
                report.find(&name, format!("its log can't be read: {what}"), REBUILD);
                return Ok(None);
            }
            Err(other) => return Err(other),
        };
        let moved = engine.load(partition).await?.position != checkpoint.position;
        if moved && look < LOOKS {
            continue;
        }
        if !moved {
            for wrong in &log.wrong {
                report.find(&name, wrong.clone(), REBUILD);
            }
            if log.head < checkpoint.published {
                let wrong = format!("published up to {}, but the log ends at {}", checkpoint.published.0, log.head.0);
                report.find(&name, wrong, REBUILD);
            }
        }
        report.entries += checkpoint.entries.len() as u64;
        report.records_behind += log.events;
        return match Fold::restore(settings.clone(), &checkpoint.entries) {
            Ok(fold) => Ok(Some((checkpoint, fold))),
            Err(damaged) => {
                report.find(&name, damaged.to_string(), REBUILD);
                Ok(None)
            }
        };
    }
    unreachable!("the last look is final")
}

/// The log after a checkpoint.
struct LogAfter {
    head: Position,
    /// Events, without ticks.
    events: u64,
    wrong: Vec<String>,
}

async fn read_log(engine: &dyn Engine, partition: Partition, after: Position) -> Result<LogAfter, EngineError> {
    let mut log = LogAfter { head: after, events: 0, wrong: Vec::new() };
    loop {
        let page = engine.read_log(partition, log.head, PAGE).await?;
        let is_last = page.len() < PAGE;
        for entry in page {
            if entry.position.0 != log.head.0 + 1 {
                log.wrong.push(format!("its log goes on at {} after {}", entry.position.0, log.head.0));
            }
            log.head = entry.position;
            match Record::decode(&entry.record) {
                Ok(Record::Event(_)) => log.events += 1,
                Ok(Record::Tick(_)) => {}
                Err(bad) => log.wrong.push(format!("at {}: {bad}", entry.position.0)),
            }
        }
        if is_last {
            return Ok(log);
        }
    }
}

/// What must add up: outcomes are disjoint, and every ended call has one.
fn sums(totals: &Counters) -> Vec<String> {
    let mut wrong = Vec::new();
    let ended = totals[Counter::Completed] + totals[Counter::Lost];
    let outcomes: i64 = Outcome::ALL.iter().map(|outcome| totals.outcome(*outcome)).sum();
    if outcomes != ended {
        wrong.push(format!("its outcomes sum to {outcomes}, and {ended} calls are completed or lost"));
    }
    let results = [Counter::Answered, Counter::Busy, Counter::NoAnswer, Counter::Canceled, Counter::Failed];
    let results: i64 = results.into_iter().map(|result| totals[result]).sum();
    if results < totals[Counter::Completed] {
        wrong.push(format!("its results sum to {results}, and {} calls are completed", totals[Counter::Completed]));
    }
    if let Some(below) = Counter::ALL.iter().find(|counter| totals[**counter] < 0) {
        wrong.push(format!("its {below:?} is {}", totals[*below]));
    }
    wrong
}

/// A room's whole history.
async fn check_room(
    engine: &dyn Engine,
    room: &RoomId,
    checkpoint: &Checkpoint,
    fold: &Fold,
    report: &mut Report,
) -> Result<(), EngineError> {
    report.rooms += 1;
    let subject = format!("room {}", room.room);
    let mut after = 0;
    loop {
        let view = match engine.read_room(room, ReadFrom::After { offset: after, limit: PAGE }).await {
            Ok(view) => view,
            Err(EngineError::Damaged(what)) => {
                report.find(&subject, format!("it can't be read: {what}"), RESET_ROOM);
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        for wrong in check_view(&view, after) {
            report.find(&subject, wrong, RESET_ROOM);
        }
        report.frames += view.events.len() as u64;
        let last = view.events.last().map(|event| event.offset);
        if after == 0
            && let Some(wrong) = check_state(room, &view, checkpoint, fold)
            && engine.load(room.home(engine.partitions())).await? == *checkpoint
        {
            report.find(&subject, wrong, REPORT);
        }
        match last {
            Some(last) if view.more && last > after => after = last,
            _ => return Ok(()),
        }
    }
}

/// What must be so within one reading of a room.
fn check_view(view: &RoomView, after: u64) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut reached = after.max(view.trimmed);
    for event in &view.events {
        if event.offset <= reached {
            wrong.push(format!("event {} comes after {reached}", event.offset));
        }
        if event.offset > view.head {
            wrong.push(format!("event {} is beyond the newest publication {}", event.offset, view.head));
        }
        if event.lane != Lane::Event || event.epoch != view.epoch {
            wrong.push(format!("event {} is of another epoch or no event", event.offset));
        }
        reached = reached.max(event.offset);
    }
    if let Some(state) = view.state.as_ref().filter(|state| state.offset > view.head) {
        wrong.push(format!("its state {} is beyond the newest publication {}", state.offset, view.head));
    }
    let newest = view.state.as_ref().map_or(0, |state| state.offset).max(reached);
    if !view.more && newest < view.head {
        wrong.push(format!("its newest publication {} is neither its state nor an event", view.head));
    }
    let bodies = view.events.iter().chain(&view.state).map(|frame| (frame.offset, &frame.body));
    for (offset, body) in bodies.chain(view.snapshot.iter().map(|snapshot| (view.head, snapshot))) {
        if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).is_err() {
            wrong.push(format!("what was published at {offset} is no JSON object"));
        }
    }
    wrong
}

/// A campaign's published numbers must add up, and be its state's where all that was published is in the state.
fn check_state(room: &RoomId, view: &RoomView, checkpoint: &Checkpoint, fold: &Fold) -> Option<String> {
    let Room::Campaign(id) = &room.room else { return None };
    let body: CampaignBody = serde_json::from_slice(&view.state.as_ref()?.body).ok()?;
    let published = body.campaign.to_model()?;
    if let Some(wrong) = sums(&published.totals).into_iter().next() {
        return Some(format!("as published: {wrong}"));
    }
    let totals = fold.campaign_metrics(&room.tenant, id)?.totals;
    let same = published.totals == totals || checkpoint.published != checkpoint.position;
    (!same).then(|| "its published totals are not those of its state".to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use bytes::Bytes;
    use ringside_engine::embedded::{Embedded, EmbeddedSettings};
    use ringside_engine::{Batch, EventLog, Leases, PartitionState, Publication, RoomFrame, Rooms, Token};
    use ringside_model::{CampaignMetrics, Epoch, Timestamp};
    use ringside_wire::{CampaignJson, body_bytes};
    use tempfile::TempDir;

    use super::*;

    const HOME: Partition = Partition(0);

    struct Store {
        engine: Embedded,
        token: Token,
        _folder: TempDir,
    }

    impl Store {
        /// One partition, with nothing in it.
        async fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let settings = EmbeddedSettings { partitions: 1, ..EmbeddedSettings::default() };
            let engine = Embedded::open(Path::new(folder.path()), settings).unwrap();
            let token = engine.acquire(HOME, "the test", Duration::from_secs(60)).await.unwrap().unwrap();
            Self { engine, token, _folder: folder }
        }

        /// With a tick in its log, folded and published.
        async fn folded() -> Self {
            let store = Self::new().await;
            store.append(Record::Tick(Timestamp::from_millis(1_000)).encode()).await;
            store.publish(1, Vec::new()).await;
            store.commit(1, "default/oddities", Vec::new()).await;
            store
        }

        async fn append(&self, record: Bytes) {
            self.engine.append(vec![(HOME, record)]).await.unwrap();
        }

        async fn commit(&self, position: u64, key: &str, value: Vec<u8>) {
            let puts = if value.is_empty() { Vec::new() } else { vec![(key.into(), value.into())] };
            self.engine.commit(self.token, Position(position), puts, Vec::new()).await.unwrap();
        }

        async fn publish(&self, position: u64, publications: Vec<Publication>) {
            let expected_seq = self.engine.load(HOME).await.unwrap().seq;
            let batch = Batch { expected_seq, position: Position(position), publications };
            self.engine.publish(self.token, batch).await.unwrap();
        }

        async fn findings(&self) -> String {
            let report = verify(&self.engine, &Arc::new(FoldSettings::default())).await.unwrap();
            report.findings.iter().map(|finding| format!("{}: {}\n", finding.subject, finding.wrong)).collect()
        }
    }

    #[tokio::test]
    async fn what_is_well_is_called_well() {
        assert_eq!(Store::new().await.findings().await, "");
        assert_eq!(Store::folded().await.findings().await, "");
    }

    #[tokio::test]
    async fn state_that_the_fold_can_not_read_is_found() {
        let store = Store::folded().await;
        store.commit(1, "default/c/alpha/head", b"\xff\xff\xff".to_vec()).await;
        let findings = store.findings().await;
        assert!(findings.contains("default/c/alpha/head can't be read"), "{findings}");
    }

    #[tokio::test]
    async fn a_record_that_is_none_is_found() {
        let store = Store::folded().await;
        store.append(Bytes::from_static(b"{\"nonsense\":1}")).await;
        let findings = store.findings().await;
        assert!(findings.starts_with("partition 0: at 2: a record of the log can't be read"), "{findings}");
    }

    #[tokio::test]
    async fn what_is_published_and_not_in_the_log_is_found() {
        let store = Store::folded().await;
        store.publish(7, Vec::new()).await;
        assert_eq!(store.findings().await, "partition 0: published up to 7, but the log ends at 1\n");
    }

    #[test]
    fn sums_that_do_not_add_up_are_found() {
        let mut totals = Counters::default();
        assert_eq!(sums(&totals), Vec::<String>::new());
        totals[Counter::Completed] = 1;
        totals[Counter::Busy] = 1;
        assert_eq!(sums(&totals), ["its outcomes sum to 0, and 1 calls are completed or lost"]);
        totals[Counter::of_outcome(Outcome::Busy)] = 1;
        assert_eq!(sums(&totals), Vec::<String>::new());
        totals[Counter::Busy] = 0;
        assert_eq!(sums(&totals), ["its results sum to 0, and 1 calls are completed"]);
    }

    #[test]
    fn a_room_with_gaps_repeats_or_nonsense_is_found() {
        let room = RoomId::new(TenantId::parse("default").unwrap(), Room::Alerts);
        let frame = |offset, lane, body: &'static str| RoomFrame {
            room: room.clone(),
            epoch: Epoch(1),
            offset,
            lane,
            kind: "alert".into(),
            at: Timestamp::from_millis(0),
            body: Bytes::from_static(body.as_bytes()),
        };
        let view = |events: Vec<RoomFrame>, state: Option<RoomFrame>| RoomView {
            epoch: Epoch(1),
            head: 4,
            trimmed: 1,
            events,
            more: false,
            state,
            snapshot: None,
        };
        let event = |offset| frame(offset, Lane::Event, "{}");
        let well = view(vec![event(2), event(4)], Some(frame(3, Lane::State, "{}")));
        assert_eq!(check_view(&well, 0), Vec::<String>::new());
        let repeated = view(vec![event(2), event(2), event(4)], None);
        assert_eq!(check_view(&repeated, 0), ["event 2 comes after 2"]);
        let beyond = view(vec![event(4), event(5)], None);
        assert_eq!(check_view(&beyond, 0), ["event 5 is beyond the newest publication 4"]);
        let lost = view(vec![event(2)], Some(frame(3, Lane::State, "{}")));
        assert_eq!(check_view(&lost, 0), ["its newest publication 4 is neither its state nor an event"]);
        let nonsense = view(vec![frame(4, Lane::Event, "[]")], None);
        assert_eq!(check_view(&nonsense, 0), ["what was published at 4 is no JSON object"]);
    }

    #[test]
    fn published_totals_that_the_state_does_not_have_are_found() {
        let (tenant, id) = (TenantId::parse("default").unwrap(), CampaignId::parse("alpha").unwrap());
        let mut fold = Fold::new(Arc::new(FoldSettings::default()));
        let record = br#"{"tenant":"default","source":"s","received":1000,"event":{"id":"e","type":"call.dialing","at":"1970-01-01T00:00:01.000Z","campaign":"alpha","callId":"c"}}"#;
        let Ok(Record::Event(event)) = Record::decode(record) else { panic!("a record") };
        fold.apply(&event, &mut ringside_collector::fold::Changes::default());
        let room = RoomId::new(tenant, Room::Campaign(id.clone()));
        let mut metrics = CampaignMetrics::empty(id, Timestamp::from_millis(0));
        let view = |metrics: &CampaignMetrics| RoomView {
            epoch: Epoch(1),
            head: 1,
            trimmed: 0,
            events: Vec::new(),
            more: false,
            state: Some(RoomFrame {
                room: room.clone(),
                epoch: Epoch(1),
                offset: 1,
                lane: Lane::State,
                kind: "metrics_update".into(),
                at: Timestamp::from_millis(0),
                body: body_bytes(&CampaignBody { campaign: CampaignJson::from(metrics) }),
            }),
            snapshot: None,
        };
        let mut checkpoint = Checkpoint { position: Position(1), published: Position(1), seq: 1, entries: Vec::new() };
        let wrong = check_state(&room, &view(&metrics), &checkpoint, &fold);
        assert_eq!(wrong.as_deref(), Some("its published totals are not those of its state"));
        checkpoint.published = Position(2);
        assert_eq!(check_state(&room, &view(&metrics), &checkpoint, &fold), None, "more was published than is stored");
        metrics.totals[Counter::Completed] = 1;
        let wrong = check_state(&room, &view(&metrics), &checkpoint, &fold);
        assert!(wrong.is_some_and(|wrong| wrong.starts_with("as published: its outcomes sum to 0")));
    }
}
