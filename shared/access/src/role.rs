//! Roles and their permissions: the one table behind every check.

use crate::scope::{Page, Scope};

/// A user's role in a tenant, least powerful first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// A wallboard: one page, no phone numbers.
    Wallboard,
    /// Reads.
    Viewer,
    /// Reads, also who has access and the audit log.
    Auditor,
    /// Reads, and publishes load runs if they are enabled.
    Operator,
    /// Like an operator, and sees the last four digits of phone numbers.
    Supervisor,
    /// May do everything.
    Admin,
}

/// A permission that only some roles have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Read everything in scope, not just one page.
    Read,
    /// Publish load runs.
    RunLoad,
    /// Read the lists of access and the audit log.
    Audit,
    /// Change access, and list connections.
    Administer,
}

impl Role {
    /// All roles, least powerful first.
    pub const ALL: [Self; 6] =
        [Self::Wallboard, Self::Viewer, Self::Auditor, Self::Operator, Self::Supervisor, Self::Admin];

    /// Parses a role.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Parses a role that a person can have: any but wallboard.
    pub fn of_person(text: &str) -> Option<Self> {
        Self::parse(text).filter(|role| *role != Self::Wallboard)
    }

    /// Returns its name.
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

    /// Returns whether a role may have this scope and page.
    ///
    /// Only wallboards have a page. Admins must see all campaigns: they could grant themselves the rest.
    pub(crate) fn fits(self, scope: &Scope, page: Option<&Page>) -> bool {
        (self == Self::Wallboard) == page.is_some() && (self != Self::Admin || *scope == Scope::All)
    }

    /// Returns whether the role has a permission.
    pub fn may(self, permission: Permission) -> bool {
        match permission {
            Permission::Read => self != Self::Wallboard,
            Permission::RunLoad => matches!(self, Self::Operator | Self::Supervisor | Self::Admin),
            Permission::Audit => matches!(self, Self::Auditor | Self::Admin),
            Permission::Administer => self == Self::Admin,
        }
    }
}
