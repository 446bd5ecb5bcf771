//! The two moments in the life of a connection's token: when its client is told to get another one, and when it is too late.

use std::time::Duration;

use ringside_access::Viewer;
use ringside_model::Timestamp;

/// The end is announced when so much of the token's life is over: of a quarter of an hour, three minutes are left.
const ANNOUNCED_AT: f64 = 0.8;

/// How long until the client is told.
pub(crate) fn until_announced(viewer: &Viewer, now: Timestamp) -> Duration {
    let life_ms = viewer.expires_at.since(viewer.issued_at).max(0) as f64;
    let left_ms = viewer.expires_at.since(now) as f64 - life_ms * (1.0 - ANNOUNCED_AT);
    Duration::from_millis(left_ms.max(0.0) as u64)
}

/// How long until the connection ends: `grace` after its token, for a client whose new one is on its way.
pub(crate) fn until_over(viewer: &Viewer, grace: Duration, now: Timestamp) -> Duration {
    Duration::from_millis((viewer.expires_at.since(now) + grace.as_millis() as i64).max(0) as u64)
}

#[cfg(test)]
mod tests {
    use ringside_access::{Role, Scope};
    use ringside_model::TenantId;

    use super::*;

    #[test]
    fn a_client_is_told_at_four_fifths_and_has_some_seconds_after_the_end() {
        let at = |secs: i64| Timestamp::from_millis(1_763_640_000_000 + secs * 1000);
        let viewer = Viewer {
            user: "ann".to_owned(),
            tenant: TenantId::parse("acme").unwrap(),
            role: Role::Viewer,
            scope: Scope::All,
            page: None,
            expires_at: at(900),
            session_id: String::new(),
            issued_at: at(0),
        };
        let grace = Duration::from_secs(25);
        for (now, told, over) in [(0, 720, 925), (700, 20, 225), (720, 0, 205), (900, 0, 25), (924, 0, 1), (925, 0, 0)]
        {
            assert_eq!(until_announced(&viewer, at(now)).as_secs(), told, "{now}");
            assert_eq!(until_over(&viewer, grace, at(now)).as_secs(), over, "{now}");
        }
    }
}
