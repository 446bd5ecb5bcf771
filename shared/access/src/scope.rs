//! The campaigns that a user sees, and the page of a wallboard.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use ringside_model::{CampaignId, Room};
use serde::{Deserialize, Serialize};

/// The campaigns of a tenant that a user may see.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// All campaigns, also future ones.
    All,
    /// Only these campaigns.
    Only(BTreeSet<CampaignId>),
}

/// A text that is not a campaign id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no campaign id: it must be 1 to 64 letters, digits, '.', '_' or '-'")]
pub struct BadCampaign(pub String);

impl Scope {
    /// Returns the scope of these campaigns. An empty list means all, as does `*`.
    pub fn of(campaigns: &[String]) -> Result<Self, BadCampaign> {
        if campaigns.is_empty() || campaigns == ["*"] {
            return Ok(Self::All);
        }
        let parse = |id: &String| CampaignId::parse(id).map_err(|_| BadCampaign(id.clone()));
        campaigns.iter().map(parse).collect::<Result<_, _>>().map(Self::Only)
    }

    /// Returns whether the campaign is in scope.
    pub fn has(&self, campaign: &CampaignId) -> bool {
        self.has_id(campaign.as_str())
    }

    /// Returns whether the campaign with this id is in scope. The id may be invalid.
    pub fn has_id(&self, campaign: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.contains(campaign),
        }
    }

    /// Returns whether the room is in scope.
    ///
    /// Rooms of the whole tenant are, and their content is filtered. Rooms of load runs depend on the role: see
    /// [`Access::may_watch`](crate::Access::may_watch).
    pub fn allows(&self, room: &Room) -> bool {
        match room {
            Room::Directory | Room::Bench(_) => false,
            Room::Campaign(id) | Room::Calls(id) => self.has(id),
            Room::Overview | Room::Metrics | Room::System | Room::Alerts | Room::Notifications => true,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Only(ids) => f.write_str(&ids.iter().map(CampaignId::as_str).collect::<Vec<_>>().join(",")),
        }
    }
}

/// A scope in tokens, accounts and responses: `"*"` or a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CampaignsJson {
    /// `"*"`: all campaigns.
    Star(String),
    /// These campaigns.
    List(Vec<String>),
}

impl From<&Scope> for CampaignsJson {
    fn from(scope: &Scope) -> Self {
        match scope {
            Scope::All => Self::Star("*".to_owned()),
            Scope::Only(ids) => Self::List(ids.iter().map(ToString::to_string).collect()),
        }
    }
}

impl fmt::Display for CampaignsJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Star(star) => f.write_str(star),
            Self::List(ids) => f.write_str(&ids.join(", ")),
        }
    }
}

impl CampaignsJson {
    /// Returns the scope, or none if it is invalid.
    pub fn scope(&self) -> Option<Scope> {
        match self {
            Self::Star(star) => (star == "*").then_some(Scope::All),
            // An empty list means no campaigns, never all.
            Self::List(ids) => {
                ids.iter().map(|id| CampaignId::parse(id)).collect::<Result<_, _>>().ok().map(Scope::Only)
            }
        }
    }
}

/// The one page of a wallboard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Page {
    /// The page `/`.
    Overview,
    /// The page `/campaigns/{id}`.
    Campaign(CampaignId),
}

/// A text that is not a wallboard's page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no page for a wallboard; write overview, or campaign:ID")]
pub struct BadPage(pub String);

impl Page {
    /// Returns the page's path.
    pub fn path(&self) -> String {
        match self {
            Self::Overview => "/".to_owned(),
            Self::Campaign(id) => format!("/campaigns/{id}"),
        }
    }

    /// Returns whether the page shows the room.
    ///
    /// The overview shows the newest calls of its campaigns.
    pub fn shows(&self, room: &Room) -> bool {
        match (self, room) {
            (_, Room::Alerts | Room::Notifications) => true,
            (Self::Overview, Room::Overview | Room::Metrics | Room::System | Room::Calls(_)) => true,
            (Self::Campaign(page), Room::Campaign(id) | Room::Calls(id)) => page == id,
            _ => false,
        }
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overview => f.write_str("overview"),
            Self::Campaign(id) => write!(f, "campaign:{id}"),
        }
    }
}

impl FromStr for Page {
    type Err = BadPage;

    fn from_str(text: &str) -> Result<Self, BadPage> {
        let campaign = |id| CampaignId::parse(id).ok().map(Self::Campaign);
        let page =
            if text == "overview" { Some(Self::Overview) } else { text.strip_prefix("campaign:").and_then(campaign) };
        page.ok_or_else(|| BadPage(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> CampaignId {
        CampaignId::parse(text).unwrap()
    }

    #[test]
    fn a_scope_allows_its_campaigns_and_never_the_directory() {
        let scope = Scope::Only([id("alpha")].into());
        assert!(scope.allows(&Room::Calls(id("alpha"))) && scope.allows(&Room::Overview));
        assert!(!scope.allows(&Room::Campaign(id("beta"))) && !scope.allows(&Room::Directory));
        assert!(Scope::All.allows(&Room::Campaign(id("beta"))) && !Scope::All.allows(&Room::Directory));
        assert_eq!(Scope::All.to_string(), "*");
    }

    #[test]
    fn an_empty_list_of_campaigns_in_a_token_means_none() {
        assert_eq!(CampaignsJson::List(Vec::new()).scope(), Some(Scope::Only(BTreeSet::new())));
        assert_eq!(CampaignsJson::Star("all".into()).scope(), None);
        assert_eq!(CampaignsJson::List(vec!["no id".into()]).scope(), None);
    }

    #[test]
    fn a_wallboards_page_shows_its_own_rooms() {
        let page: Page = "campaign:alpha".parse().unwrap();
        assert!(page.shows(&Room::Campaign(id("alpha"))) && page.shows(&Room::Calls(id("alpha"))));
        for room in [Room::Campaign(id("beta")), Room::Calls(id("beta")), Room::Overview, Room::Metrics, Room::System] {
            assert!(!page.shows(&room), "{room}");
        }
        assert!(Page::Overview.shows(&Room::Overview) && !Page::Overview.shows(&Room::Campaign(id("alpha"))));
        assert_eq!((page.path().as_str(), page.to_string().as_str()), ("/campaigns/alpha", "campaign:alpha"));
        assert!("campaign:".parse::<Page>().is_err() && "alerts".parse::<Page>().is_err());
    }
}
