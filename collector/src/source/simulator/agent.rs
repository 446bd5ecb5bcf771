//! The agents of a campaign.
//!
//! Their number is limited: a person who answers while all talk has to wait.

use std::collections::VecDeque;

use ringside_model::AgentCounts;

/// An agent's number within its campaign.
pub(super) type Agent = u16;

/// The agents by state.
#[derive(Debug)]
pub(super) struct Agents {
    total: u16,
    /// In the order of waiting: the first gets the next call.
    free: VecDeque<Agent>,
    paused: Vec<Agent>,
    talking: u16,
    in_wrap: u16,
    /// How many go on a break after their current call.
    leaving: u16,
}

/// The agents on a break at any time.
const ON_BREAK: u16 = 2;

impl Agents {
    /// Creates agents for a load of `erlangs` (talk and wrap-up) and for its peaks.
    pub(super) fn for_load(erlangs: f64) -> Self {
        let total = (erlangs + 2.6 * erlangs.sqrt() + 1.0).ceil() as u16 + ON_BREAK;
        let paused = (total - ON_BREAK..total).collect();
        Self { total, free: (0..total - ON_BREAK).collect(), paused, talking: 0, in_wrap: 0, leaving: 0 }
    }

    /// Assigns a call to the next free agent.
    pub(super) fn assign(&mut self) -> Option<Agent> {
        let agent = self.free.pop_front()?;
        self.talking += 1;
        Some(agent)
    }

    /// Ends a call; its agent goes into wrap-up.
    pub(super) fn hang_up(&mut self) {
        self.talking -= 1;
        self.in_wrap += 1;
    }

    /// Ends a wrap-up; the agent is ready again or goes on a break.
    pub(super) fn finish(&mut self, agent: Agent) {
        self.in_wrap -= 1;
        if self.leaving > 0 {
            self.leaving -= 1;
            self.paused.push(agent);
        } else {
            self.free.push_back(agent);
        }
    }

    /// Sends a share of the agents on a break: free ones now, others after their call.
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

    /// Ends the breaks, except of the few agents that are on one at any time.
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
            wrap: i64::from(self.in_wrap),
            paused: self.paused.len() as i64,
            offline: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_agents_never_changes() {
        let mut agents = Agents::for_load(20.0);
        let everyone = |agents: &Agents| {
            let AgentCounts { ready, ringing, incall, wrap, paused, offline } = agents.counts();
            ready + ringing + incall + wrap + paused + offline
        };
        let mut talking = Vec::new();
        while let Some(agent) = agents.assign() {
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
