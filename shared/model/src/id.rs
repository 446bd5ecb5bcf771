//! Ids. Each is its own type, so that a call can't be mistaken for a campaign.

use std::borrow::Borrow;
use std::fmt;

/// The error of a text that isn't a valid id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadId {
    /// The kind of id, such as `a call id`.
    pub what: &'static str,
    /// The allowed form.
    pub allowed: &'static str,
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}", self.what, self.allowed)
    }
}

impl std::error::Error for BadId {}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Event ids come from senders' systems: any printable text of 1 to 200 bytes.
fn is_printable(text: &str) -> bool {
    (1..=200).contains(&text.len()) && !text.chars().any(char::is_control)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $allowed:literal, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// Parses a text of the allowed form.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                if $check(text) { Ok(Self(text.into())) } else { Err(BadId { what: $what, allowed: $allowed }) }
            }

            /// Returns the id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id! {
    /// A tenant. It comes from credentials, never from a payload.
    TenantId, "a tenant id", "1 to 64 letters, digits, '.', '_' or '-'", is_name
}
id! {
    /// An outbound campaign within a tenant.
    CampaignId, "a campaign id", "1 to 64 letters, digits, '.', '_' or '-'", is_name
}
id! {
    /// A call within a campaign.
    CallId, "a call id", "1 to 64 letters, digits, '.', '_' or '-'", is_name
}
id! {
    /// A person or a bot that takes calls.
    AgentId, "an agent id", "1 to 64 letters, digits, '.', '_' or '-'", is_name
}
id! {
    /// A configured source of events. Event ids are unique within it.
    SourceId, "a source id", "1 to 64 letters, digits, '.', '_' or '-'", is_name
}
id! {
    /// The sender's name for one event: its idempotency key within the source.
    EventId, "an event id", "1 to 200 printable characters", is_printable
}

impl CampaignId {
    /// The campaign of calls that name none. It is visible, so that no call is dropped.
    pub fn unassigned() -> Self {
        Self("unassigned".into())
    }
}
