//! Who is connected: a line for each connection, for as long as it is there.
//!
//! A line holds what never changes. What does change (rooms, cursors, the queue) stays where it is, with the connection, and
//! is asked for only when an admin looks: so no frame costs anything more, and a line is small.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, Weak};

use ringside_access::Viewer;
use ringside_model::{Cursor, Room, TenantId, Timestamp};

/// What a connection is doing at this moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// What waits to be written.
    pub(crate) queued_bytes: usize,
    /// How far apart it is written to, because it is slow; or `full`.
    pub(crate) pace: &'static str,
    pub(crate) rooms: Vec<RoomLook>,
}

/// Where a connection is in one of its rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoomLook {
    pub(crate) room: Room,
    /// The place of the last frame that it was sent.
    pub(crate) sent: Option<Cursor>,
    /// The last place that the client surely has: it has named it, or answered a ping that came after it.
    pub(crate) acked: Option<Cursor>,
}

/// A connection that can be looked at.
pub(crate) trait Watched: Send + Sync {
    /// What it is doing; none where it is too busy to say. Never waits.
    fn look(&self) -> Option<Look>;

    /// What waits to be written; asked of all connections at each scrape.
    fn queued_bytes(&self) -> usize {
        self.look().map_or(0, |look| look.queued_bytes)
    }
}

/// All connections of this gateway.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Short and never across an await.
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    /// By number, which is the order in which they came.
    by_id: BTreeMap<u64, Line>,
    last: u64,
}

/// One connection.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) viewer: Arc<Viewer>,
    pub(crate) connected_at: Timestamp,
    pub(crate) address: Option<IpAddr>,
    pub(crate) transport: &'static str,
    watched: Weak<dyn Watched>,
}

impl Line {
    /// What it is doing; none where it is too busy to say, or has just gone.
    pub(crate) fn look(&self) -> Option<Look> {
        self.watched.upgrade()?.look()
    }
}

/// A place in the ledger, for as long as it is held.
pub(crate) struct Entry {
    ledger: Arc<Ledger>,
    id: u64,
}

impl Ledger {
    /// Writes somebody down who has connected.
    pub(crate) fn enter(
        self: &Arc<Self>,
        transport: &'static str,
        viewer: &Arc<Viewer>,
        address: Option<IpAddr>,
        watched: Weak<dyn Watched>,
    ) -> Entry {
        let line = Line { viewer: viewer.clone(), connected_at: Timestamp::now(), address, transport, watched };
        let mut lines = self.lines.lock().expect("nobody panics in the ledger");
        lines.last += 1;
        let id = lines.last;
        lines.by_id.insert(id, line);
        Entry { ledger: self.clone(), id }
    }

    /// A tenant's connections, by number.
    pub(crate) fn of(&self, tenant: &TenantId) -> Vec<(u64, Line)> {
        let lines = self.lines.lock().expect("nobody panics in the ledger");
        lines
            .by_id
            .iter()
            .filter(|(_, line)| line.viewer.tenant == *tenant)
            .map(|(id, line)| (*id, line.clone()))
            .collect()
    }

    /// What waits to be written: of all connections, and of the one that has most.
    pub(crate) fn queued_bytes(&self) -> (usize, usize) {
        let watched: Vec<Weak<dyn Watched>> = {
            let lines = self.lines.lock().expect("nobody panics in the ledger");
            lines.by_id.values().map(|line| line.watched.clone()).collect()
        };
        let queued = watched.iter().filter_map(Weak::upgrade).map(|watched| watched.queued_bytes());
        queued.fold((0, 0), |(sum, most), bytes| (sum + bytes, most.max(bytes)))
    }
}

impl Entry {
    /// Its number.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.ledger.lines.lock().expect("nobody panics in the ledger").by_id.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ringside_access::{Role, Scope};

    use super::*;

    struct Busy(usize);

    impl Watched for Busy {
        fn look(&self) -> Option<Look> {
            (self.0 > 0).then(|| Look { queued_bytes: self.0, ..Look::default() })
        }
    }

    fn viewer(tenant: &str) -> Arc<Viewer> {
        Arc::new(Viewer {
            user: "ann".to_owned(),
            tenant: TenantId::parse(tenant).unwrap(),
            role: Role::Admin,
            scope: Scope::Only(BTreeSet::new()),
            page: None,
            expires_at: Timestamp::from_millis(0),
            session_id: String::new(),
            issued_at: Timestamp::from_millis(0),
        })
    }

    #[test]
    fn a_line_is_there_for_as_long_as_its_connection_and_seen_by_its_own_tenant() {
        let ledger = Arc::new(Ledger::default());
        let connections: Vec<Arc<dyn Watched>> = [0, 3, 5].map(|bytes| Arc::new(Busy(bytes)) as _).into();
        let entries: Vec<Entry> = ["acme", "other", "acme"]
            .iter()
            .zip(&connections)
            .map(|(tenant, watched)| ledger.enter("sse", &viewer(tenant), None, Arc::downgrade(watched)))
            .collect();
        let ids = || ledger.of(&viewer("acme").tenant).iter().map(|(id, _)| *id).collect::<Vec<_>>();
        assert_eq!(ids(), [1, 3]);
        assert_eq!(ledger.queued_bytes(), (8, 5));
        let looks: Vec<_> = ledger.of(&viewer("acme").tenant).iter().map(|(_, line)| line.look()).collect();
        assert_eq!(looks, [None, Some(Look { queued_bytes: 5, ..Look::default() })], "who is busy is not waited for");
        drop(connections);
        assert!(ledger.of(&viewer("acme").tenant).iter().all(|(_, line)| line.look().is_none()));
        assert_eq!(ledger.queued_bytes(), (0, 0));
        drop(entries);
        assert!(ids().is_empty());
    }

    #[test]
    fn a_line_is_small() {
        // In a tree whose nodes may be half empty.
        let line = 2 * (size_of::<u64>() + size_of::<Line>());
        assert!(line + size_of::<Entry>() <= 200, "{line}");
    }
}
