import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";

import { axeFindsNothing } from "../support/axe.js";
import { eventually, openBrowser } from "../support/browser.js";
import { IdentityProvider, signInAndStay, signInThere } from "../support/provider.js";
import { Ringside, freePort } from "../support/ringside.js";

/** Another client of the same provider, whose ID tokens Ringside takes too. Nobody listens there. */
const PORTAL = { id: "portal", redirect: "https://portal.example/back" };

/** Nothing here takes long. */
const PATIENCE_MS = 20_000;

let provider, ringside, browser;
before(async () => {
  const port = await freePort();
  const toml = `
    simulate = false
    host = false
    [[issuers]]
    id = "example"
    name = "Example ID"
    issuer = "${IdentityProvider.issuerAt(port)}"
    audience = "${PORTAL.id}"
    client_id = "ringside"
    client_secret = "a secret: with & signs"
    scopes = ["work"]
    tenant = "default"
    role_claim = "roles"
    roles = { manager = "supervisor", clerk = "viewer" }
    campaigns_claim = "campaigns"
  `;
  ringside = await Ringside.start({ toml });
  // It comes later than Ringside, which asks again when somebody wants to sign in.
  const client = { id: "ringside", secret: "a secret: with & signs", redirect: `${ringside.url}/auth/sso/example/callback` };
  provider = await IdentityProvider.start({ port, clients: [client, PORTAL] });
  for (const campaign of ["alpha", "beta"]) {
    await ringside.ingest({ id: campaign, type: "call.dialing", at: new Date().toISOString(), campaign, callId: campaign });
  }
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await ringside?.stop();
  await provider?.stop();
});

async function openLogin({ path = "/login", ...options } = {}) {
  const context = await browser.newContext({ baseURL: ringside.url, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  await context.route("https://fonts.googleapis.com/**", (route) => route.abort());
  const page = await context.newPage();
  await page.goto(path);
  return page;
}

const button = (page) => page.getByRole("link", { name: "Sign in with Example ID" });
const told = (page, sentence) => page.getByRole("alert").filter({ hasText: sentence }).waitFor();
const whoAmI = (page) => page.context().request.get("/auth/me");

/** Signs in there, and returns the address that leads back, to which the browser has not gone. */
async function stopAtCallback(page) {
  await button(page).click();
  return signInAndStay(page, "ann", `${ringside.url}/auth/sso/example/callback`);
}

test("somebody signs in at the provider by keyboard and comes back as who they are there", async () => {
  const page = await openLogin({ path: "/campaigns" });
  assert.match(page.url(), /\/login\?next=/);
  await page.getByRole("button", { name: "Sign in" }).focus();
  await page.keyboard.press("Tab");
  assert.ok(await button(page).evaluate((it) => it === document.activeElement));
  await page.keyboard.press("Enter");
  await signInThere(page, "ann");
  await page.waitForURL(`${ringside.url}/campaigns`);
  await page.getByRole("heading", { name: "Campaigns", level: 1 }).waitFor();
  const me = await (await whoAmI(page)).json();
  assert.deepEqual(
    [me.user, me.tenant, me.role, me.campaigns],
    ["example:ann", "default", "supervisor", ["alpha"]],
  );
  const look = async (campaign) => (await page.context().request.get(`/analytics/campaigns/${campaign}/metrics`)).status();
  await eventually("alpha is there", async () => (await look("alpha")) === 200);
  assert.equal(await look("beta"), 404);
  const cookies = await page.context().cookies(ringside.url);
  assert.ok(!cookies.some((cookie) => cookie.name.includes("sso")), "the cookie of the way is gone");
  assert.ok(cookies.filter((cookie) => cookie.name.startsWith("ringside")).every((cookie) => cookie.httpOnly));
  await page.context().close();
});

test("without JavaScript it works too, and who cancels is told so", async () => {
  const page = await openLogin({ javaScriptEnabled: false, path: "/login?next=/alerts" });
  await button(page).click();
  await page.getByRole("link", { name: "Cancel" }).click();
  await told(page, "You did not finish signing in.");
  assert.equal((await whoAmI(page)).status(), 401);
  await button(page).click();
  await signInThere(page, "ann");
  await page.waitForURL(`${ringside.url}/alerts`);
  assert.equal((await whoAmI(page)).status(), 200);
  await page.context().close();
});

test("who has no role here is told so and not let in", async () => {
  const page = await openLogin();
  await button(page).click();
  await signInThere(page, "bob");
  await told(page, "You are signed in there, but have no access here.");
  assert.equal((await whoAmI(page)).status(), 401);
  await page.context().close();
});

test("a way back is good for one login only, even with its cookie kept", async () => {
  const page = await openLogin();
  const address = await stopAtCallback(page);
  const kept = (await page.context().cookies(`${ringside.url}/auth/sso/`)).find(({ name }) => name === "ringside_sso");
  await page.goto(address);
  await page.waitForURL(`${ringside.url}/`);
  await page.context().clearCookies({ name: /^ringside/ });
  await page.goto(address);
  await told(page, "That sign-in is over");
  await page.context().addCookies([kept]);
  await page.goto(address);
  await told(page, "That sign-in is over");
  assert.equal((await whoAmI(page)).status(), 401);
  await page.context().close();
});

test("a state that was changed, another browser's, and another provider's name lead nowhere", async () => {
  const [page, other] = [await openLogin(), await openLogin()];
  const [address, others] = [await stopAtCallback(page), await stopAtCallback(other)];
  const changed = (name, value) => {
    const url = new URL(address);
    url.searchParams.set(name, value);
    return url.href;
  };
  const sealed = (await page.context().cookies(`${ringside.url}/auth/sso/`)).filter(({ name }) => name === "ringside_sso");
  const tries = [changed("state", "x".repeat(43)), changed("state", ""), changed("iss", "https://evil.example"), others];
  for (const wrong of tries) {
    await page.context().addCookies(sealed);
    await page.goto(wrong);
    await told(page, "That sign-in is over");
    assert.equal((await whoAmI(page)).status(), 401, wrong);
  }
  // And the code of one browser's sign-in in another one's: the verifier does not fit.
  const mixed = new URL(others);
  mixed.searchParams.set("code", new URL(address).searchParams.get("code"));
  await other.goto(mixed.href);
  await told(other, "That sign-in is over");
  assert.equal((await whoAmI(other)).status(), 401);
  await Promise.all([page.context().close(), other.context().close()]);
});

test("a portal turns its user's ID token into a login here, and a changed one into none", async () => {
  const page = await openLogin();
  const verifier = randomBytes(32).toString("base64url");
  const asked = new URL(`${provider.issuer}/auth`);
  asked.search = new URLSearchParams({
    client_id: PORTAL.id,
    redirect_uri: PORTAL.redirect,
    response_type: "code",
    scope: "openid work",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  }).toString();
  await page.goto(asked.href);
  const back = new URL(await signInAndStay(page, "ann", PORTAL.redirect));
  const form = { grant_type: "authorization_code", client_id: PORTAL.id, redirect_uri: PORTAL.redirect, code_verifier: verifier };
  const code = back.searchParams.get("code");
  const exchanged = await fetch(`${provider.issuer}/token`, { method: "POST", body: new URLSearchParams({ ...form, code }) });
  const { id_token: token } = await exchanged.json();
  const logIn = (token) => page.context().request.post("/auth/login", { data: { token } });
  const [head, claims, signature] = token.split(".");
  const richer = { ...JSON.parse(Buffer.from(claims, "base64url")), campaigns: "*" };
  for (const wrong of [
    `${head}.${Buffer.from(JSON.stringify(richer)).toString("base64url")}.${signature}`,
    `${Buffer.from('{"alg":"none"}').toString("base64url")}.${claims}.`,
    token.slice(0, -4),
  ]) {
    const answer = await logIn(wrong);
    assert.deepEqual([answer.status(), (await answer.json()).code], [401, "bad_token"]);
  }
  const answer = await logIn(token);
  assert.equal(answer.status(), 200, await answer.text());
  const me = await (await whoAmI(page)).json();
  assert.deepEqual([me.user, me.role], ["example:ann", "supervisor"]);
  await page.context().close();
});

for (const [theme, width] of [["dark", 1440], ["light", 390]]) {
  test(`axe finds nothing on the sign-in page with its button, ${theme}, ${width} px, and nothing scrolls sideways`, async () => {
    const page = await openLogin({ viewport: { width, height: 800 }, path: "/login?error=sso_cancelled" });
    await page.context().addCookies([{ name: "ringside_theme", value: theme, url: ringside.url }]);
    await page.reload();
    await axeFindsNothing(page);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/sso-${theme}-${width}.png` });
    await page.context().close();
  });
}
