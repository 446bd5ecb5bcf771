/** A double of the server and of the clock: time passes only when it is told to, sockets say what a test says. */
import { RingsideClient } from "../../../static/js/ringside-client.js";

/** What waits for promises that are settled already. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));

/**
 * @param {object} [options] Of the client.
 * @returns `client`, and a `world` with the client's `sockets`, its questions (`asked`, each answered by `answer(n, frames…)`),
 *   and what it told: `states`, `errors`, `unauthorized`.
 */
export function double(options = {}) {
  const world = { now: 0, timers: [], sockets: [], asked: [], states: [], errors: [], unauthorized: 0, trips: [] };
  class FakeSocket {
    readyState = 0;
    sent = [];
    constructor(url, protocols) {
      Object.assign(this, { url, protocols });
      world.sockets.push(this);
    }
    open() {
      this.readyState = 1;
      this.onopen?.({});
    }
    hear(...frames) {
      for (const frame of frames) this.onmessage?.({ data: JSON.stringify({ timestamp: AT, ...frame }) });
    }
    end(code = 1006, reason = "") {
      this.readyState = 3;
      this.onclose?.({ code, reason });
    }
    send(text) {
      this.sent.push(JSON.parse(text));
    }
    close() {
      this.readyState = 3;
    }
    /** What was said of a kind, without ids. */
    said(action) {
      return this.sent.filter((message) => message.action === action).map(({ action: _, requestId: __, ...rest }) => rest);
    }
  }
  const client = new RingsideClient({
    url: "https://ringside.example",
    WebSocket: FakeSocket,
    fetch: (url, { headers, signal }) =>
      new Promise((resolve, reject) => {
        const { pathname, searchParams } = new URL(url);
        signal.addEventListener("abort", () => reject(signal.reason));
        const told = { path: pathname, ...Object.fromEntries(searchParams), headers: Object.fromEntries(headers), at: world.now, resolve, reject };
        world.asked.push(told);
      }),
    clock: {
      now: () => world.now,
      setTimeout: (run, ms) => {
        const timer = { run, at: world.now + ms };
        world.timers.push(timer);
        return timer;
      },
      clearTimeout: (timer) => (world.timers = world.timers.filter((one) => one !== timer)),
    },
    random: () => 1,
    ...options,
  });
  client.onState = (state) => world.states.at(-1) !== state && world.states.push(state);
  client.onError = (error) => world.errors.push(error);
  client.onUnauthorized = () => (world.unauthorized += 1);
  client.onRoundTrip = (...trip) => world.trips.push(trip);
  world.pass = async (ms) => {
    const until = world.now + ms;
    for (;;) {
      await settled();
      const due = world.timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      world.timers = world.timers.filter((timer) => timer !== due);
      world.now = due.at;
      due.run();
    }
    world.now = until;
  };
  /** Answers the newest question. */
  world.answer = async ({ status = 200, frames = [], cursor = "", problem = {}, retryAfter = null }) => {
    const headers = new Headers(retryAfter === null ? {} : { "retry-after": retryAfter });
    const body = status === 200 ? { frames: frames.map((frame) => ({ timestamp: AT, ...frame })), cursor } : problem;
    world.asked.at(-1).resolve({ ok: status === 200, status, headers, json: async () => body });
    await settled();
  };
  world.noAnswer = async () => {
    world.asked.at(-1).reject(new TypeError("fetch failed"));
    await settled();
  };
  return { client, world };
}

export const AT = "2026-11-20T12:00:00.000Z";

export const calls = (cursor, more = {}) => ({ type: "call_event", room: "calls:a", cursor, ...more });
export const state = (cursor, more = {}) => ({ type: "metrics_update", room: "campaign:a", cursor, ...more });
export const initial = (room, cursor) => ({ type: "initial", room, cursor });

/** A client that is live and watches rooms; `heard` has what their handlers got, as `type cursor`. */
export function live(rooms = ["calls:a"], options = {}) {
  const { client, world } = double(options);
  const heard = [];
  for (const room of rooms) client.subscribe(room, (frame) => heard.push([frame.type, frame.cursor].filter(Boolean).join(" ")));
  client.connect();
  world.sockets[0].open();
  world.sockets[0].hear(...rooms.map((room) => ({ type: "subscribed", room })));
  return { client, world, heard, socket: world.sockets[0] };
}
/** Has the newest socket fail until polling begins. */
export async function polling({ world }) {
  world.sockets.at(-1).end();
  await world.pass(500);
  world.sockets.at(-1).end();
  await settled();
}
