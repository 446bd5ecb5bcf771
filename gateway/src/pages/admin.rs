//! `GET /admin`: who has access, one list at a time. Admins change it, auditors read it.
//!
//! The lists are drawn here alone: after a change the script asks for the page again and takes its list over.

use std::collections::HashMap;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::State;
use axum::http::HeaderMap;
use ringside_access::{Access, AuditLine, CampaignsJson, Permission, Viewer};
use ringside_model::Room;
use serde::Deserialize;
use serde_json::Value;

use super::alert::{Banner, banner};
use super::browser::browser_name;
use super::document::Document;
use super::frames::{AlertsInitial, Frames};
use super::shell::Shell;
use crate::api::{
    ApiTokenRow, AuditFilter, KeyRow, Reviewer, SessionRow, UserRow, api_tokens_of, keys_of, read_audit, read_before,
    sessions_of, users_of,
};
use crate::error::Error;
use crate::extract::{PageViewer, Query, QueryParams};
use crate::pages::context::PageContext;

/// Entries of the audit log per page.
const AUDIT_ROWS: usize = 50;

/// Which list.
#[derive(Deserialize)]
pub(crate) struct AdminQuery {
    show: Option<String>,
    before: Option<String>,
    who: Option<String>,
    what: Option<String>,
    outcome: Option<String>,
}

impl QueryParams for AdminQuery {
    const ALLOWED: &'static str = "show is users, tokens, keys, sessions or audit. Go to /admin and choose one.";
}

/// Everything the page shows.
#[derive(Template, WebTemplate)]
#[template(path = "admin.html")]
pub(crate) struct AdminPage {
    document: Document,
    shell: Shell,
    banner: Option<Banner>,
    /// True where the viewer may change what is listed.
    changes: bool,
    /// The viewer's name, whose own row has no lock.
    me: String,
    list: List,
}

/// The list on the page.
enum List {
    Users(Vec<UserRow>),
    Tokens(Vec<ApiTokenRow>),
    Keys(Vec<KeyRow>),
    Sessions(Vec<LoginRow>),
    Audit(AuditList),
}

/// What the lists are called in addresses, and in words.
const LISTS: [(&str, &str); 5] =
    [("users", "Users"), ("tokens", "Tokens"), ("keys", "API keys"), ("sessions", "Logins"), ("audit", "Audit log")];

impl List {
    fn name(&self) -> &'static str {
        match self {
            Self::Users(_) => "users",
            Self::Tokens(_) => "tokens",
            Self::Keys(_) => "keys",
            Self::Sessions(_) => "sessions",
            Self::Audit(_) => "audit",
        }
    }

    fn words(&self) -> &'static str {
        LISTS.iter().find(|(name, _)| *name == self.name()).map_or("", |(_, words)| words)
    }
}

/// A login, with its browser in two words.
struct LoginRow {
    login: SessionRow,
    browser: String,
}

/// A page of the audit log, and what it was asked for.
struct AuditList {
    rows: Vec<AuditRow>,
    who: String,
    what: String,
    outcome: String,
    older: Option<String>,
    newest: bool,
}

/// An entry, with what it changed.
struct AuditRow {
    line: AuditLine,
    changes: Vec<Change>,
}

/// One thing that was changed.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    name: String,
    before: Option<String>,
    after: Option<String>,
}

/// `GET /admin`.
pub(crate) async fn show_admin(
    State(context): State<PageContext>,
    PageViewer(viewer): PageViewer,
    _: Reviewer,
    Query(query): Query<AdminQuery>,
    headers: HeaderMap,
) -> Result<AdminPage, Error> {
    let list = match query.show.as_deref().unwrap_or("users") {
        "users" => List::Users(users_of(&context.access, &viewer).await?),
        "tokens" => List::Tokens(api_tokens_of(&context.access, &viewer).await?),
        "keys" => List::Keys(keys_of(&context.access, &viewer).await?),
        "sessions" => {
            let logins = sessions_of(&context.access, &viewer).await?.into_iter();
            List::Sessions(logins.map(|login| LoginRow { browser: browser_name(&login.agent), login }).collect())
        }
        "audit" => List::Audit(AuditList::read(&context.access, &viewer, query).await?),
        _ => return Err(Error::BadRequest(AdminQuery::ALLOWED.to_owned())),
    };
    let mut frames = Frames::default();
    let alerts: AlertsInitial = frames.read(&context.reader, &viewer, &Room::Alerts).await.unwrap_or_default();
    let _notes: Value = frames.read(&context.reader, &viewer, &Room::Notifications).await.unwrap_or_default();
    Ok(AdminPage {
        document: Document::new("admin", format!("{}, Admin", list.words()), &headers, &context),
        shell: Shell::new(&viewer, &alerts, &frames),
        banner: banner(&alerts.open, &HashMap::new()),
        changes: viewer.role.may(Permission::Administer),
        me: viewer.user,
        list,
    })
}

impl AuditList {
    async fn read(access: &Access, viewer: &Viewer, query: AdminQuery) -> Result<Self, Error> {
        let [who, what, outcome] = [query.who, query.what, query.outcome].map(|text| text.unwrap_or_default());
        let filter = AuditFilter::read(Some(&who), Some(&what), Some(&outcome))?;
        let before = read_before(query.before.as_deref())?;
        let page = read_audit(access, &viewer.tenant, &filter, before, AUDIT_ROWS).await?;
        let row = |line: AuditLine| AuditRow { changes: changes(&line.entry.before, &line.entry.after), line };
        Ok(Self {
            rows: page.entries.into_iter().map(row).collect(),
            older: page.next,
            newest: before.is_none(),
            who,
            what,
            outcome,
        })
    }
}

/// Returns the difference between two values, member by member if they are objects.
fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        value => Some(value.to_string()),
    };
    let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
    if !(before.is_object() || after.is_object()) {
        let change = Change { name: String::new(), before: text(before), after: text(after) };
        return Some(change).filter(|change| change.before != change.after).into_iter().collect();
    }
    let (before, after) = (members(before), members(after));
    let mut names: Vec<&String> =
        before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))).collect();
    names.sort();
    names
        .into_iter()
        .map(|name| Change {
            name: name.clone(),
            before: before.get(name).and_then(text),
            after: after.get(name).and_then(text),
        })
        .filter(|change| change.before != change.after)
        .collect()
}

/// A moment as tables have it, in UTC: `2026-11-21 09:12`. The script makes it the reader's own time.
fn minute(moment: &str) -> String {
    moment.get(..16).unwrap_or(moment).replace('T', " ")
}

/// Which campaigns, in a word.
fn campaigns(campaigns: &CampaignsJson) -> String {
    match campaigns.to_string() {
        all if all == "*" => "all".to_owned(),
        some => some,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(name: &str, before: Option<&str>, after: Option<&str>) -> Change {
        Change { name: name.into(), before: before.map(str::to_owned), after: after.map(str::to_owned) }
    }

    #[test]
    fn a_change_is_told_member_by_member_and_what_stayed_is_not() {
        let before = json!({ "role": "viewer", "campaigns": "*", "page": null });
        let after = json!({ "role": "operator", "campaigns": "*", "days": 3 });
        assert_eq!(
            changes(&before, &after),
            [change("days", None, Some("3")), change("role", Some("viewer"), Some("operator"))]
        );
        assert_eq!(changes(&Value::Null, &json!({ "role": "viewer" })), [change("role", None, Some("viewer"))]);
        assert_eq!(changes(&json!("acme"), &json!("other")), [change("", Some("acme"), Some("other"))]);
        assert_eq!(changes(&json!(3), &Value::Null), [change("", Some("3"), None)]);
        assert_eq!(changes(&Value::Null, &Value::Null), []);
    }

    #[test]
    fn a_moment_is_told_to_the_minute() {
        assert_eq!(minute("2026-11-21T09:12:59.123Z"), "2026-11-21 09:12");
        assert_eq!(minute("?"), "?");
    }
}
