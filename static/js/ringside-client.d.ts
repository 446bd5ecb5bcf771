/**
 * The types of `ringside-client.js`: the client, and what the server says (a mirror of `shared/wire/src`).
 */

/**
 * - `connecting`: a WebSocket is being opened;
 * - `live`: it is open, and the server speaks;
 * - `polling`: no WebSocket gets through, HTTP does;
 * - `offline`: neither does. It goes on trying;
 * - `closed`: `close()` was called, or the server said not to come back; `connect()` begins anew.
 */
export type State = "connecting" | "live" | "polling" | "offline" | "closed";

export interface Options {
  /** Where the server is, such as `https://ringside.example`. In a page: where the page came from. */
  url?: string;
  /** A token that is used as long as the server takes it. Without one, and without `getToken`, cookies count. */
  token?: string;
  /** Asked for a token at each connect, before the token in use ends, and after it was refused. */
  getToken?: () => string | Promise<string>;
  /**
   * For logins by cookie: makes the login last longer, before it ends and after it was refused. Resolves with the new
   * token, or with null where only a person can log in again; a rejection means "not now".
   */
  refresh?: () => Promise<string | null>;
  /** The WebSocket class; null for none. Default: the global one, where there is one. */
  WebSocket?: (new (url: string, protocols?: string[]) => WebSocket) | null;
  fetch?: typeof fetch;
  /** Now and timers, for tests. */
  clock?: Clock;
  /** 0 to 1, for tests. */
  random?: () => number;
}

export interface Clock {
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: any): void;
}

export interface SubscribeOptions {
  /** The place to go on from; without one the room begins with an `initial`. */
  cursor?: string;
  /** Only these metrics, in the room `metrics`. */
  metrics?: string[];
}

/** What went wrong, with a code for programs and a sentence for people. */
export class RingsideError extends Error {
  constructor(code: string, message: string, more?: { room?: string });
  /**
   * The server's code; or `gap`, `unauthorized`, `refused`, `unconfirmed`. A command that was not applied has its result:
   * `rejected`, `conflict`, `expired` or `unconfirmed`.
   */
  readonly code: string;
  /** The room it is about. */
  readonly room?: string;
}

export class RingsideClient {
  constructor(options?: Options);

  readonly state: State;
  /** Connections tried since one held for half a minute. */
  readonly tries: number;
  /** When the next try is, by the clock; 0 where none is planned. */
  readonly retryAt: number;
  /** The last round trip over the WebSocket. */
  readonly roundTripMs: number | null;

  onState: (state: State) => void;
  /** What concerns no one call: a room that is refused, a gap that is being repaired, a server that closes for good. */
  onError: (error: RingsideError) => void;
  /** The login has ended, and nobody has a new one. The client is closed. */
  onUnauthorized: () => void;
  /** A round trip: when the question left, by the clock, and the server's time in the answer. */
  onRoundTrip: (sentAt: number, serverTime: string) => void;

  /** Connects; while it waits for the next try, tries at once. */
  connect(): void;
  /** Ends the connection and all that is planned. Rooms and cursors are kept for another `connect()`. */
  close(): void;

  /**
   * Watches a room, on any connection until `unsubscribe`. `hear` gets its frames in order, each once, and `skipped`
   * and `reset` where something is missing. A room is watched once. Returns what ends it.
   */
  subscribe(room: string, hear: (frame: Frame) => void): () => void;
  subscribe(room: string, options: SubscribeOptions, hear: (frame: Frame) => void): () => void;
  unsubscribe(room: string): void;
  /** The place reached in a room. */
  cursor(room: string): string | undefined;

  /**
   * Gives a command. Resolves with the `confirm` frame once it is applied; rejects with a `RingsideError` where it is
   * not, and with `unconfirmed` where nobody said so within `timeoutMs` (10 s). It is sent again under the same
   * `requestId` after a reconnect, which the server takes as one.
   */
  command(kind: string, target: string, args?: object, options?: { timeoutMs?: number }): Promise<Frame>;
}

/** A frame: the members that all have, and those of its type and room. */
export interface Frame {
  type: string;
  /** RFC 3339, UTC, milliseconds. */
  timestamp: string;
  room?: string;
  /** The place reached with it, `epoch:offset`. */
  cursor?: string;
  /** States before it that were superseded before they were sent. */
  conflated?: number;
  /** Of `skipped`: so many events were left out. */
  count?: number;
  retryMs?: number;
  expiresAt?: string;
  code?: string;
  message?: string;
  requestId?: string;
  /** Of `confirm`. */
  result?: "applied" | "rejected" | "conflict" | "expired" | "unconfirmed";
  campaigns?: Campaign[];
  aggregate?: Aggregate;
  point?: SeriesPoint | null;
  campaign?: Campaign | null;
  series?: Series | MetricSeries[];
  statuses?: StatusChange[];
  calls?: CallChange[];
  metrics?: Metric[];
  hosts?: Host[];
  open?: Alert[];
  alerts?: Alert[];
  alert?: Alert;
  notifications?: Note[];
  notification?: Note;
  campaignId?: string;
  from?: string;
  to?: string;
  reason?: string | null;
  at?: string;
}

export type Severity = "info" | "warning" | "critical";
export type Ratio = { value: number | null; numerator: number; denominator: number };
export type Counters = Record<
  | "attempts" | "completed" | "answered" | "busy" | "noAnswer" | "failed" | "canceled" | "lost" | "human" | "machine"
  | "unsure" | "classified" | "bridged" | "bridgedInTime" | "machineBridged" | "converted" | "optOut" | "abandoned"
  | "earlyHangup" | "minRingBreach" | "talkMs",
  number
>;
export type Outcomes = Record<
  | "converted" | "optOut" | "abandoned" | "machine" | "answeredOther" | "busy" | "noAnswer" | "canceled" | "failed"
  | "lost",
  number
>;
export type Ratios = Record<
  "answerRate" | "conversionRate" | "abandonRate" | "optOutRate" | "failedRate" | "serviceLevel",
  Ratio
>;
export type Span = { counters: Counters; ratios: Ratios; outcomes: Outcomes };
export type ActiveCalls = Record<"dialing" | "ringing" | "answered" | "bridged", number>;
export type Agents = Record<"ready" | "ringing" | "incall" | "wrap" | "paused" | "offline", number>;
export type AbandonRates = {
  live: Ratio;
  hour: Ratio;
  us30: Ratio;
  us30Headroom: number;
  today: Ratio;
  uk24: number | null;
  uk24N: number;
};
export type Durations = Record<
  "talkP50Ms" | "talkP95Ms" | "postDialP50Ms" | "postDialP95Ms" | "ringP50Ms" | "waitP95Ms",
  number | null
>;
export type Oddities = Record<
  | "duplicates" | "reordered" | "corrected" | "tooOld" | "fromFuture" | "endsLost" | "endsFound" | "outdated",
  number
>;
export type SeriesPoint = {
  t: number;
  active: number | null;
  queue: number | null;
  attempts: number | null;
  answered: number | null;
  abandoned5m: number | null;
  human5m: number | null;
};
export type Series = { seconds: SeriesPoint[]; minutes: SeriesPoint[] };

export interface Campaign extends Span {
  campaignId: string;
  name: string;
  status: string;
  statusReason: string | null;
  statusSince: string | null;
  startedAt: string | null;
  lastEventAt: string | null;
  asOf: string;
  activeCalls: number;
  active: ActiveCalls;
  queueDepth: number | null;
  dialingRate: number;
  attempts10s: number;
  attempts60s: number;
  targetRate: number | null;
  maxLines: number | null;
  waitingForAgent: number;
  oldestWaitMs: number | null;
  list: Ratio;
  agents: Agents | null;
  hour: Span;
  hourBefore: Span;
  abandon: AbandonRates;
  durations: Durations;
  point: SeriesPoint | null;
  oddities: Oddities;
}

export interface Aggregate extends Span {
  campaigns: number;
  activeCampaigns: number;
  totalActiveCalls: number;
  active: ActiveCalls;
  queueDepth: number | null;
  dialingRate: number;
  attempts60s: number;
  targetRate: number | null;
  maxLines: number | null;
  waitingForAgent: number;
  hour: Span;
  hourBefore: Span;
  abandonLive: Ratio;
  asOf: string | null;
  lastEventAt: string | null;
}

export type Metric = {
  name: string;
  labels?: Record<string, string>;
  unit: string;
  value: number;
  at: string;
  count: number;
  avg: number;
  min: number;
  max: number;
  p50: number;
  p95: number;
  trend: "up" | "down" | "flat" | "unknown";
  change: number | null;
};
export type MetricSeries = { name: string; labels?: Record<string, string>; points: [number, number][] };
export type Host = {
  host: string;
  at: string;
  cpuPercent: number | null;
  cores: number | null;
  load: (number | null)[];
  memoryUsedBytes: number | null;
  memoryTotalBytes: number | null;
  memoryPercent: number | null;
  disks: { mount: string; usedPercent: number }[];
  rxBytesPerS: number | null;
  txBytesPerS: number | null;
};
export type Alert = {
  fingerprint: string;
  transition: number;
  rule: string;
  severity: Severity;
  state: "firing" | "resolved";
  title: string;
  campaignId: string | null;
  metric: string;
  unit: string;
  comparison: "above" | "below";
  threshold: number;
  value: number;
  n: number | null;
  since: string;
  at: string;
};
export type Note = {
  id: string;
  at: string;
  category: string;
  kind: string | null;
  status: string | null;
  severity: Severity;
  title: string;
  body: string | null;
};
export type CallChange = {
  campaignId: string;
  callId: string;
  at: string;
  phase: string;
  result?: string;
  reason?: string;
  outcome?: string;
  amd?: string;
  cause?: number;
  to?: string;
  agent?: string;
  elapsedMs?: number;
  talkMs?: number;
};
export type StatusChange = { campaignId: string; from: string; to: string; reason: string | null; at: string };
