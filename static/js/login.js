/** Signing in: one question, one sentence back. A wallboard brings its token in the address, behind the `#`. */
import { byId, setHidden, setText } from "./lib/dom.js";

const form = /** @type {HTMLFormElement} */ (byId("login"));
const button = /** @type {HTMLButtonElement} */ (byId("login-button"));
const password = /** @type {HTMLInputElement} */ (byId("password"));

/** @param {string} sentence */
function refuse(sentence) {
  setText(byId("login-error"), sentence);
  password.setAttribute("aria-invalid", "true");
  password.select();
}

/** Logs in, and goes on to a page. @param {Record<string, unknown>} credentials @param {string} next */
async function signIn(credentials, next) {
  button.disabled = true;
  try {
    const answer = await fetch("/auth/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(credentials),
    });
    if (answer.ok) {
      location.replace(next);
      return;
    }
    const problem = await answer.json().catch(() => null);
    refuse(problem?.detail ?? problem?.title ?? "Signing in did not work. Try again.");
  } catch {
    refuse("Ringside does not answer. Check your connection and try again.");
  }
  button.disabled = false;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = new FormData(form);
  void signIn({ username: fields.get("username"), password: fields.get("password") }, String(fields.get("next") || "/"));
});

// What is behind the `#` never leaves the browser: no server and no proxy has it in its log.
const token = new URLSearchParams(location.hash.slice(1)).get("wallboard");
if (token) void showWallboard(token);

/**
 * A screen on a wall has no keyboard, and goes on by itself. Whoever is signed in here is asked: anybody can write a link.
 * @param {string} token
 */
async function showWallboard(token) {
  const owner = await whoIsHere().catch(() => undefined);
  if (owner === undefined) return refuse("Ringside does not answer. Check your connection and try again.");
  // One wallboard after another is what a screen shows that is switched on again.
  if (!owner || owner.role === "wallboard") return signIn({ token }, "/");
  const question = byId("wallboard");
  const show = byId("wallboard-show");
  setText(byId("wallboard-user"), owner.user);
  show.addEventListener("click", () => {
    setHidden(question, true);
    setHidden(form, false);
    void signIn({ token }, "/");
  });
  setHidden(form, true);
  setHidden(question, false);
  show.focus();
}

/**
 * Whose login this browser has; null where it has none. Rejects where nobody can say.
 * @returns {Promise<{ user: string, role: string }|null>}
 */
async function whoIsHere() {
  const me = await fetch("/auth/me");
  // Its token may be over, and the login not.
  const answer = me.status === 401 ? await fetch("/auth/refresh", { method: "POST" }) : me;
  if (answer.status === 401) return null;
  if (!answer.ok) throw new Error(`nobody says who is here: ${answer.status}`);
  return answer.json();
}

for (const field of form.querySelectorAll(".input")) {
  field.addEventListener("input", () => {
    setText(byId("login-error"), "");
    password.removeAttribute("aria-invalid");
  });
}
