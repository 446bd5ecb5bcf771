//! What goes wrong with a request, and how it is told: `application/problem+json` with a stable `code` and a sentence.
//!
//! Whatever only the operator should read is logged here and not sent. Pages are told in HTML: `pages/error.rs`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ringside_access::{AccessError, AccountError, TokenRejected};
use ringside_engine::EngineError;
use ringside_http::Problem;
use tracing::{error, warn};

use crate::hub::Refusal;

/// Why a request was not answered with what it asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// 400: the request makes no sense; the text says what to do.
    #[error("{0}")]
    BadRequest(String),
    /// 401: no valid login.
    #[error("Sign in first: send the cookie or \"Authorization: Bearer\" with a token from POST /auth/login.")]
    Unauthorized,
    /// 401: a token that is none, or none that gets in here.
    #[error("This token is not valid here: it has ended, was revoked, or is for something else. Get a new one.")]
    BadToken,
    /// 401: there is nothing to renew.
    #[error("This login has ended. Sign in again.")]
    SessionEnded,
    /// 401: wrong name or password.
    #[error("{}", wrong_password_text(*.tries_left))]
    WrongPassword {
        /// How many more before the account is locked.
        tries_left: u32,
    },
    /// 503: whoever could say whether a token counts does not answer.
    #[error("The sign-in of your organisation does not answer. Try again in a minute.")]
    ProviderAway,
    /// 429: too many wrong passwords.
    #[error("Too many tries. Wait {} or ask an admin to unlock you.", minutes_text(*.wait_secs))]
    Locked {
        /// For how long.
        wait_secs: u64,
    },
    /// 429: more logins of one name than anybody needs.
    #[error("You have logged in many times just now. Wait {}, and keep the login that you get.", seconds_text(*.wait_secs))]
    TooManySignIns {
        /// For how long.
        wait_secs: u64,
    },
    /// What the port itself rejects, such as a request from another site.
    #[error("{}", .0.detail)]
    Rejected(Problem),
    /// 403: a room outside of the token's scope.
    #[error("You may not watch {0}. Ask an admin for the campaign.")]
    ForbiddenRoom(String),
    /// 403: the role only looks.
    #[error("Only operators, supervisors and admins may do this. Ask an admin for such a role.")]
    NotOperator,
    /// 403: a wallboard's token is for its own page.
    #[error("This token is for one page on a wall. Sign in with an account for anything else.")]
    OnlyOnePage,
    /// 403: the role does not read who did what.
    #[error("Only auditors and admins may read this. Ask an admin for such a role.")]
    NotReviewer,
    /// 403: for admins only.
    #[error("Only admins may do this. Ask one of them.")]
    NotAdmin,
    /// 404: not there, or not to be seen; the answer is the same.
    #[error("This campaign does not exist, or you may not see it.")]
    NoSuchCampaign,
    /// 404: no such tenant, or none of this account's.
    #[error("This account belongs to no such tenant. GET /auth/me lists those that it belongs to.")]
    NoSuchTenant,
    /// 404: there is nothing of that name in the tenant; the text says where they are listed.
    #[error("{0}")]
    NoSuchEntry(&'static str),
    /// 409: it would leave something that must not be; the text says what to do first.
    #[error("{0}")]
    Conflict(String),
    /// 404: no such address.
    #[error("There is nothing at this address.")]
    NoSuchAddress,
    /// 413: more than is taken at once.
    #[error("A body has at most {} KiB. Send less at once.", .most_bytes >> 10)]
    TooLarge {
        /// The limit.
        most_bytes: usize,
    },
    /// 503: more comes than can be published.
    #[error("More comes than can be published. Send it again in a second, or send less.")]
    Busy,
    /// 503: a load run's rooms are where a collector publishes.
    #[error(
        "A collector (or another gateway's load run) owns these rooms. Run load on an installation without collectors."
    )]
    OwnedByCollector,
    /// 503: more live connections a second than are let in.
    #[error("Too many connections are being opened. Come back in {}.", seconds_text(*.retry_secs))]
    TooManyConnects {
        /// When to come back.
        retry_secs: u64,
    },
    /// 503: no memory for another live connection.
    #[error("This gateway can't take more live connections. Come back in {}, or poll.", seconds_text(*.retry_secs))]
    Full {
        /// When to come back.
        retry_secs: u64,
    },
    /// 426: the address takes WebSockets.
    #[error("This address speaks WebSocket (RFC 6455, version 13): open it with a WebSocket client.")]
    UpgradeRequired,
    /// 503: the engine does not answer, or the gateway is going away.
    #[error("Live data is not available right now. Try again in a few seconds.")]
    Unavailable,
    /// 500: a fault of ours, under the reference that the log has it by.
    #[error("Something broke on our side. Reference {0}.")]
    Internal(String),
}

fn wrong_password_text(tries_left: u32) -> String {
    match tries_left {
        1 => "Name or password is wrong. 1 try left.".to_owned(),
        left => format!("Name or password is wrong. {left} tries left."),
    }
}

fn minutes_text(secs: u64) -> String {
    match secs.div_ceil(60) {
        1 => "1 minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

fn seconds_text(secs: u64) -> String {
    match secs {
        1 => "1 second".to_owned(),
        secs => format!("{secs} seconds"),
    }
}

impl Error {
    /// Status and code.
    pub fn parts(&self) -> (StatusCode, &'static str) {
        match self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::BadToken => (StatusCode::UNAUTHORIZED, "bad_token"),
            Self::SessionEnded => (StatusCode::UNAUTHORIZED, "login_ended"),
            Self::WrongPassword { .. } => (StatusCode::UNAUTHORIZED, "wrong_password"),
            Self::ProviderAway => (StatusCode::SERVICE_UNAVAILABLE, "provider_away"),
            Self::Locked { .. } => (StatusCode::TOO_MANY_REQUESTS, "locked"),
            Self::TooManySignIns { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_logins"),
            Self::Rejected(problem) => (problem.status, problem.code),
            Self::ForbiddenRoom(_) => (StatusCode::FORBIDDEN, "forbidden_room"),
            Self::OnlyOnePage => (StatusCode::FORBIDDEN, "forbidden_page"),
            Self::NotOperator | Self::NotReviewer | Self::NotAdmin => (StatusCode::FORBIDDEN, "forbidden_role"),
            Self::NoSuchCampaign => (StatusCode::NOT_FOUND, "no_such_campaign"),
            Self::NoSuchTenant => (StatusCode::NOT_FOUND, "no_such_tenant"),
            Self::NoSuchEntry(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Self::NoSuchAddress => (StatusCode::NOT_FOUND, "not_found"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::OwnedByCollector => (StatusCode::SERVICE_UNAVAILABLE, "owned_by_collector"),
            Self::TooManyConnects { .. } => (StatusCode::SERVICE_UNAVAILABLE, "too_many_connects"),
            Self::Full { .. } => (StatusCode::SERVICE_UNAVAILABLE, "full"),
            Self::UpgradeRequired => (StatusCode::UPGRADE_REQUIRED, "upgrade_required"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// A fault of ours: `detail` goes to the log, under the reference that the answer carries.
    pub(crate) fn internal(detail: &dyn std::fmt::Display) -> Self {
        let reference = format!("{:04X}-{:02X}", rand::random::<u16>(), rand::random::<u8>());
        error!(reference, %detail, "a request failed");
        Self::Internal(reference)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, code) = error.parts();
        let problem = Self::new(status, code, error.to_string());
        match error {
            Error::Rejected(problem) => problem,
            Error::TooManyConnects { retry_secs: secs }
            | Error::Full { retry_secs: secs }
            | Error::TooManySignIns { wait_secs: secs }
            | Error::Locked { wait_secs: secs } => problem.with_retry_after(secs),
            Error::Busy => problem.with_retry_after(1),
            Error::ProviderAway => problem.with_retry_after(30),
            Error::Unavailable | Error::OwnedByCollector => problem.with_retry_after(2),
            Error::UpgradeRequired => problem
                .with_header(header::UPGRADE, HeaderValue::from_static("websocket"))
                .with_header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            _ => problem,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Rejected(problem)
    }
}

impl From<AccessError> for Error {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Unauthorized => Self::Unauthorized,
            AccessError::SessionEnded => Self::SessionEnded,
            AccessError::WrongPassword { tries_left } => Self::WrongPassword { tries_left },
            AccessError::Locked { wait_secs } => Self::Locked { wait_secs },
            AccessError::TooManySignIns { wait_secs } => Self::TooManySignIns { wait_secs },
            AccessError::TokenRejected(TokenRejected::NoKeys) => Self::ProviderAway,
            AccessError::TokenRejected(_) => Self::BadToken,
            AccessError::NoSuchTenant => Self::NoSuchTenant,
            AccessError::RightsKeepChanging => Self::Unavailable,
            AccessError::Account(error) => error.into(),
            AccessError::Engine(error) => error.into(),
        }
    }
}

impl From<AccountError> for Error {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Engine(error @ EngineError::Unavailable(_)) => error.into(),
            AccountError::Engine(error) => Self::internal(&error),
            error => Self::BadRequest(sentence(&error.to_string())),
        }
    }
}

/// Makes a sentence of a text of the command line.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        warn!(%error, "the engine did not answer a request");
        Self::Unavailable
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Forbidden(room) => Self::ForbiddenRoom(room.to_string()),
            Refusal::Unavailable => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_of_a_token_learns_one_code() {
        for rejected in [
            TokenRejected::TooLong,
            TokenRejected::Issuer,
            TokenRejected::Key,
            TokenRejected::Signature,
            TokenRejected::Expired,
            TokenRejected::Role,
        ] {
            let (status, code) = Error::from(AccessError::from(rejected)).parts();
            assert_eq!((status.as_u16(), code), (401, "bad_token"));
        }
        let (status, code) = Error::from(AccessError::from(TokenRejected::NoKeys)).parts();
        assert_eq!((status.as_u16(), code), (503, "provider_away"));
    }
}
