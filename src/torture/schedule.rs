//! What goes wrong when: drawn from a seed, so that the same seed breaks the same things in the same order.

use std::fmt;

use clap::ValueEnum;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How Redis stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Topology {
    /// One server.
    Standalone,
    /// Three masters with a replica each.
    Cluster,
    /// A master and a replica, watched by three sentinels.
    Sentinel,
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standalone => "stand-alone",
            Self::Cluster => "cluster",
            Self::Sentinel => "sentinel",
        })
    }
}

/// Something that goes wrong. Numbers are taken modulo how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// kill -9, started again afterwards.
    KillCollector(usize),
    /// SIGSTOP, then SIGCONT: it comes back in the belief that nothing happened.
    PauseCollector(usize),
    /// SIGTERM, and a new one once it has ended.
    RestartCollector(usize),
    /// kill -9, started again afterwards.
    KillGateway(usize),
    /// SIGSTOP, then SIGCONT.
    PauseGateway(usize),
    /// SIGTERM, and a new one once it has ended.
    RestartGateway(usize),
    /// SIGSTOP for the Redis server, then SIGCONT.
    PauseRedis,
    /// SIGSTOP for the replica, then SIGCONT.
    PauseReplica,
    /// kill -9 for the Redis server, then started again from its append-only file.
    RestartRedis,
    /// The connections through one link to Redis are reset and refused for a while.
    CutLink(usize),
    /// One link takes bytes and delivers none.
    HoldLink(usize),
    /// One link delivers requests and no answers, then is cut: done, and nobody knows.
    LoseAnswers(usize),
    /// One link delivers everything late.
    SlowLink(usize),
    /// The slots of some partitions, from this one on, move to another master with their keys.
    MoveSlots(u16),
    /// A replica takes over from its living master.
    GracefulFailover(usize),
    /// A master is killed once its replica has what was acknowledged; the load is held at that instant.
    CrashFailover(usize),
}

impl Fault {
    /// True where a collector's partitions may have to be taken over.
    pub(crate) fn concerns_a_collector(self) -> bool {
        matches!(self, Self::KillCollector(_) | Self::PauseCollector(_) | Self::RestartCollector(_))
    }

    fn lasts_ms(self, dice: &mut ChaCha8Rng) -> u64 {
        match self {
            Self::KillCollector(_) | Self::KillGateway(_) | Self::RestartRedis => dice.random_range(200..3_000),
            // Longer than a lease.
            Self::PauseCollector(_) => dice.random_range(4_000..9_000),
            Self::PauseGateway(_) => dice.random_range(1_000..6_000),
            Self::PauseRedis | Self::PauseReplica => dice.random_range(500..4_000),
            Self::CutLink(_) | Self::HoldLink(_) | Self::SlowLink(_) => dice.random_range(500..6_000),
            Self::LoseAnswers(_) => dice.random_range(50..800),
            Self::RestartCollector(_)
            | Self::RestartGateway(_)
            | Self::MoveSlots(_)
            | Self::GracefulFailover(_)
            | Self::CrashFailover(_) => 0,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillCollector(n) => write!(f, "collector {n}: kill -9"),
            Self::PauseCollector(n) => write!(f, "collector {n}: SIGSTOP"),
            Self::RestartCollector(n) => write!(f, "collector {n}: SIGTERM"),
            Self::KillGateway(n) => write!(f, "gateway {n}: kill -9"),
            Self::PauseGateway(n) => write!(f, "gateway {n}: SIGSTOP"),
            Self::RestartGateway(n) => write!(f, "gateway {n}: SIGTERM"),
            Self::PauseRedis => f.write_str("redis: SIGSTOP"),
            Self::PauseReplica => f.write_str("replica: SIGSTOP"),
            Self::RestartRedis => f.write_str("redis: kill -9"),
            Self::CutLink(n) => write!(f, "link {n}: cut"),
            Self::HoldLink(n) => write!(f, "link {n}: half-open"),
            Self::LoseAnswers(n) => write!(f, "link {n}: answers lost"),
            Self::SlowLink(n) => write!(f, "link {n}: 100 ms late"),
            Self::MoveSlots(first) => write!(f, "slots of partitions from {first} on move"),
            Self::GracefulFailover(n) => write!(f, "master {n}: failover"),
            Self::CrashFailover(n) => write!(f, "master {n}: kill -9"),
        }
    }
}

/// A fault that can be asked for by itself, at a length of one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Single {
    /// A collector is killed
    KillCollector,
    /// A collector is stopped and goes on in the belief that nothing happened
    PauseCollector,
    /// A gateway is killed
    KillGateway,
    /// Redis is killed and started again from its append-only file
    RestartRedis,
}

impl From<Single> for Fault {
    fn from(single: Single) -> Self {
        match single {
            Single::KillCollector => Self::KillCollector(0),
            Single::PauseCollector => Self::PauseCollector(0),
            Single::KillGateway => Self::KillGateway(0),
            Single::RestartRedis => Self::RestartRedis,
        }
    }
}

/// A fault with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Since the start of the load.
    pub(crate) at_ms: u64,
    /// How long until it is undone.
    pub(crate) lasts_ms: u64,
    /// What.
    pub(crate) fault: Fault,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// What it was drawn from.
    pub(crate) seed: u64,
    /// How Redis stands there.
    pub(crate) topology: Topology,
    /// How many collectors run.
    pub(crate) collectors: usize,
    /// How many gateways run.
    pub(crate) gateways: usize,
    /// What goes wrong, one after the other.
    pub(crate) faults: Vec<Planned>,
}

impl Schedule {
    /// Draws one. Faults begin after a second and are over before `duration_ms`.
    pub(crate) fn draw(seed: u64, topology: Option<Topology>, duration_ms: u64) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let drawn = [Topology::Standalone, Topology::Cluster, Topology::Sentinel][dice.random_range(0..3)];
        let topology = topology.unwrap_or(drawn);
        let (collectors, gateways) = (dice.random_range(2..=3), dice.random_range(2..=3));
        let mut faults = Vec::new();
        let mut at_ms = 1_000;
        let mut deck = Vec::new();
        loop {
            if deck.is_empty() {
                // Each kind once before any comes again, in another order every time.
                deck = deal(topology, &mut dice);
                deck.shuffle(&mut dice);
            }
            let fault = deck.pop().expect("a deck has cards");
            let lasts_ms = fault.lasts_ms(&mut dice).min(duration_ms / 4);
            if at_ms + lasts_ms + 500 > duration_ms {
                break;
            }
            faults.push(Planned { at_ms, lasts_ms, fault });
            at_ms += lasts_ms + dice.random_range(500..4_000);
        }
        Self { seed, topology, collectors, gateways, faults }
    }

    /// One fault on the smallest site that is one, some seconds after the load began.
    pub(crate) fn single(seed: u64, fault: Fault, lasts_ms: u64) -> Self {
        let faults = vec![Planned { at_ms: 5_000, lasts_ms, fault }];
        Self { seed, topology: Topology::Standalone, collectors: 2, gateways: 3, faults }
    }
}

fn deal(topology: Topology, dice: &mut ChaCha8Rng) -> Vec<Fault> {
    let mut any = || dice.random_range(0..6_usize);
    let mut deck = vec![
        Fault::KillCollector(any()),
        Fault::PauseCollector(any()),
        Fault::RestartCollector(any()),
        Fault::KillGateway(any()),
        Fault::PauseGateway(any()),
        Fault::RestartGateway(any()),
    ];
    let links = [Fault::CutLink(any()), Fault::HoldLink(any()), Fault::LoseAnswers(any()), Fault::SlowLink(any())];
    match topology {
        Topology::Standalone => {
            deck.extend(links);
            deck.extend([Fault::PauseRedis, Fault::RestartRedis]);
        }
        Topology::Cluster => {
            deck.extend(links);
            let master = any();
            deck.extend([Fault::GracefulFailover(master), Fault::CrashFailover(any())]);
            let first = dice.random_range(0..60_u16);
            deck.push(Fault::MoveSlots(first));
        }
        Topology::Sentinel => deck.extend([Fault::CrashFailover(0), Fault::PauseReplica]),
    }
    deck
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_schedule_and_another_seed_another() {
        let draw = |seed| Schedule::draw(seed, None, 60_000);
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7).faults, draw(8).faults);
    }

    #[test]
    fn faults_follow_each_other_and_are_over_in_time() {
        for seed in 0..200 {
            for topology in [Topology::Standalone, Topology::Cluster, Topology::Sentinel] {
                let schedule = Schedule::draw(seed, Some(topology), 20_000);
                assert!(!schedule.faults.is_empty());
                let mut free_at = 1_000;
                for planned in &schedule.faults {
                    assert!(planned.at_ms >= free_at);
                    free_at = planned.at_ms + planned.lasts_ms;
                }
                assert!(free_at <= 20_000);
            }
        }
    }

    #[test]
    fn a_minute_kills_a_collector_at_least_once_whatever_the_seed() {
        for seed in 0..50 {
            let schedule = Schedule::draw(seed, Some(Topology::Standalone), 90_000);
            let kinds: Vec<_> = schedule.faults.iter().map(|planned| planned.fault).collect();
            assert!(kinds.iter().any(|fault| matches!(fault, Fault::KillCollector(_))), "{kinds:?}");
        }
    }
}
