/** Signing in: one question, one sentence back. */
import { byId, setText } from "./lib/dom.js";

const form = /** @type {HTMLFormElement} */ (byId("login"));
const button = /** @type {HTMLButtonElement} */ (byId("login-button"));
const password = /** @type {HTMLInputElement} */ (byId("password"));

/** @param {string} sentence */
function refuse(sentence) {
  setText(byId("login-error"), sentence);
  password.setAttribute("aria-invalid", "true");
  password.select();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new FormData(form);
  button.disabled = true;
  try {
    const answer = await fetch("/auth/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username: fields.get("username"), password: fields.get("password") }),
    });
    if (answer.ok) {
      location.assign(String(fields.get("next") || "/"));
      return;
    }
    const problem = await answer.json().catch(() => null);
    refuse(problem?.detail ?? problem?.message ?? problem?.title ?? "Signing in did not work. Try again.");
  } catch {
    refuse("Ringside does not answer. Check your connection and try again.");
  }
  button.disabled = false;
});

for (const field of form.querySelectorAll(".input")) {
  field.addEventListener("input", () => {
    setText(byId("login-error"), "");
    password.removeAttribute("aria-invalid");
  });
}
