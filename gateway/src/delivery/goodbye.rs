//! How connections are told to go elsewhere: a few at a time, so that the gateways they go to are not stormed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Goodbyes are said in steps.
const STEP: Duration = Duration::from_millis(100);
/// So many a step are no storm, however long the drain may take.
const EACH_STEP_AT_LEAST: usize = 10;
/// Those who were told come back after so long, each at a time of its own.
const RETRY_MS: std::ops::Range<u64> = 250..2_500;

/// Whose turn it is to go.
#[derive(Default)]
pub(crate) struct Goodbye {
    plan: OnceLock<Plan>,
    begun: CancellationToken,
    turns: AtomicUsize,
}

#[derive(Debug)]
struct Plan {
    began: Instant,
    each_step: usize,
}

impl Plan {
    fn of(connections: usize, over: Duration) -> Self {
        let steps = (over.as_millis() / STEP.as_millis()).max(1) as usize;
        Self { began: Instant::now(), each_step: connections.div_ceil(steps).max(EACH_STEP_AT_LEAST) }
    }

    /// When the `n`th who asks has to go.
    fn turn(&self, n: usize) -> Instant {
        self.began + STEP * u32::try_from(n / self.each_step).unwrap_or(u32::MAX)
    }
}

impl Goodbye {
    /// Begins to say goodbye to so many connections, spread over about this time.
    pub(crate) fn begin(&self, connections: usize, over: Duration) {
        // A second drain goes by the plan of the first.
        let _ = self.plan.set(Plan::of(connections, over));
        self.begun.cancel();
    }

    /// True once who comes is sent elsewhere.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Returns once goodbyes are being said.
    pub(crate) async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Returns once it is the turn of the one who keeps `turn`; it may be asked again and again.
    pub(crate) async fn turn(&self, turn: &mut Option<Instant>) {
        self.begun.cancelled().await;
        let plan = self.plan.get().expect("a plan is made before it begins");
        let at = *turn.get_or_insert_with(|| plan.turn(self.turns.fetch_add(1, Ordering::Relaxed)));
        tokio::time::sleep_until(at).await;
    }

    /// When one of those who are told may come back.
    pub(crate) fn retry_ms() -> u64 {
        rand::random_range(RETRY_MS)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn leavers(connections: usize, over: Duration) -> BTreeMap<u128, usize> {
        let plan = Plan::of(connections, over);
        let mut steps = BTreeMap::new();
        for n in 0..connections {
            *steps.entry((plan.turn(n) - plan.began).as_millis()).or_default() += 1;
        }
        steps
    }

    #[test]
    fn many_leave_evenly_and_a_few_at_once() {
        assert_eq!(leavers(10_000, Duration::from_secs(5)), (0..50).map(|step| (step * 100, 200)).collect());
        assert_eq!(leavers(10, Duration::from_secs(5)), BTreeMap::from([(0, 10)]));
        assert_eq!(leavers(25, Duration::ZERO), BTreeMap::from([(0, 25)]));
    }

    #[test]
    fn those_who_leave_are_all_let_in_elsewhere() {
        use ringside_pacing::{Bucket, Rate};
        // As the operator is told to: at least 1 ms for each connection.
        for (connections, secs) in [(10_000, 20), (10_000, 10), (2_000, 2), (60_000, 60)] {
            let plan = Plan::of(connections, Duration::from_secs(secs));
            let mut comes: Vec<_> =
                (0..connections).map(|n| plan.turn(n) + Duration::from_millis(Goodbye::retry_ms())).collect();
            comes.sort_unstable();
            let (rate, mut bucket) = (Rate::per_second(2_000), Bucket::new(plan.began.into_std()));
            let refused = comes.iter().filter(|at| bucket.take(&rate, at.into_std()).is_err()).count();
            assert_eq!(refused, 0, "of {connections} over {secs} s");
        }
    }

    #[tokio::test]
    async fn a_turn_is_kept_however_often_it_is_asked_for() {
        let goodbye = Goodbye::default();
        assert!(!goodbye.has_begun());
        goodbye.begin(100, Duration::from_secs(1));
        let mut turns = [None; EACH_STEP_AT_LEAST + 1];
        for _ in 0..3 {
            for turn in &mut turns {
                // Whoever is busy until then asks anew each time.
                let _ = tokio::time::timeout(Duration::ZERO, goodbye.turn(turn)).await;
            }
        }
        let first = turns[0].expect("it has asked");
        assert!(turns[..EACH_STEP_AT_LEAST].iter().all(|turn| *turn == Some(first)));
        assert_eq!(turns[EACH_STEP_AT_LEAST], Some(first + STEP));
        goodbye.turn(&mut turns[EACH_STEP_AT_LEAST]).await;
        assert!(Instant::now() >= first + STEP && goodbye.has_begun());
    }
}
