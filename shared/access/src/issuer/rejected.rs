//! Why somebody else's token did not count.

/// Why a token was refused. Its text is for the log and has nothing of the token; whoever sent it only learns that it does
/// not count (`bad_token`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRejected {
    /// Longer than any that is looked at.
    #[error("it is longer than 8 KiB")]
    TooLong,
    /// No signed JWT, or one that says a thing twice.
    #[error("it is no signed JWT")]
    Malformed,
    /// Its `iss` is none that is configured.
    #[error("its issuer is not configured")]
    Issuer,
    /// Its `kid` is none of the issuer's.
    #[error("the issuer has no key of that name")]
    Key,
    /// Not the algorithm that the key is bound to.
    #[error("its algorithm is not the one of its key")]
    Algorithm,
    /// Not signed with the key.
    #[error("its signature is wrong")]
    Signature,
    /// A refresh or logout token, or a kind that is not known.
    #[error("it is not a token for access")]
    Kind,
    /// Its `aud` is somebody else.
    #[error("it is for another audience")]
    Audience,
    /// Over, or without an end.
    #[error("it has expired, or has no end")]
    Expired,
    /// Its `nbf` or `iat` is in the future.
    #[error("it is not valid yet")]
    NotYet,
    /// Made for another sign-in than this one.
    #[error("it belongs to another sign-in")]
    Nonce,
    /// Names nobody.
    #[error("it names no user")]
    User,
    /// No tenant of ours.
    #[error("it maps to no tenant")]
    Tenant,
    /// No role of ours.
    #[error("it maps to no role")]
    Role,
    /// No campaigns.
    #[error("it names no campaigns that can be read")]
    Campaigns,
    /// An admin could give themselves the others.
    #[error("it maps to an admin of some campaigns, and an admin sees all")]
    AdminNeedsAllCampaigns,
    /// Somebody whom it names, and who is nobody here.
    #[error("{reason}")]
    NoAccess {
        /// As they would be called here.
        user: String,
        /// Why.
        reason: Box<TokenRejected>,
    },
    /// The issuer's keys could not be read, so nobody can tell.
    #[error("the issuer's keys can't be read right now")]
    NoKeys,
}

impl TokenRejected {
    /// Who it was, as far as that is certain, and in which words the audit log has it.
    pub(crate) fn audit_fields(&self) -> (&str, &'static str) {
        match self {
            Self::NoAccess { user, .. } => (user, "no_access"),
            Self::NoKeys => ("?", "provider_away"),
            _ => ("?", "bad_token"),
        }
    }
}
