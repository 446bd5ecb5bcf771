//! `/admin/users`: who may log in to the tenant, and as what.
//!
//! An account is at home in one tenant and may be a guest in others. Its role and campaigns here are this tenant's to say;
//! its password and whether it is locked are said at home. Nobody changes their own
//! rights or locks themselves, and never the last admin. An admin sees all campaigns.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ringside_access::{
    Access, Account, AccountError, Accounts, AuditEntry, CampaignsJson, GeneratedPassword, Membership, Role, Viewer,
};
use ringside_engine::Engine;
use ringside_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::json_answer;
use super::{Admin, Reviewer, list_answer, read_body, read_scope};
use crate::error::Error;
use crate::extract::{Body, Path};

const ROLES: &str = "The roles are viewer, auditor, operator, supervisor and admin.";

/// A user as a tenant sees them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserRow {
    pub(crate) name: String,
    pub(crate) role: &'static str,
    pub(crate) campaigns: CampaignsJson,
    pub(crate) disabled: bool,
    /// True where the account is at home here.
    pub(crate) home: bool,
    /// To how many tenants it belongs.
    pub(crate) tenants: usize,
    /// How many logins it has that look at this tenant now.
    pub(crate) logins: usize,
}

/// All users of the viewer's tenant, by name.
pub(crate) async fn users_of(access: &Access, viewer: &Viewer) -> Result<Vec<UserRow>, Error> {
    let accounts = Account::list(access.engine()).await.map_err(Error::from)?;
    let sessions = access.sessions().list(&viewer.tenant, Timestamp::now()).await?;
    let user = |account: &Account| {
        let logins = sessions.iter().filter(|session| session.user == account.name).count();
        Some(UserRow::of(account, account.membership(&viewer.tenant)?, logins))
    };
    Ok(accounts.iter().filter_map(user).collect())
}

/// `GET /admin/users`
pub(crate) async fn list_users(State(access): State<Access>, reviewer: Reviewer) -> Result<Response, Error> {
    Ok(list_answer("users", &users_of(&access, &reviewer.viewer).await?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewUser {
    name: String,
    role: String,
    campaigns: CampaignsJson,
    password: Option<String>,
}

/// `POST /admin/users`: a user with the password that is given, or one that is made up and told once.
pub(crate) async fn add_user(State(access): State<Access>, admin: Admin, Body(body): Body) -> Result<Response, Error> {
    let wanted = "Send {\"name\":\"…\",\"role\":\"viewer\",\"campaigns\":\"*\"}; password may be given too.";
    let NewUser { name, role, campaigns, password } = read_body(&body, wanted)?;
    let tenant = admin.viewer.tenant.clone();
    let membership = Membership { tenant: tenant.clone(), role: read_role(&role)?, scope: read_scope(&campaigns)? };
    let (password, made_up) = or_made_up(password);
    let engine = access.engine();
    Accounts::add(engine, &name, &password, &membership).await.map_err(error_of)?;
    admin.did(&access, "user.add", &name, Value::Null, membership.audited()).await?;
    let account = find(engine, &tenant, &name).await?.0;
    let user = UserRow::of(&account, &membership, 0);
    Ok((StatusCode::CREATED, json_answer(json!({ "user": user, "password": made_up }).to_string())).into_response())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UserChange {
    role: Option<String>,
    campaigns: Option<CampaignsJson>,
    disabled: Option<bool>,
}

/// `PATCH /admin/users/{name}`: another role, other campaigns, locked or not; what is left out stays.
pub(crate) async fn change_user(
    State(access): State<Access>,
    admin: Admin,
    Path(name): Path<String>,
    Body(body): Body,
) -> Result<Response, Error> {
    let wanted = "Send what is to change: {\"role\":\"operator\"}, {\"campaigns\":[\"…\"]} or {\"disabled\":true}.";
    let change: UserChange = read_body(&body, wanted)?;
    let (engine, tenant) = (access.engine(), &admin.viewer.tenant);
    let role = change.role.as_deref().map(read_role).transpose()?;
    let scope = change.campaigns.as_ref().map(read_scope).transpose()?;
    let amend = |here: Membership| {
        let (role, scope) = (role.unwrap_or(here.role), scope.clone().unwrap_or(here.scope));
        Membership { tenant: here.tenant, role, scope }
    };
    let (account, here) = find(engine, tenant, &name).await?;
    let own = name == admin.viewer.user;
    let locks = change.disabled == Some(true) && !account.disabled;
    let wanted = amend(here.clone());
    if own && (locks || wanted != here) {
        return Err(Error::Conflict(
            "You can't change your own role or campaigns, or lock yourself out. Ask another admin.".to_owned(),
        ));
    }
    if change.disabled.is_some_and(|disabled| disabled || account.disabled) {
        require_home(&account, tenant)?;
    }
    if locks || demotes(&here, &wanted) {
        Accounts::require_other_admin(engine, &name, tenant).await.map_err(error_of)?;
    }
    // An admin's own entry shows the state of a moment ago. It must not undo what another admin changes now.
    if !own && (role.is_some() || scope.is_some()) {
        let (before, after) = Accounts::amend(engine, &name, tenant, amend).await.map_err(error_of)?;
        if demotes(&before, &after) && !has_admin(engine, tenant).await? {
            // Two admins have demoted each other at the same time.
            let restore = |_| before.clone();
            Accounts::amend(engine, &name, tenant, restore).await.map_err(error_of)?;
            return Err(error_of(AccountError::LastAdmin(name, tenant.clone())));
        }
        admin.did(&access, "user.grant", &name, before.audited(), after.audited()).await?;
    }
    // Both are done also where nothing changes: they may be said again because they could not be told before.
    match change.disabled {
        Some(true) => {
            Accounts::disable(engine, &name).await.map_err(error_of)?;
            if here.role == Role::Admin && !has_admin(engine, tenant).await? {
                Accounts::enable(engine, &name).await.map_err(error_of)?;
                return Err(error_of(AccountError::LastAdmin(name, tenant.clone())));
            }
            admin
                .did(&access, "user.disable", &name, json!({ "disabled": !locks }), json!({ "disabled": true }))
                .await?;
        }
        Some(false) if account.disabled => {
            Accounts::enable(engine, &name).await.map_err(error_of)?;
            admin.did(&access, "user.enable", &name, json!({ "disabled": true }), json!({ "disabled": false })).await?;
        }
        _ => {}
    }
    let users = users_of(&access, &admin.viewer).await?;
    let user = users.into_iter().find(|user| user.name == name);
    Ok(json_answer(json!({ "user": user }).to_string()))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: Option<String>,
}

/// `POST /admin/users/{name}/password`: the one that is given, or one that is made up and told once. It ends the account's
/// logins and unlocks it.
pub(crate) async fn set_password(
    State(access): State<Access>,
    admin: Admin,
    Path(name): Path<String>,
    Body(body): Body,
) -> Result<Response, Error> {
    let wanted = "Send {\"password\":\"…\"}, or nothing for one that is made up.";
    let NewPassword { password } = if body.is_empty() { NewPassword::default() } else { read_body(&body, wanted)? };
    let (account, _) = find(access.engine(), &admin.viewer.tenant, &name).await?;
    require_home(&account, &admin.viewer.tenant)?;
    let (password, made_up) = or_made_up(password);
    let unlocked = Accounts::set_password(access.engine(), &name, &password).await.map_err(error_of)?;
    let lock = |disabled: bool| if unlocked { json!({ "disabled": disabled }) } else { Value::Null };
    admin.did(&access, "user.password", &name, lock(true), lock(false)).await?;
    Ok(json_answer(json!({ "password": made_up }).to_string()))
}

/// `POST /admin/users/{name}/end`: ends all logins of a user; of a guest, and of who is here by an issuer's word, those
/// that look at this tenant.
pub(crate) async fn end_logins(
    State(access): State<Access>,
    admin: Admin,
    Path(name): Path<String>,
) -> Result<Response, Error> {
    let (engine, tenant) = (access.engine(), &admin.viewer.tenant);
    let sessions = access.sessions().list(tenant, Timestamp::now()).await?;
    let ids: Vec<&str> = sessions.iter().filter(|session| session.user == name).map(|s| s.id.as_str()).collect();
    let account = match find(engine, tenant, &name).await {
        Ok((account, _)) => Some(account),
        // A user of another issuer has no account.
        Err(_) if !ids.is_empty() => None,
        Err(error) => return Err(error),
    };
    if account.is_some_and(|account| account.home() == tenant) {
        Accounts::end_sessions(engine, &name).await.map_err(error_of)?;
    } else {
        for id in &ids {
            access.sessions().end(id).await?;
        }
        // A guest may look elsewhere just now, and have kept a token of this tenant.
        Accounts::end_tokens(engine, &name).await?;
    }
    admin.did(&access, "user.logout", &name, json!(ids.len()), Value::Null).await?;
    Ok(json_answer(json!({ "ended": ids.len() }).to_string()))
}

/// `DELETE /admin/users/{name}`: takes a user out of the tenant. Whoever is at home here is gone, a guest is not.
pub(crate) async fn remove_user(
    State(access): State<Access>,
    admin: Admin,
    Path(name): Path<String>,
) -> Result<StatusCode, Error> {
    let removed = Accounts::remove(access.engine(), &name, &admin.viewer.tenant).await.map_err(error_of)?;
    for here in removed {
        let entry = AuditEntry::by(&admin.viewer.user, admin.peer.address, "user.remove", &name);
        access.audit().record(&here.tenant, &entry.changed(here.audited(), Value::Null)).await?;
    }
    access.revocations().read().await?;
    Ok(StatusCode::NO_CONTENT)
}

impl UserRow {
    fn of(account: &Account, membership: &Membership, logins: usize) -> Self {
        Self {
            name: account.name.clone(),
            role: membership.role.as_str(),
            campaigns: (&membership.scope).into(),
            disabled: account.disabled,
            home: *account.home() == membership.tenant,
            tenants: account.memberships.len(),
            logins,
        }
    }
}

/// The account, and what it is here; the same answer where there is none and where it is another tenant's.
async fn find(engine: &dyn Engine, tenant: &TenantId, name: &str) -> Result<(Account, Membership), Error> {
    let account = Account::get(engine, name).await.map_err(error_of)?;
    let found = account.and_then(|account| account.membership(tenant).cloned().map(|here| (account, here)));
    found.ok_or_else(no_such_user)
}

fn no_such_user() -> Error {
    Error::NoSuchEntry("There is no such user in this tenant. GET /admin/users lists them.")
}

fn require_home(account: &Account, tenant: &TenantId) -> Result<(), Error> {
    if account.home() == tenant {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "{} is a guest from another tenant, whose admins set the password and lock the account. Here you can change the \
         role and the campaigns, end the logins, and remove the guest.",
        account.name
    )))
}

async fn has_admin(engine: &dyn Engine, tenant: &TenantId) -> Result<bool, Error> {
    Ok(Account::list(engine).await.map_err(error_of)?.iter().any(|account| account.administers(tenant)))
}

fn demotes(before: &Membership, after: &Membership) -> bool {
    before.role == Role::Admin && after.role != Role::Admin
}

fn read_role(text: &str) -> Result<Role, Error> {
    Role::of_person(text).ok_or_else(|| Error::BadRequest(format!("There is no role \"{text}\". {ROLES}")))
}

/// The password to set, and the one to tell.
fn or_made_up(password: Option<String>) -> (String, Option<String>) {
    match password {
        Some(password) => (password, None),
        None => {
            let made_up = GeneratedPassword::generate().to_string();
            (made_up.clone(), Some(made_up))
        }
    }
}

/// What an account's error is to who sits at a browser.
fn error_of(error: AccountError) -> Error {
    match error {
        AccountError::Taken(name) => Error::Conflict(format!("The name {name} is taken. Choose another one.")),
        AccountError::NoSuchAccount(_) => no_such_user(),
        AccountError::LastAdmin(name, _) => {
            Error::Conflict(format!("{name} is the last admin here. Make somebody else an admin first."))
        }
        // Which tenant it is may be another one, and is not told.
        AccountError::IsAdmin(name, _) => Error::Conflict(format!(
            "{name} is an admin. Give the account another role first, wherever it is an admin."
        )),
        AccountError::AdminNeedsAllCampaigns => Error::BadRequest(
            "An admin sees all campaigns. Leave out the list (or send \"*\"), or choose another role.".to_owned(),
        ),
        error => Error::from(error),
    }
}
