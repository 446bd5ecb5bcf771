//! `/admin/audit`: who did what, newest first, in pages or as a file.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use ringside_access::{Access, AuditEntry, AuditLine};
use ringside_engine::{EngineError, JournalEntryId};
use ringside_http::{Problem, is_from_elsewhere};
use ringside_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::csv::put_line;
use super::{Reviewer, list_answer_of};
use crate::error::Error;
use crate::extract::{Query, QueryParams};

const DEFAULT_LIMIT: usize = 50;
const LARGEST_LIMIT: usize = 500;
/// How many entries are read from the engine at once.
const CHUNK: usize = 500;
/// How many entries are scanned for one page. A filter for something rare gets a shorter page and continues from there.
const LOOKED_THROUGH: usize = 20_000;

/// Which entries are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AuditFilter {
    /// Somebody whose name has this in it.
    pub(crate) who: Option<String>,
    /// The action, or its beginning: `user` matches `user.add`, `user.grant`…
    pub(crate) what: Option<String>,
    /// True for what was done, false for what was refused.
    pub(crate) done: Option<bool>,
}

/// A page of the audit log.
#[derive(Debug, Serialize)]
pub(crate) struct AuditPage {
    pub(crate) entries: Vec<AuditLine>,
    /// The `before` of the next page; none where that was all.
    pub(crate) next: Option<String>,
}

/// The newest entries before a place.
pub(crate) async fn read_audit(
    access: &Access,
    tenant: &TenantId,
    filter: &AuditFilter,
    mut before: Option<JournalEntryId>,
    limit: usize,
) -> Result<AuditPage, Error> {
    let mut entries = Vec::new();
    let mut looked_through = 0;
    while looked_through < LOOKED_THROUGH {
        let lines = access.audit().read(tenant, before, CHUNK).await?;
        let last = lines.len() < CHUNK;
        for line in lines {
            before = JournalEntryId::parse(&line.id);
            looked_through += 1;
            if filter.takes(&line.entry) {
                entries.push(line);
                if entries.len() == limit {
                    return Ok(AuditPage { entries, next: before.map(|id| id.to_string()) });
                }
            }
        }
        if last {
            return Ok(AuditPage { entries, next: None });
        }
    }
    Ok(AuditPage { entries, next: before.map(|id| id.to_string()) })
}

#[derive(Deserialize)]
pub(crate) struct AuditQuery {
    before: Option<String>,
    limit: Option<usize>,
    who: Option<String>,
    what: Option<String>,
    outcome: Option<String>,
    format: Option<String>,
}

impl QueryParams for AuditQuery {
    const ALLOWED: &'static str = "limit is a whole number, 1 to 500; before is the \"next\" of the page that came last; \
        who is a part of a name; what is such as user or user.add; outcome is ok or refused. Give each at most once.";
}

impl AuditQuery {
    fn filter(&self) -> Result<AuditFilter, Error> {
        AuditFilter::read(self.who.as_deref(), self.what.as_deref(), self.outcome.as_deref())
    }
}

/// `GET /admin/audit?before=&limit=&who=&what=&outcome=`
pub(crate) async fn list_audit(
    State(access): State<Access>,
    reviewer: Reviewer,
    Query(query): Query<AuditQuery>,
) -> Result<Response, Error> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        return Err(Error::BadRequest(format!("limit must be 1 to {LARGEST_LIMIT}.")));
    }
    let before = read_before(query.before.as_deref())?;
    let page = read_audit(&access, &reviewer.viewer.tenant, &query.filter()?, before, limit).await?;
    Ok(list_answer_of(&page))
}

/// The place of a page.
pub(crate) fn read_before(text: Option<&str>) -> Result<Option<JournalEntryId>, Error> {
    let bad = || Error::BadRequest("before must be the \"next\" of the page that came last.".to_owned());
    text.filter(|text| !text.is_empty()).map(|text| JournalEntryId::parse(text).ok_or_else(bad)).transpose()
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Ndjson,
}

/// `GET /admin/audit/export?format=csv|ndjson`: all that is kept, newest first. That somebody took it is noted, and stands
/// in the file. Another site's link to it is not followed: it would leave a file and an entry that nobody wanted.
pub(crate) async fn export_audit(
    State(access): State<Access>,
    reviewer: Reviewer,
    headers: HeaderMap,
    Query(query): Query<AuditQuery>,
) -> Result<Response, Error> {
    if is_from_elsewhere(&headers) {
        return Err(Problem::foreign_origin().into());
    }
    let format = match query.format.as_deref() {
        Some("csv") => Format::Csv,
        Some("ndjson") => Format::Ndjson,
        _ => return Err(Error::BadRequest("format must be csv or ndjson.".to_owned())),
    };
    let filter = query.filter()?;
    let Reviewer { viewer, peer } = reviewer;
    let asked = json!({ "format": format.name(), "who": filter.who, "what": filter.what, "outcome": query.outcome });
    let entry =
        AuditEntry::by(&viewer.user, peer.address, "audit.export", viewer.tenant.as_str()).changed(Value::Null, asked);
    access.audit().record(&viewer.tenant, &entry).await?;
    let today = Timestamp::now().to_string();
    let name = format!("ringside_audit_{}_{}.{}", viewer.tenant, &today[..10], format.name());
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")).expect("names are plain");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.content_type())),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    let file = File { access, tenant: viewer.tenant, filter, format, place: Place::Start };
    let pieces = stream::unfold(file, async |mut file| file.next().await.map(|piece| (piece, file)));
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// How far a file is written.
enum Place {
    Start,
    Before(JournalEntryId),
    End,
}

/// A file that is written while it is sent, a chunk at a time.
struct File {
    access: Access,
    tenant: TenantId,
    filter: AuditFilter,
    format: Format,
    place: Place,
}

impl File {
    /// The next piece. A fault ends the answer in the middle, so that nobody takes a part for the whole.
    async fn next(&mut self) -> Option<Result<String, EngineError>> {
        let mut piece = String::new();
        let before = match self.place {
            Place::End => return None,
            Place::Start => {
                if self.format == Format::Csv {
                    put_line(&mut piece, ["id", "at", "who", "from", "what", "target", "outcome", "before", "after"]);
                }
                None
            }
            Place::Before(id) => Some(id),
        };
        let lines = match self.access.audit().read(&self.tenant, before, CHUNK).await {
            Ok(lines) => lines,
            Err(error) => {
                self.place = Place::End;
                return Some(Err(error));
            }
        };
        let last = lines.last().filter(|_| lines.len() == CHUNK).and_then(|line| JournalEntryId::parse(&line.id));
        self.place = last.map_or(Place::End, Place::Before);
        for line in lines.iter().filter(|line| self.filter.takes(&line.entry)) {
            self.format.put(&mut piece, line);
        }
        Some(Ok(piece))
    }
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    fn put(self, out: &mut String, line: &AuditLine) {
        match self {
            Self::Csv => {
                let AuditLine { id, entry } = line;
                let from = entry.address.map(|from| from.to_string()).unwrap_or_default();
                let [before, after] = [&entry.before, &entry.after].map(|value| match value {
                    Value::Null => String::new(),
                    value => value.to_string(),
                });
                let AuditEntry { at, user, action, target, outcome, .. } = entry;
                put_line(out, [id, at, user, &from, action, target, outcome, &before, &after].map(String::as_str));
            }
            Self::Ndjson => {
                out.push_str(&serde_json::to_string(line).expect("a line always serialises"));
                out.push('\n');
            }
        }
    }
}

impl AuditFilter {
    /// Reads a filter; empty texts are none.
    pub(crate) fn read(who: Option<&str>, what: Option<&str>, outcome: Option<&str>) -> Result<Self, Error> {
        let text = |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let done = match outcome.filter(|outcome| !outcome.is_empty()) {
            None => None,
            Some("ok") => Some(true),
            Some("refused") => Some(false),
            Some(_) => return Err(Error::BadRequest("outcome must be ok or refused.".to_owned())),
        };
        Ok(Self { who: text(who).map(|who| who.to_lowercase()), what: text(what), done })
    }

    fn takes(&self, entry: &AuditEntry) -> bool {
        let is = |what: &String| {
            entry.action.strip_prefix(what.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.who.as_ref().is_none_or(|who| entry.user.to_lowercase().contains(who))
            && self.what.as_ref().is_none_or(is)
            && self.done.is_none_or(|done| done == (entry.outcome == "ok"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_parts_of_names_and_kinds_of_things_done() {
        let entry = AuditEntry::by("Ann.Lee", None, "user.add", "bob");
        let takes = |who, what, outcome| AuditFilter::read(who, what, outcome).unwrap().takes(&entry);
        assert!(
            takes(None, None, None) && takes(Some("lee"), Some("user"), Some("ok")) && takes(Some(""), Some(""), None)
        );
        assert!(takes(None, Some("user.add"), None));
        assert!(
            !takes(Some("bob"), None, None) && !takes(None, Some("use"), None) && !takes(None, None, Some("refused"))
        );
        assert!(AuditFilter::read(None, None, Some("fine")).is_err());
    }
}
