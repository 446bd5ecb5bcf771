/**
 * The admin page: each form asks one thing of the server, and says in itself what the server said. After a change the
 * list is the one that the server draws then.
 */
import { moment, toShort } from "../lib/clock.js";
import { byId, setHidden, setHtml, setText } from "../lib/dom.js";
import { html } from "../lib/html.js";
import { here } from "../lib/login.js";

/** @typedef {HTMLElement & { dataset: DOMStringMap }} Button */

/** What a button does that says so in `data-do`. @type {Record<string, (button: Button) => void>} */
const ACTIONS = {
  "add-user": () => addUser(),
  "change-user": (button) => changeUser(button),
  "issue-token": () => issueToken(),
  "revoke-token": ({ dataset: { id = "", name = "" } }) =>
    ask({
      title: `Revoke ${name}?`,
      text: "Whoever uses this token is refused from now on, and what is logged in with it is signed out.",
      yes: "Revoke",
      send: () => request("DELETE", `/admin/tokens/${id}`),
      done: `The token ${name} is revoked.`,
    }),
  "issue-key": () => issueKey(),
  "revoke-key": ({ dataset: { id = "", name = "" } }) =>
    ask({
      title: `Revoke this key of ${name}?`,
      text: "What the source sends with it is refused, within seconds.",
      yes: "Revoke",
      send: () => request("DELETE", `/admin/keys/${id}`),
      done: `The key of ${name} is revoked.`,
    }),
  "end-login": ({ dataset: { id = "", name = "", me } }) =>
    ask({
      title: me === "true" ? "End this login?" : `End the login of ${name}?`,
      text: "That browser is signed out within seconds. Signing in again is possible.",
      yes: "End login",
      send: () => request("DELETE", `/admin/sessions/${id}`),
      done: `The login of ${name} has ended.`,
    }),
  "end-all": () =>
    ask({
      title: "End all logins?",
      text: "Everybody in this tenant is signed out, you too, wallboards too. All can sign in again. Tokens for scripts and API keys stay: revoke them in their lists.",
      yes: "End all logins",
      send: () => request("POST", "/admin/sessions/end"),
      done: "All logins have ended.",
    }),
};

export function registerAdmin() {
  document.addEventListener("click", (event) => {
    const target = /** @type {Element} */ (event.target);
    target.closest("[data-close]")?.closest("dialog")?.close();
    const button = /** @type {Button|null} */ (target.closest("[data-do]"));
    if (button) ACTIONS[button.dataset.do ?? ""]?.(button);
  });
  document.getElementById("once-dialog")?.addEventListener("cancel", (event) => event.preventDefault());
  for (const radio of document.querySelectorAll("#token-dialog [name=kind]")) {
    radio.addEventListener("change", showKind);
  }
  tellLocalTimes();
}

/** Moments in the reader's own time; the server says them in UTC. */
function tellLocalTimes() {
  for (const time of byId("list").querySelectorAll("time")) {
    setText(time, toShort(moment(time.dateTime)));
    time.title = time.dateTime;
  }
}

/**
 * Asks the server for something.
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 */
async function request(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body && { "content-type": "application/json" },
    body: body && JSON.stringify(body),
  }).catch(() => null);
  if (!answer) throw new Error("Ringside does not answer. Check your connection and try again.");
  if (answer.status === 401) location.assign(`/auth/resume?next=${here()}`);
  const told = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new Error(told?.detail ?? "That did not work. Try again.");
  return told;
}

/**
 * Opens a form and sends it. A fault stays in it; what worked closes it, and `then` goes on.
 * @param {string} id
 * @param {(fields: FormData) => Promise<unknown>} send
 * @param {(told: any) => void|Promise<void>} then
 */
function open(id, send, then) {
  const dialog = /** @type {HTMLDialogElement} */ (byId(id));
  const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
  // Not `disabled`, with which it would lose the focus.
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button:not([type])"));
  const error = form.querySelector(".err");
  setText(error, "");
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    try {
      const told = await send(new FormData(form));
      dialog.close();
      await then(told);
    } catch (fault) {
      setText(error, /** @type {Error} */ (fault).message);
    } finally {
      button.ariaDisabled = null;
    }
  };
  dialog.showModal();
}

/**
 * Asks once before something that can't be taken back.
 * @param {{ title: string, text: string, yes: string, send: () => Promise<unknown>, done: string }} question
 */
function ask({ title, text, yes, send, done }) {
  setText(byId("ask-h"), title);
  setText(byId("ask-text"), text);
  setText(byId("ask-yes"), yes);
  open("ask-dialog", send, () => renew(done));
}

/**
 * Shows what is shown once, and then the list with it.
 * @param {string} title
 * @param {Record<string, string>} secrets By what they are called.
 * @param {string} done
 */
function showOnce(title, secrets, done) {
  setText(byId("once-h"), title);
  setText(byId("once-said"), "");
  const field = (/** @type {[string, string]} */ [name, secret], /** @type {number} */ n) =>
    html`<div class="field"><label for="once-${n}">${name}</label><div class="copy"><input class="input" id="once-${n}" readonly value="${secret}"><button class="btn" type="button" data-copy="once-${n}">Copy<span class="vh"> ${name}</span></button></div></div>`;
  const fields = byId("once-fields");
  setHtml(fields, html`${Object.entries(secrets).map(field)}`);
  for (const button of fields.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copy(button.getAttribute("data-copy") ?? ""));
  }
  open("once-dialog", async () => null, async () => {
    setHtml(fields, html``);
    await renew(done);
  });
}

/** @param {string} id */
async function copy(id) {
  const input = /** @type {HTMLInputElement} */ (byId(id));
  input.select();
  // Over plain HTTP browsers have no clipboard for pages but the one of the selection.
  const copied = await (navigator.clipboard?.writeText(input.value).then(() => true, () => false) ?? document.execCommand("copy"));
  setText(byId("once-said"), copied ? "Copied." : "Press Ctrl+C to copy it.");
}

/**
 * The list as it is now; what had the focus has it again, or the list's heading.
 * @param {string} done What is said of it.
 */
async function renew(done) {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
  // Signed out, by ourselves perhaps: the page itself knows where to go.
  if (!answer?.ok || answer.redirected) return location.reload();
  const { dataset } = /** @type {HTMLElement} */ (document.activeElement ?? document.body);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("list");
  if (!fresh) return location.reload();
  byId("list").replaceWith(document.adoptNode(fresh));
  tellLocalTimes();
  const again = [...fresh.querySelectorAll("[data-do]")].find((button) => {
    const { do: does, id } = /** @type {Button} */ (button).dataset;
    return does === dataset.do && id === dataset.id;
  });
  /** @type {HTMLElement} */ (again ?? byId("list-h")).focus();
  setHidden(byId("said"), false);
  setText(byId("said"), done);
}

/** An empty field is no campaign, which the server refuses: it must not come to mean all. @param {FormDataEntryValue|null} text */
function readCampaigns(text) {
  const ids = String(text ?? "").split(",").map((id) => id.trim()).filter(Boolean);
  return ids.length === 1 && ids[0] === "*" ? "*" : ids;
}

/** What is in a field, or nothing. @param {FormDataEntryValue|null} text */
function orNothing(text) {
  return String(text ?? "").trim() || undefined;
}

/**
 * The form of a user, who is new or known, and perhaps oneself.
 * @param {string} title
 * @param {{ known: boolean, me?: boolean }} who
 */
function userForm(title, { known, me = false }) {
  const form = /** @type {HTMLFormElement} */ (byId("user-dialog").querySelector("form"));
  form.reset();
  for (const part of form.querySelectorAll("[data-new]")) setHidden(part, known);
  for (const part of form.querySelectorAll("[data-known]")) setHidden(part, !known);
  setText(byId("user-h"), title);
  const save = /** @type {HTMLElement} */ (form.querySelector(".btn-primary"));
  setText(save, known ? "Save" : "Add");
  // One's own rights are another admin's to change.
  setHidden(save, me);
  roleField().disabled = me;
  form.campaigns.disabled = me;
  return form;
}

/** A form's own `role` is an attribute of accessibility. */
const roleField = () => /** @type {HTMLSelectElement} */ (byId("user-role"));

function addUser() {
  const form = userForm("Add user", { known: false });
  form.campaigns.value = "*";
  const send = (/** @type {FormData} */ fields) =>
    request("POST", "/admin/users", {
      name: String(fields.get("name")).trim(),
      role: fields.get("role"),
      campaigns: readCampaigns(fields.get("campaigns")),
      password: String(fields.get("password") ?? "") || undefined,
    });
  open("user-dialog", send, ({ user, password }) => {
    const done = `${user.name} can sign in now.`;
    if (password) showOnce(`The password of ${user.name}`, { Password: password }, done);
    else return renew(done);
  });
}

/** @param {Button} button */
function changeUser({ dataset }) {
  const { id: name = "", role = "", campaigns = "*", disabled, home, me } = dataset;
  const path = `/admin/users/${encodeURIComponent(name)}`;
  const form = userForm(name, { known: true, me: me === "true" });
  roleField().value = role;
  form.campaigns.value = campaigns;
  const locked = disabled === "true";
  const lock = /** @type {HTMLElement} */ (form.querySelector("[data-do=lock]"));
  setText(lock, locked ? "Unlock…" : "Lock…");
  setHidden(lock, home !== "true" || me === "true");
  setHidden(form.querySelector("[data-do=set-password]"), home !== "true");
  setHidden(form.querySelector("[data-do=remove-user]"), role === "admin");
  const also = (/** @type {() => void} */ next) => () => {
    /** @type {HTMLDialogElement} */ (byId("user-dialog")).close();
    next();
  };
  ACTIONS["set-password"] = also(() => setPassword(name, path));
  ACTIONS["end-logins"] = also(() =>
    ask({
      title: `End all logins of ${name}?`,
      text: "Those browsers are signed out within seconds. Signing in again is possible.",
      yes: "End all logins",
      send: () => request("POST", `${path}/end`),
      done: `The logins of ${name} have ended.`,
    }),
  );
  ACTIONS.lock = also(() =>
    ask({
      title: locked ? `Unlock ${name}?` : `Lock ${name}?`,
      text: locked ? "They can sign in again, with their password." : "They are signed out within seconds and can't sign in again until they are unlocked.",
      yes: locked ? "Unlock" : "Lock",
      send: () => request("PATCH", path, { disabled: !locked }),
      done: locked ? `${name} can sign in again.` : `${name} is locked.`,
    }),
  );
  ACTIONS["remove-user"] = also(() =>
    ask({
      title: `Remove ${name}?`,
      text: home === "true"
        ? "The account is deleted, with its access to other tenants. The audit log keeps what it did."
        : "The guest has no access to this tenant any more. The account stays at home.",
      yes: "Remove",
      send: () => request("DELETE", path),
      done: `${name} is removed.`,
    }),
  );
  const send = (/** @type {FormData} */ fields) =>
    request("PATCH", path, { role: fields.get("role") ?? undefined, campaigns: readCampaigns(fields.get("campaigns")) });
  open("user-dialog", send, () => renew(`${name} is changed.`));
}

/**
 * @param {string} name
 * @param {string} path
 */
function setPassword(name, path) {
  const form = /** @type {HTMLFormElement} */ (byId("password-dialog").querySelector("form"));
  form.reset();
  setText(byId("password-h"), `New password for ${name}`);
  const send = (/** @type {FormData} */ fields) =>
    request("POST", `${path}/password`, { password: String(fields.get("password") ?? "") || undefined });
  open("password-dialog", send, ({ password }) => {
    const done = `${name} has a new password.`;
    if (password) showOnce(`The password of ${name}`, { Password: password }, done);
    else return renew(done);
  });
}

function issueToken() {
  const form = /** @type {HTMLFormElement} */ (byId("token-dialog").querySelector("form"));
  form.reset();
  form.campaigns.value = "*";
  form.page.value = "overview";
  showKind();
  const send = (/** @type {FormData} */ fields) => {
    const wallboard = fields.get("kind") === "wallboard";
    const days = orNothing(fields.get("days"));
    return request("POST", "/admin/tokens", {
      kind: fields.get("kind"),
      name: orNothing(fields.get("name")) ?? "",
      role: wallboard ? undefined : fields.get("role"),
      campaigns: wallboard ? undefined : readCampaigns(fields.get("campaigns")),
      page: wallboard ? orNothing(fields.get("page")) : undefined,
      days: days && Number(days),
    });
  };
  open("token-dialog", send, ({ token, text }) => {
    /** @type {Record<string, string>} */
    const secrets = { Token: text };
    if (token.kind === "wallboard") secrets["Address for the screen"] = `${location.origin}/login#wallboard=${text}`;
    showOnce(`The token ${token.name}`, secrets, `The token ${token.name} is issued.`);
  });
}

function issueKey() {
  /** @type {HTMLFormElement} */ (byId("key-dialog").querySelector("form")).reset();
  const send = (/** @type {FormData} */ fields) =>
    request("POST", "/admin/keys", {
      source: String(fields.get("source")).trim(),
      name: String(fields.get("name")).trim(),
      signed: fields.has("signed"),
    });
  open("key-dialog", send, ({ key, text, secret }) => {
    /** @type {Record<string, string>} */
    const secrets = secret ? { Key: text, "Signing secret": secret } : { Key: text };
    showOnce(`The key of ${key.source}`, secrets, `The key of ${key.source} is issued.`);
  });
}

/** Only the fields of the kind that is chosen. */
function showKind() {
  const form = /** @type {HTMLFormElement} */ (byId("token-dialog").querySelector("form"));
  for (const part of form.querySelectorAll("[data-kind]")) {
    setHidden(part, part.getAttribute("data-kind") !== form.kind.value);
  }
}
