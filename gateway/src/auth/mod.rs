//! Who is there, and what they may see and do.
//!
//! Somebody shows who they are (`account` and `password`, a `pass` of ours, an issuer we trust) and becomes an
//! [`Identity`](identity::Identity). `sign_in` makes a login of it: a `session` in the registry with a `refresh` token, and
//! an access `token` that is verified by its signature alone, so any gateway accepts what any other one issued. What it
//! says is a [`Viewer`]. `standing` notices within the second what was taken back since. `role` is the table of what each
//! may do and `numbers` of what each sees of a call, `audit` remembers who did it and `refusals` who was not let.
//!
//! `throttle` counts wrong passwords, `turnstile` right ones; `way_back` leads to the login and back; `in_time` waits for
//! the engine as long as a person would, and `sweep` removes from it what is over.

mod account;
mod audit;
mod cookie;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod identity;
mod in_time;
mod issuer;
mod login;
mod membership;
mod numbers;
mod pass;
mod password;
mod refresh;
mod refusals;
mod role;
mod scope;
mod session;
mod sign_in;
mod signing_keys;
mod standing;
mod sweep;
mod throttle;
mod token;
mod turnstile;
mod viewer;
mod way_back;

pub use account::{Account, AccountError, Accounts, EnsuredAdmin};
pub use audit::{Audit, AuditEntry, AuditLine};
pub(crate) use cookie::{Cookie, cookies};
pub use identity::Identity;
pub use issuer::{
    BadIssuer, ClaimMapping, ClientSecret, IssuerSettings, KeySource, SignOn, SignatureAlgorithm, TenantMapping,
    VerifyingKey, check_issuers, try_issuer,
};
pub(crate) use issuer::{Issuers, begin_sso, end_sso};
pub(crate) use login::{log_in, log_out, refresh, resume, show_key_set, show_me, switch_tenant};
pub use membership::Membership;
pub(crate) use numbers::Numbers;
pub(crate) use pass::is_pass;
pub use pass::{Pass, PassError, PassRequest, Passes};
pub use password::GeneratedPassword;
pub(crate) use password::Passwords;
pub(crate) use refusals::note_refusals;
pub(crate) use role::Power;
pub use role::Role;
pub(crate) use scope::CampaignsJson;
pub use scope::{BadCampaign, BadPage, Page, Scope};
pub use session::{Session, Sessions};
pub(crate) use sign_in::short;
pub use signing_keys::SigningKeys;
pub(crate) use standing::Standing;
pub(crate) use sweep::keep_sweeping;
pub(crate) use throttle::Throttle;
pub(crate) use token::Tokens;
pub(crate) use turnstile::Turnstile;
pub(crate) use viewer::{AnyViewer, bearer, offered};
pub use viewer::{PageViewer, Viewer};
pub(crate) use way_back::local_path;
