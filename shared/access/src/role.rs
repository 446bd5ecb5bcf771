//! Roles, and what each may do: the one table that everything asks.

use crate::scope::{Page, Scope};

/// What somebody is here for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// A screen on a wall: one page, no phone numbers.
    Wallboard,
    /// Looks.
    Viewer,
    /// Looks, and reads what was changed by whom.
    Auditor,
    /// Looks, and makes load runs where they are switched on.
    Operator,
    /// The same, and sees the last four digits of numbers.
    Supervisor,
    /// Everything.
    Admin,
}

/// Something that not everybody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Read anything in scope, and not only one page.
    Read,
    /// Publish load runs.
    RunLoad,
    /// Read who has access, and the audit log.
    Audit,
    /// Change who has access, and see who is connected.
    Administer,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 6] =
        [Self::Wallboard, Self::Viewer, Self::Auditor, Self::Operator, Self::Supervisor, Self::Admin];

    /// Reads a role.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Reads a role that a person can have: all but that of a wall.
    pub fn of_person(text: &str) -> Option<Self> {
        Self::parse(text).filter(|role| *role != Self::Wallboard)
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wallboard => "wallboard",
            Self::Viewer => "viewer",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
        }
    }

    /// True where somebody can be that: a wall has its page and nobody else one, and an admin sees all, who could give
    /// themselves the rest.
    pub(crate) fn fits(self, scope: &Scope, page: Option<&Page>) -> bool {
        (self == Self::Wallboard) == page.is_some() && (self != Self::Admin || *scope == Scope::All)
    }

    /// True where it may do that.
    pub fn may(self, power: Permission) -> bool {
        match power {
            Permission::Read => self != Self::Wallboard,
            Permission::RunLoad => matches!(self, Self::Operator | Self::Supervisor | Self::Admin),
            Permission::Audit => matches!(self, Self::Auditor | Self::Admin),
            Permission::Administer => self == Self::Admin,
        }
    }
}
