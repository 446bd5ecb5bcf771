//! The agents of a campaign. There are only so many: who answers while all talk has to wait.

use std::collections::VecDeque;

use ringside_model::AgentCounts;

/// An agent's number within its campaign.
pub(super) type Agent = u16;

/// Who is free, who talks, who writes up, who is away.
#[derive(Debug)]
pub(super) struct Agents {
    total: u16,
    /// The one who has waited longest is first, and gets the next call.
    free: VecDeque<Agent>,
    paused: Vec<Agent>,
    talking: u16,
    writing: u16,
    /// How many more go on a break as soon as they are done.
    leaving: u16,
}

/// Agents that are on a break at any time.
const ON_BREAK: u16 = 2;

impl Agents {
    /// As many as the load needs: `erlangs` talking and writing on average, and some to spare for the ups and downs.
    pub(super) fn for_load(erlangs: f64) -> Self {
        let total = (erlangs + 2.6 * erlangs.sqrt() + 1.0).ceil() as u16 + ON_BREAK;
        let paused = (total - ON_BREAK..total).collect();
        Self { total, free: (0..total - ON_BREAK).collect(), paused, talking: 0, writing: 0, leaving: 0 }
    }

    /// The next free one takes a call.
    pub(super) fn take(&mut self) -> Option<Agent> {
        let agent = self.free.pop_front()?;
        self.talking += 1;
        Some(agent)
    }

    /// A call is over; its agent writes it up.
    pub(super) fn hang_up(&mut self) {
        self.talking -= 1;
        self.writing += 1;
    }

    /// The write-up is done: back to the phone, or on a break.
    pub(super) fn finish(&mut self, agent: Agent) {
        self.writing -= 1;
        if self.leaving > 0 {
            self.leaving -= 1;
            self.paused.push(agent);
        } else {
            self.free.push_back(agent);
        }
    }

    /// This share goes on a break: the free ones at once, the others when they are done.
    pub(super) fn leave(&mut self, share: f64) {
        let mut going = (f64::from(self.total) * share).round() as u16;
        while going > 0
            && let Some(agent) = self.free.pop_back()
        {
            self.paused.push(agent);
            going -= 1;
        }
        self.leaving += going;
    }

    /// All come back from the break, but for the few who always are on one.
    pub(super) fn come_back(&mut self) {
        self.leaving = 0;
        while self.paused.len() > usize::from(ON_BREAK) {
            self.free.extend(self.paused.pop());
        }
    }

    pub(super) fn total(&self) -> u16 {
        self.total
    }

    pub(super) fn counts(&self) -> AgentCounts {
        AgentCounts {
            ready: self.free.len() as i64,
            ringing: 0,
            incall: i64::from(self.talking),
            wrap: i64::from(self.writing),
            paused: self.paused.len() as i64,
            offline: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_lost_and_nobody_is_invented() {
        let mut agents = Agents::for_load(20.0);
        let everyone = |agents: &Agents| {
            let AgentCounts { ready, ringing, incall, wrap, paused, offline } = agents.counts();
            ready + ringing + incall + wrap + paused + offline
        };
        let mut talking = Vec::new();
        while let Some(agent) = agents.take() {
            talking.push(agent);
        }
        agents.leave(0.5);
        for agent in talking {
            agents.hang_up();
            agents.finish(agent);
            assert_eq!(everyone(&agents), i64::from(agents.total()));
        }
        let away = agents.counts().paused;
        assert!(away > i64::from(agents.total()) / 2, "{away}");
        agents.come_back();
        assert_eq!(agents.counts().paused, i64::from(ON_BREAK));
        assert_eq!(everyone(&agents), i64::from(agents.total()));
    }
}
