//! Why an issuer's token is rejected.

/// Why a token is rejected.
///
/// Its text is for the log and contains nothing of the token. The client only gets `bad_token`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRejected {
    /// It is longer than the limit.
    #[error("it is longer than 8 KiB")]
    TooLong,
    /// It is not a signed JWT, or has duplicate names.
    #[error("it is not a signed JWT")]
    Malformed,
    /// Its `iss` is not configured.
    #[error("its issuer is not configured")]
    Issuer,
    /// Its `kid` is unknown to the issuer.
    #[error("the issuer has no key of that name")]
    Key,
    /// Its algorithm is not the key's.
    #[error("its algorithm is not the one of its key")]
    Algorithm,
    /// It is not signed with the key.
    #[error("its signature is wrong")]
    Signature,
    /// It is a refresh or logout token, or of an unknown kind.
    #[error("it is not an access token")]
    Kind,
    /// Its `aud` is another application.
    #[error("it is for another audience")]
    Audience,
    /// It has expired, or has no `exp`.
    #[error("it has expired, or has no end")]
    Expired,
    /// Its `nbf` or `iat` is in the future.
    #[error("it is not valid yet")]
    NotYet,
    /// It was issued for another sign-in.
    #[error("it belongs to another sign-in")]
    Nonce,
    /// It names no valid user.
    #[error("it names no user")]
    User,
    /// It maps to no tenant.
    #[error("it maps to no tenant")]
    Tenant,
    /// It maps to no role.
    #[error("it maps to no role")]
    Role,
    /// It maps to no campaigns.
    #[error("it names no campaigns that can be read")]
    Campaigns,
    /// It maps to an admin of some campaigns, who could grant themselves the others.
    #[error("it maps to an admin of some campaigns, and an admin sees all")]
    AdminNeedsAllCampaigns,
    /// It names a user whom no mapping admits.
    #[error("{reason}")]
    NoAccess {
        /// Their name in Ringside.
        user: String,
        /// Why no mapping admits them.
        reason: Box<TokenRejected>,
    },
    /// The issuer's keys are not available, so it can't be verified.
    #[error("the issuer's keys can't be read right now")]
    NoKeys,
}

impl TokenRejected {
    /// Returns the user, if verified, and the outcome for the audit log.
    pub(crate) fn audit_fields(&self) -> (&str, &'static str) {
        match self {
            Self::NoAccess { user, .. } => (user, "no_access"),
            Self::NoKeys => ("?", "provider_away"),
            _ => ("?", "bad_token"),
        }
    }
}
