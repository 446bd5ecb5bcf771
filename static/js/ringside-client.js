/**
 * Ringside from the outside: rooms over a WebSocket, over polls where that can't be had, with a cursor for each room.
 *
 *     const client = new RingsideClient({ url: "https://ringside.example", getToken });
 *     client.subscribe("campaign:alpha", (frame) => …);
 *     client.connect();
 *     await client.command("campaign.pause", "alpha");
 *
 * A frame goes from a door (`#open`, `#ask`) through `#hear` and `#inOrder` to the room's handler. No dependencies, no
 * DOM; a browser or Node 20 and later. The types are in `ringside-client.d.ts`, the protocol in `docs/protocol.md`.
 *
 * @import { RingsideClient as Declared, Clock, Frame, Options, State, SubscribeOptions } from "./ringside-client.d.ts"
 */
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MOST_MS = 20_000;
/** A connection that held for so long was a good one: waits begin small again. */
const STABLE_MS = 30_000;
const PING_EVERY_MS = 10_000;
/** Nothing for so long, not even a pong: the connection is dead, whatever it says. */
const SILENCE_MS = 15_000;
/** Polling begins after so many connections that failed, or so long without a word. */
const FAILURES_BEFORE_POLLING = 2;
const OPEN_WITHIN_MS = 4000;
/** While polls get through, the WebSocket is tried so often. */
const SOCKET_AGAIN_MS = 60_000;
const POLL_EVERY_MS = 2000;
/** So long the server holds a poll without news; with more than one question at a time, not at all. */
const POLL_HELD_S = 25;
const POLL_WITHIN_MS = 40_000;
const ROOMS_A_POLL = 100;
const COMMAND_WITHIN_MS = 10_000;
/** Why a question that is being asked is put again. */
const AGAIN = new Error("a room came to it");
/** Of these the newest counts, so they may come again at the same place. */
const STATES = ["metrics_update", "system_health_update"];

const DEFAULTS = {
  /** @type {typeof fetch} */ fetch: (...args) => fetch(...args),
  /** @type {Clock} */ clock: {
    now: () => Date.now(),
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer),
  },
  random: () => Math.random(),
};

/**
 * What is known of a room: where it goes on (`pollCursor` where its frames have no cursor), that nothing counts before
 * its `initial` (`fresh`), how much was announced as left out, and whether a gap is being repaired.
 * @typedef {{ name: string, hear: (frame: Frame) => void, metrics?: string[], cursor?: string, pollCursor?: string,
 *   fresh: boolean, skipped: number, repair: ""|"asked"|"answered" }} Room
 * @typedef {{ message: object, settle: (end: Frame|RingsideError) => void }} Command
 */

export class RingsideError extends Error {
  name = "RingsideError";
  /** @param {string} code @param {string} message @param {{ room?: string }} [more] */
  constructor(code, message, { room } = {}) {
    super(message);
    this.code = code;
    this.room = room;
  }
}

const unconfirmed = () => new RingsideError("unconfirmed", "Nobody said in time whether the command was applied.");

/** @param {string|undefined} cursor */
function readCursor(cursor) {
  const [epoch, offset] = (cursor ?? "").split(":");
  return offset ? { epoch, offset: Number(offset) } : null;
}

/** @implements {Declared} */
export class RingsideClient {
  /** @type {State} */ state = "closed";
  tries = 0;
  retryAt = 0;
  /** @type {number|null} */ roundTripMs = null;
  /** @type {Declared["onState"]} */ onState = () => {};
  /** @type {Declared["onError"]} */ onError = () => {};
  /** @type {Declared["onRoundTrip"]} */ onRoundTrip = () => {};
  onUnauthorized = () => {};

  /** What it was made with. @type {Options & typeof DEFAULTS & { url: string }} */
  #options;
  /** @type {string|undefined} */ #token;
  /** @type {Map<string, Room>} */ #rooms = new Map();
  /** Without an end yet, by request id. @type {Map<string, Command>} */
  #commands = new Map();
  /** @type {Record<string, unknown>} */ #timers = {};
  /** @type {WebSocket|null} */ #socket = null;
  /** Counts tries, so that what an older one still brings is not taken for this one's. */
  #turn = 0;
  /** Connections in a row that ended badly. */
  #failures = 0;
  /** When to come back, as a `bye` said. @type {number|null} */
  #advisedMs = null;
  #pingAt = 0;
  #pollFailures = 0;
  /** While it polls: ends the questions that are being asked. @type {AbortController|null} */
  #asking = null;

  /** @param {Options} [options] */
  constructor(options = {}) {
    const url = options.url ?? globalThis.location?.origin;
    if (!url) throw new TypeError('Say where the server is: { url: "https://…" }.');
    this.#options = { ...DEFAULTS, WebSocket: globalThis.WebSocket, ...options, url };
    this.#token = options.token;
  }

  connect() {
    if (this.state === "closed") this.#become("connecting");
    this.#drop();
    void this.#open();
  }

  close() {
    if (this.state === "closed") return;
    this.#turn += 1;
    this.#drop();
    this.#endPolling();
    this.retryAt = 0;
    this.#become("closed");
    for (const { settle } of [...this.#commands.values()]) settle(unconfirmed());
  }

  /**
   * @param {string} name
   * @param {SubscribeOptions|((frame: Frame) => void)} options
   * @param {(frame: Frame) => void} [hear]
   * @returns {() => void}
   */
  subscribe(name, options, hear) {
    if (typeof options === "function") return this.subscribe(name, {}, options);
    if (!hear) throw new TypeError(`Say what hears the frames of ${name}.`);
    if (this.#rooms.has(name)) throw new TypeError(`${name} is watched already: unsubscribe first.`);
    const { cursor, metrics } = options;
    /** @type {Room} */
    const room = { name, hear, metrics, cursor, fresh: !cursor, skipped: 0, repair: "" };
    this.#rooms.set(name, room);
    this.#join(room);
    // The question that is being asked does not know of it.
    this.#asking?.abort(AGAIN);
    return () => this.unsubscribe(name);
  }

  /** @param {string} name */
  unsubscribe(name) {
    if (this.#rooms.delete(name)) this.#send({ action: "unsubscribe", room: name });
  }

  /** @param {string} name */
  cursor(name) {
    return this.#rooms.get(name)?.cursor;
  }

  /**
   * @param {string} kind @param {string} target @param {object} [args] @param {{ timeoutMs?: number }} [options]
   * @returns {Promise<Frame>}
   */
  command(kind, target, args = {}, { timeoutMs = COMMAND_WITHIN_MS } = {}) {
    const { clock } = this.#options;
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const requestId = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const message = { action: "command", requestId, kind, target, args };
    return new Promise((resolve, reject) => {
      /** @type {Command["settle"]} */
      const settle = (end) => {
        clock.clearTimeout(timer);
        this.#commands.delete(requestId);
        if (end instanceof RingsideError) reject(end);
        else resolve(end);
      };
      const timer = clock.setTimeout(() => settle(unconfirmed()), timeoutMs);
      this.#commands.set(requestId, { message, settle });
      this.#send(message);
    });
  }

  async #open() {
    this.#turn += 1;
    const turn = this.#turn;
    this.tries += 1;
    this.retryAt = 0;
    this.#become(this.state === "live" ? "connecting" : this.state);
    const { getToken, WebSocket } = this.#options;
    const url = new URL("/ws", this.#options.url);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    try {
      if (getToken) this.#token = await getToken();
      if (turn !== this.#turn) return;
      if (!WebSocket) return this.#beginPolling();
      const protocols = this.#token ? ["ringside.v1", `bearer.${this.#token}`] : undefined;
      this.#socket = new WebSocket(url.href, protocols);
    } catch {
      // Nobody has a token right now, or a policy forbids sockets; polling is for that.
      if (turn === this.#turn) this.#later();
      return;
    }
    this.#socket.onopen = () => {
      for (const room of this.#rooms.values()) this.#join(room);
      for (const { message } of this.#commands.values()) this.#send(message);
      this.#ping();
    };
    this.#socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    this.#socket.onclose = ({ code, reason }) => this.#closed(code, reason);
    this.#set("open", OPEN_WITHIN_MS, () => this.#beginPolling());
    this.#watch();
  }

  /** @param {Room} room */
  #join(room) {
    const { name, cursor, metrics } = room;
    // What a connection announced as left out and did not get to is announced again by the next one.
    room.skipped = 0;
    this.#send({ action: "subscribe", room: name, cursor, metrics, requestId: name });
  }

  /** What came over the WebSocket. @param {Frame} frame */
  #hear(frame) {
    this.#watch();
    if (frame.type !== "error" && (frame.room || frame.type === "pong") && this.state !== "live") {
      this.#endPolling();
      this.#clear("open");
      this.#set("stable", STABLE_MS, () => (this.tries = this.#failures = 0));
      this.#become("live");
    }
    if (frame.type === "pong") {
      this.roundTripMs = this.#options.clock.now() - this.#pingAt;
      this.onRoundTrip(this.#pingAt, frame.timestamp);
    } else if (frame.type === "bye") this.#advisedMs = frame.retryMs ?? 0;
    else if (frame.type === "auth_expiring") {
      // Where there is no other token now: when this one has ended, it is asked for again.
      const send = (/** @type {string|null} */ token) => token && this.#send({ action: "auth", token });
      void this.#freshToken().then(send, () => {});
    } else if (frame.type === "confirm") {
      const { result = "unconfirmed", message = `The command ended as ${result}.`, requestId = "" } = frame;
      this.#commands.get(requestId)?.settle(result === "applied" ? frame : new RingsideError(result, message));
    } else if (frame.type === "error") this.#refused(frame);
    else this.#take(frame);
  }

  /** An `error` frame: a command's end, a room's, or for whom it concerns. @param {Partial<Frame>} frame */
  #refused({ code = "", message = "", room: named, requestId = "" }) {
    const command = this.#commands.get(requestId);
    const room = this.#rooms.get(named ?? requestId);
    const error = new RingsideError(code, message, { room: room?.name });
    if (command) return command.settle(error);
    if (room && code === "bad_cursor") {
      this.#forget(room);
      this.#join(room);
    } else if (room && (requestId ? code !== "unavailable" : code === "forbidden_room")) this.#rooms.delete(room.name);
    this.onError(error);
  }

  /** Takes a room's frame, from whichever door. @param {Frame} frame */
  #take(frame) {
    const room = this.#rooms.get(frame.room ?? "");
    if (frame.type === "subscribed" && room?.repair) room.repair = "answered";
    if (!room || frame.type === "subscribed" || frame.type === "unsubscribed") return;
    if (frame.type === "skipped") room.skipped += frame.count ?? 0;
    else if (frame.type === "reset") this.#forget(room);
    else if (!this.#inOrder(room, frame)) return;
    try {
      room.hear(frame);
    } catch (error) {
      // A mistake of the handler's is told as one that nobody caught, and does not end the connection.
      void Promise.reject(error);
    }
  }

  /** Whether a frame is to be told, by the one before it. @param {Room} room @param {Frame} frame */
  #inOrder(room, frame) {
    const { type, cursor, conflated = 0 } = frame;
    if (type === "initial") {
      Object.assign(room, { cursor, fresh: false, skipped: 0, repair: "" });
      return true;
    }
    if (room.fresh) return false;
    const here = readCursor(cursor);
    const before = readCursor(room.cursor);
    if (here && before) {
      const next = before.offset + 1 + room.skipped + conflated;
      if (here.epoch === before.epoch && here.offset <= before.offset) {
        // Sent twice after a change of doors, or state that is sent after newer events.
        return here.offset === before.offset && STATES.includes(type);
      }
      if (here.epoch !== before.epoch || here.offset !== next) {
        this.#gap(room, `${room.name}: ${before.epoch}:${next} was next, and ${cursor} came.`);
        return false;
      }
    }
    Object.assign(room, { cursor: cursor ?? room.cursor, skipped: 0, repair: "" });
    return true;
  }

  /** Some are missing: the room goes on from its cursor, or else anew. @param {Room} room @param {string} message */
  #gap(room, message) {
    if (room.repair === "asked") return;
    if (room.repair === "answered") this.#forget(room);
    room.repair = "asked";
    this.onError(new RingsideError("gap", message, { room: room.name }));
    // Polls ask with the cursors anyway.
    this.#join(room);
  }

  /** @param {Room} room */
  #forget(room) {
    Object.assign(room, { cursor: undefined, pollCursor: undefined, fresh: true, skipped: 0, repair: "" });
  }

  /** @param {number} code @param {string} reason */
  #closed(code, reason) {
    const now = code >= 4600 && code < 4700 && this.state === "live" ? 0 : null;
    const advisedMs = this.#advisedMs ?? now;
    this.#drop();
    if (code === 4401) {
      const turn = this.#turn;
      void this.#renewLogin().then((goesOn) => goesOn && turn === this.#turn && this.#later());
    } else if (code >= 4400 && code < 4500) {
      this.close();
      const message = reason || `The server closed with ${code}: do not come back unchanged.`;
      this.onError(new RingsideError("refused", message));
    } else {
      // Too slow for the server: it comes back slowly.
      if (code === 4508) this.#failures += 3;
      this.#later(advisedMs);
    }
  }

  /** Plans the next try, and polls meanwhile where sockets don't get through. @param {number|null} [advisedMs] */
  #later(advisedMs = null) {
    if (advisedMs === null) this.#failures += 1;
    const wait = advisedMs ?? (this.state === "polling" ? SOCKET_AGAIN_MS : this.#backoff(this.#failures));
    this.retryAt = this.#options.clock.now() + wait;
    this.#become(this.state === "live" ? "connecting" : this.state);
    this.#set("retry", wait, () => void this.#open());
    if (this.#failures >= FAILURES_BEFORE_POLLING) this.#beginPolling();
  }

  /** @param {number} failures */
  #backoff(failures) {
    return this.#options.random() * Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** (failures - 1));
  }

  /** Ends the socket without hearing of it again, and what was planned for it. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#advisedMs = null;
    this.#clear("retry", "open", "silence", "ping", "stable");
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #beginPolling() {
    if (this.#asking) return;
    this.#pollFailures = 0;
    for (const room of this.#rooms.values()) room.pollCursor = undefined;
    void this.#poll();
  }

  #endPolling() {
    this.#clear("poll", "answer");
    this.#asking?.abort();
    this.#asking = null;
  }

  async #poll() {
    const asking = new AbortController();
    this.#asking = asking;
    this.#set("answer", POLL_WITHIN_MS, () => asking.abort());
    const askedAt = this.#options.clock.now();
    let wait = POLL_EVERY_MS;
    const rooms = [...this.#rooms.values()];
    try {
      const frames = await this.#askAll(rooms, asking.signal);
      if (this.#asking !== asking) return;
      this.#pollFailures = 0;
      this.roundTripMs = null;
      if (this.state !== "polling" && rooms.length > 0) this.#become("polling");
      for (const frame of frames) {
        if (frame.type === "bye") wait = Math.max(wait, frame.retryMs ?? 0);
        else this.#take(frame);
      }
      for (const room of rooms) {
        room.skipped = 0;
        if (room.repair) room.repair = "answered";
      }
    } catch (error) {
      if (this.#asking !== asking) return;
      if (error !== AGAIN) {
        // Neither door is open. The socket's next try is planned; so is the next question.
        if (this.state !== "offline") this.#become("offline");
        const { status, headers } = /** @type {Partial<Response>} */ (error);
        if (status === 401) await this.#renewLogin();
        if (this.#asking !== asking) return;
        this.#pollFailures += 1;
        wait = Math.max(this.#backoff(this.#pollFailures), 1000 * Number(headers?.get("retry-after")) || 0);
      }
    }
    this.#clear("answer");
    this.#set("poll", Math.max(0, wait - (this.#options.clock.now() - askedAt)), () => void this.#poll());
  }

  /** @param {Room[]} rooms @param {AbortSignal} signal */
  async #askAll(rooms, signal) {
    const questions = [];
    for (let n = 0; n < rooms.length; n += ROOMS_A_POLL) questions.push(rooms.slice(n, n + ROOMS_A_POLL));
    const heldS = questions.length === 1 ? POLL_HELD_S : 0;
    return (await Promise.all(questions.map((question) => this.#ask(question, heldS, signal)))).flat();
  }

  /** @param {Room[]} rooms @param {number} heldS @param {AbortSignal} signal @returns {Promise<Frame[]>} */
  async #ask(rooms, heldS, signal) {
    const url = new URL("/poll", this.#options.url);
    const places = rooms.map(({ name, cursor, pollCursor }) => [name, cursor ?? pollCursor].filter(Boolean).join("@"));
    url.searchParams.set("rooms", places.join(","));
    url.searchParams.set("wait", String(heldS));
    const metrics = rooms.flatMap((room) => room.metrics ?? []);
    if (metrics.length > 0) url.searchParams.set("metrics", metrics.join(","));
    const headers = new Headers({ accept: "application/json" });
    if (this.#token) headers.set("authorization", `Bearer ${this.#token}`);
    const { fetch } = this.#options;
    const answer = await fetch(url.href, { headers, signal });
    if (answer.ok) {
      const { frames, cursor } = await answer.json();
      for (const place of cursor.split(",")) {
        const [name, pollCursor] = place.split("@");
        const room = this.#rooms.get(name);
        if (room) room.pollCursor = pollCursor;
      }
      return frames;
    }
    if (answer.status !== 400 && answer.status !== 403) throw answer;
    // One of the rooms is refused, and with it all: each is asked for alone.
    if (rooms.length > 1) return (await Promise.all(rooms.map((room) => this.#ask([room], 0, signal)))).flat();
    const [{ name, cursor }] = rooms;
    const { code, detail: message } = await answer.json();
    this.#refused({ code: answer.status === 400 && cursor ? "bad_cursor" : code, message, requestId: name });
    return [];
  }

  #ping() {
    this.#pingAt = this.#options.clock.now();
    this.#send({ action: "ping" });
    this.#set("ping", PING_EVERY_MS, () => this.#ping());
  }

  #watch() {
    this.#set("silence", SILENCE_MS, () => {
      this.#drop();
      this.#later();
    });
  }

  /** Makes the login last longer. Null where only a person can log in again. */
  async #freshToken() {
    const { getToken, refresh } = this.#options;
    if (!getToken) return refresh?.() ?? null;
    const refused = this.#token;
    this.#token = await getToken();
    return this.#token === refused ? null : this.#token;
  }

  /** The login has ended. True where another try is worth it. */
  async #renewLogin() {
    const worthIt = await this.#freshToken().then(Boolean, () => true);
    if (worthIt || this.state === "closed") return this.state !== "closed";
    this.close();
    this.onUnauthorized();
    return false;
  }

  /** @param {object} message */
  #send(message) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  /** @param {State} state */
  #become(state) {
    this.state = state;
    this.onState(state);
  }

  /** @param {string} name @param {number} ms @param {() => void} run */
  #set(name, ms, run) {
    this.#clear(name);
    this.#timers[name] = this.#options.clock.setTimeout(run, ms);
  }

  /** @param {...string} names */
  #clear(...names) {
    for (const name of names) {
      this.#options.clock.clearTimeout(this.#timers[name]);
      delete this.#timers[name];
    }
  }
}
