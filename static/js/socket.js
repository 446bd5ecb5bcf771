/**
 * The way to the server: a WebSocket, and polling where that can't be had.
 *
 *     const link = new Link({ store, clock, rooms: ["overview", "alerts"] });
 *     link.onState = (state) => …;   // connecting, live, polling, refused
 *     link.start();
 *
 * It subscribes with the store's cursors, so a new connection goes on where the last one ended. It goes on trying for
 * the socket while it polls, and changes back.
 *
 * @import { Store } from "./store.js"
 * @import { ServerClock } from "./lib/clock.js"
 * @import { Frame } from "./protocol.js"
 */
import { moment } from "./lib/clock.js";

const BACKOFF_FIRST_MS = 1000;
const BACKOFF_MOST_MS = 30_000;
const POLL_EVERY_MS = 2000;
const PING_EVERY_MS = 10_000;
/** Nothing for so long, not even a pong: the connection is dead, whatever it says. */
const SILENCE_MS = 15_000;
/** After so many sockets that never spoke, polling begins. */
const TRIES_BEFORE_POLLING = 2;

/** @typedef {"connecting"|"live"|"polling"|"refused"} State */
/** What of the world it uses; tests bring their own.
 * @typedef {object} World
 * @property {new (url: string, protocols?: string[]) => WebSocket} WebSocket
 * @property {typeof fetch} fetch
 * @property {(run: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} random
 * @property {(url: string) => void} leave
 * @property {string} address
 */

/** @returns {World} */
function browser() {
  return {
    WebSocket,
    fetch: (...args) => fetch(...args),
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    random: Math.random,
    leave: (url) => location.assign(url),
    address: location.origin,
  };
}

export class Link {
  /** @type {State} */
  state = "connecting";
  /** Tries since it was last live. */
  tries = 0;
  /** When the next try is, by this machine's clock. */
  retryAt = 0;
  /** @type {number|null} */
  roundTripMs = null;
  /** @type {(state: State) => void} */
  onState = () => {};
  /** @type {WebSocket|null} */
  #socket = null;
  #advisedMs = /** @type {number|null} */ (null);
  #timers = /** @type {Record<string, any>} */ ({});
  #pingAt = 0;
  #stopped = true;
  #polling = false;

  /** @param {{ store: Store, clock: ServerClock, rooms: string[], world?: World }} parts */
  constructor({ store, clock, rooms, world = browser() }) {
    this.store = store;
    this.clock = clock;
    this.rooms = rooms;
    this.world = world;
    store.on("gap", (room) => this.refresh(room));
  }

  start() {
    this.#stopped = false;
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    for (const name of Object.keys(this.#timers)) this.#clear(name);
    this.#drop();
  }

  /** Tries at once. */
  reconnectNow() {
    if (this.#stopped) return;
    this.#drop();
    this.#clear("retry");
    this.#connect();
  }

  /** A fresh snapshot of a room in which something is missing. @param {string} room */
  refresh(room) {
    this.#send({ action: "refresh", room });
  }

  #connect() {
    this.tries += 1;
    if (this.state === "live") this.#become("connecting");
    else this.onState(this.state);
    const url = new URL("/ws", this.world.address);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    let socket;
    try {
      socket = new this.world.WebSocket(url.href);
    } catch {
      // A policy that forbids sockets throws at once; polling is for that.
      this.#later();
      return;
    }
    this.#socket = socket;
    this.#advisedMs = null;
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      for (const room of this.rooms) {
        const cursor = this.store.cursors.get(room);
        this.#send(cursor ? { action: "subscribe", room, cursor } : { action: "subscribe", room });
      }
      this.#ping();
      this.#watch();
    };
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#hear(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      this.#closed(event.code);
    };
    this.#set("open", SILENCE_MS, () => this.#silent());
  }

  /** @param {Frame} frame */
  #hear(frame) {
    this.#watch();
    if (frame.type === "pong") {
      this.roundTripMs = this.clock.here() - this.#pingAt;
      this.clock.learn(this.#pingAt, moment(frame.timestamp));
      return;
    }
    if (frame.type === "bye") {
      this.#advisedMs = frame.retryMs ?? 0;
      return;
    }
    if (frame.type === "auth_expiring") {
      void this.#renew();
      return;
    }
    this.store.apply(frame);
    // A room that can't be read right now says so in an error; that is no live data.
    if (frame.room && frame.type !== "error" && this.state !== "live") {
      this.tries = 0;
      this.#endPolling();
      this.#become("live");
    }
  }

  /** @param {number} code */
  #closed(code) {
    this.#clear("watch", "ping", "open");
    if (this.#stopped) return;
    if (code === 4401) {
      void this.#signInAgain();
      return;
    }
    if (code === 4403) {
      this.#become("refused");
      return;
    }
    if (code === 4408) this.#advisedMs = BACKOFF_MOST_MS;
    if (code >= 4600 && code < 4700) this.#advisedMs = 0;
    this.#later();
  }

  /** Plans the next try, and polls meanwhile where sockets don't get through. */
  #later() {
    const grown = Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** Math.max(0, this.tries - 1));
    const wait = this.#advisedMs ?? grown * (0.5 + this.world.random() / 2);
    this.#advisedMs = null;
    this.retryAt = this.clock.here() + wait;
    if (this.state === "live") this.#become("connecting");
    else this.onState(this.state);
    this.#set("retry", wait, () => this.#connect());
    if (this.tries >= TRIES_BEFORE_POLLING && !this.#polling) {
      this.#polling = true;
      void this.#poll();
    }
  }

  #silent() {
    this.#drop();
    this.#later();
  }

  /** Ends the socket without hearing of it again. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#clear("watch", "ping", "open");
    socket?.close();
  }

  async #poll() {
    if (!this.#polling || this.#stopped) return;
    const rooms = this.rooms.map((room) => {
      const cursor = this.store.cursors.get(room);
      return cursor ? `${room}@${cursor}` : room;
    });
    const asked = this.clock.here();
    try {
      const answer = await this.world.fetch(`/poll?wait=0&rooms=${encodeURIComponent(rooms.join(","))}`, {
        headers: { accept: "application/json" },
      });
      if (answer.status === 401) {
        await this.#signInAgain();
        return;
      }
      if (!answer.ok) throw new Error(`poll: ${answer.status}`);
      const { frames } = await answer.json();
      if (!this.#polling) return;
      this.roundTripMs = this.clock.here() - asked;
      for (const frame of frames) this.store.apply(frame);
      if (this.state !== "polling") this.#become("polling");
    } catch {
      // Neither door is open. The socket's next try is planned; so is the next question.
      if (this.state === "polling") this.#become("connecting");
    }
    if (this.#polling) this.#set("poll", POLL_EVERY_MS, () => void this.#poll());
  }

  #endPolling() {
    this.#polling = false;
    this.#clear("poll");
  }

  #ping() {
    this.#pingAt = this.clock.here();
    this.#send({ action: "ping" });
    this.#set("ping", PING_EVERY_MS, () => this.#ping());
  }

  #watch() {
    this.#clear("open");
    this.#set("watch", SILENCE_MS, () => this.#silent());
  }

  async #renew() {
    const answer = await this.world.fetch("/auth/refresh", { method: "POST" }).catch(() => null);
    if (!answer?.ok) return;
    const { token } = await answer.json();
    if (token) this.#send({ action: "auth", token });
  }

  /** The login has ended: renews it where that is still possible, and else goes to the sign-in. */
  async #signInAgain() {
    const answer = await this.world.fetch("/auth/refresh", { method: "POST" }).catch(() => null);
    if (!answer || answer.ok) {
      this.#advisedMs = answer ? 0 : null;
      this.#later();
      return;
    }
    this.#become("refused");
    this.world.leave("/login?expired=1");
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
    this.#timers[name] = this.world.setTimeout(run, ms);
  }

  /** @param {...string} names */
  #clear(...names) {
    for (const name of names) {
      this.world.clearTimeout(this.#timers[name]);
      delete this.#timers[name];
    }
  }
}
