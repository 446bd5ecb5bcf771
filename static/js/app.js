/**
 * Where the page comes alive: the embedded frames go into the store, components read it, the client goes on from there.
 *
 * @import { Frame } from "./ringside-client.js"
 */
import { limitsOf } from "./charts/lane.js";
import { Lanes } from "./charts/lanes.js";
import { registerAccount } from "./components/account.js";
import { registerAlerts } from "./components/alerts.js";
import { CampaignTable } from "./components/campaign-table.js";
import { Connection } from "./components/connection.js";
import { Feed } from "./components/feed.js";
import { registerFreshness } from "./components/freshness.js";
import { registerHealth } from "./components/health.js";
import { registerKeys } from "./components/keys.js";
import { registerKpis } from "./components/kpi.js";
import { registerMetricsCards } from "./components/metrics-cards.js";
import { registerNotes } from "./components/notes.js";
import { registerOutcomes } from "./components/outcomes.js";
import { registerPause } from "./components/pause.js";
import { registerRanges } from "./components/ranges.js";
import { registerSidebar } from "./components/sidebar.js";
import { Sounds } from "./components/sounds.js";
import { registerTheme } from "./components/theme.js";
import { Toasts } from "./components/toasts.js";
import { moment, ServerClock, toLong } from "./lib/clock.js";
import { byId, setText } from "./lib/dom.js";
import { extendLogin, here } from "./lib/login.js";
import { RingsideClient } from "./ringside-client.js";
import { Store } from "./store.js";

const page = document.documentElement.dataset.page ?? "";
const campaignId = document.querySelector("[data-campaign-page]")?.getAttribute("data-campaign-page") ?? "";

/** @type {Frame[]} */
const frames = JSON.parse(byId("frames").textContent ?? "[]");
/** Older than this is history, not news. */
const NEWS_MS = 60_000;
const YOUNG_MINUTES = 10;
const clock = new ServerClock();
const store = new Store(undefined, (at) => clock.now() - moment(at) < NEWS_MS);
const client = new RingsideClient({ refresh: extendLogin });
for (const frame of frames) {
  store.apply(frame);
  if (frame.room) client.subscribe(frame.room, { cursor: frame.cursor }, (frame) => store.apply(frame));
}
const made = document.getElementById("made");
const madeAt = moment(made?.getAttribute("datetime"));
clock.guess(Number.isNaN(madeAt) ? Math.max(...frames.map((frame) => moment(frame.timestamp))) : madeAt);

client.onRoundTrip = (/** @type {number} */ sentAt, /** @type {string} */ serverTime) => clock.learn(sentAt, moment(serverTime));
client.onError = (/** @type {Error} */ { message }) => console.warn(message);
client.onUnauthorized = () => location.assign(`/login?expired=1&next=${here()}`);
const connection = new Connection({ store, client, clock });
const sounds = new Sounds(store);
/** @type {Lanes|null} */
let lanes = null;
/** @type {Feed|null} */
let feed = null;
/** @type {CampaignTable|null} */
let table = null;

registerAlerts(store);
new Toasts(store).start();
registerNotes(store);
registerSidebar(store);
registerAccount(client);
registerFreshness(store, clock);
sounds.start();
const togglePause = registerPause(store);
const toggleTheme = registerTheme(() => lanes?.rebuild());
/** @type {(() => void)|null} */
let openJump = null;
const jump = async () => {
  openJump ??= (await import("./components/jump.js")).registerJump(store);
  openJump();
};
byId("jump-open").addEventListener("click", jump);

/** @type {Record<string, import("./components/keys.js").Shortcut>} */
const shortcuts = {
  "/": { does: "jump to a campaign or page (also Ctrl K)", run: jump },
  p: { does: "pause or resume live updates", run: togglePause },
  t: { does: "change the theme", run: toggleTheme },
  x: { does: "alert sound on or off", run: () => sounds.toggle() },
  "g o": { does: "go to the overview", run: () => location.assign("/") },
  "g c": { does: "go to the campaigns", run: () => location.assign("/campaigns") },
};
if (document.querySelector(".nav a[href='/admin']")) {
  shortcuts["g a"] = { does: "go to the admin page", run: () => location.assign("/admin") };
}

if (page === "overview" || page === "campaign") {
  registerKpis(store, campaignId);
  // An hour of which only minutes are known is an empty chart: a young floor is shown by the second.
  const known = store.series.get(campaignId)?.minutes.filter((point) => point.active !== null).length ?? 0;
  const ranges = registerRanges(() => lanes?.draw(), known < YOUNG_MINUTES ? "1m" : "1h");
  lanes = new Lanes({ store, clock, series: campaignId, range: ranges.range, limits: limitsOf(store, campaignId) });
  feed = new Feed(store, page === "overview");
  registerOutcomes(store, campaignId, (outcome) => feed?.pick(outcome));
  shortcuts["1"] = { does: "charts over the last minute", run: () => ranges.pick("1m") };
  shortcuts["4"] = { does: "charts over the last hour", run: () => ranges.pick("1h") };
  feed.start();
  void lanes.start();
}
if (page === "overview") {
  registerMetricsCards(store);
  registerHealth(store);
}
if (page === "campaign") {
  const { registerCampaignPage } = await import("./components/campaign-page.js");
  registerCampaignPage(store, campaignId, () => clock.now());
}
if (page === "admin") (await import("./components/admin.js")).registerAdmin();
if (page === "overview" || page === "campaigns") {
  table = new CampaignTable(store);
  table.start();
  shortcuts.f = { does: "filter the table", run: () => table?.focusFilter() };
  shortcuts.j = { does: "next row", run: () => table?.move(1) };
  shortcuts.k = { does: "earlier row", run: () => table?.move(-1) };
  shortcuts.s = { does: "pin or unpin the row", run: () => table?.pinFocused() };
} else if (feed) {
  shortcuts.f = { does: "go to the feed", run: () => feed?.focus() };
}
registerKeys(shortcuts);

if (made) {
  const showTime = () => setText(made, toLong(clock.now()));
  if (made.previousSibling?.textContent?.trim() === "made") made.previousSibling.textContent = "";
  showTime();
  setInterval(() => !store.paused && showTime(), 1000);
}
client.connect();
connection.start();
