/**
 * What the server says, as types: a mirror of `shared/src/wire`. Nothing here runs.
 *
 * @typedef {{ value: number|null, numerator: number, denominator: number }} Ratio
 * @typedef {{ attempts: number, completed: number, answered: number, busy: number, noAnswer: number, failed: number,
 *   canceled: number, lost: number, human: number, machine: number, unsure: number, classified: number,
 *   bridged: number, bridgedInTime: number, machineBridged: number, converted: number, optOut: number,
 *   abandoned: number, earlyHangup: number, minRingBreach: number, talkMs: number }} Counters
 * @typedef {{ converted: number, optOut: number, abandoned: number, machine: number, answeredOther: number,
 *   busy: number, noAnswer: number, canceled: number, failed: number, lost: number }} Outcomes
 * @typedef {{ answerRate: Ratio, conversionRate: Ratio, abandonRate: Ratio, optOutRate: Ratio, failedRate: Ratio,
 *   serviceLevel: Ratio }} Ratios
 * @typedef {{ counters: Counters, ratios: Ratios, outcomes: Outcomes }} Span
 * @typedef {{ dialing: number, ringing: number, answered: number, bridged: number }} ActiveCalls
 * @typedef {{ ready: number, ringing: number, incall: number, wrap: number, paused: number, offline: number }} Agents
 * @typedef {{ live: Ratio, hour: Ratio, us30: Ratio, us30Headroom: number, today: Ratio, uk24: number|null,
 *   uk24N: number }} AbandonRates
 * @typedef {{ talkP50Ms: number|null, talkP95Ms: number|null, postDialP50Ms: number|null,
 *   postDialP95Ms: number|null, ringP50Ms: number|null, waitP95Ms: number|null }} Durations
 * @typedef {{ duplicates: number, reordered: number, corrected: number, tooOld: number, fromFuture: number,
 *   endsLost: number, endsFound: number, outdated: number }} Oddities
 * @typedef {{ t: number, active: number|null, queue: number|null, attempts: number|null, answered: number|null,
 *   abandoned5m: number|null, human5m: number|null }} SeriesPoint
 * @typedef {{ seconds: SeriesPoint[], minutes: SeriesPoint[] }} Series
 *
 * @typedef {object} CampaignOnly
 * @property {string} campaignId
 * @property {string} name
 * @property {string} status
 * @property {string|null} statusReason
 * @property {string|null} statusSince
 * @property {string|null} startedAt
 * @property {string|null} lastEventAt
 * @property {string} asOf
 * @property {number} activeCalls
 * @property {ActiveCalls} active
 * @property {number|null} queueDepth
 * @property {number} dialingRate
 * @property {number} attempts10s
 * @property {number} attempts60s
 * @property {number|null} targetRate
 * @property {number|null} maxLines
 * @property {number} waitingForAgent
 * @property {number|null} oldestWaitMs
 * @property {Ratio} list
 * @property {Agents|null} agents
 * @property {Span} hour
 * @property {Span} hourBefore
 * @property {AbandonRates} abandon
 * @property {Durations} durations
 * @property {SeriesPoint|null} point
 * @property {Oddities} oddities
 * @typedef {CampaignOnly & Span} Campaign
 *
 * @typedef {object} AggregateOnly
 * @property {number} campaigns
 * @property {number} activeCampaigns
 * @property {number} totalActiveCalls
 * @property {ActiveCalls} active
 * @property {number|null} queueDepth
 * @property {number} dialingRate
 * @property {number} attempts60s
 * @property {number|null} targetRate
 * @property {number|null} maxLines
 * @property {number} waitingForAgent
 * @property {Span} hour
 * @property {Span} hourBefore
 * @property {Ratio} abandonLive
 * @property {string|null} asOf
 * @property {string|null} lastEventAt
 * @typedef {AggregateOnly & Span} Aggregate
 *
 * @typedef {{ name: string, labels?: Record<string, string>, unit: string, value: number, at: string, count: number,
 *   avg: number, min: number, max: number, p50: number, p95: number, trend: 'up'|'down'|'flat'|'unknown',
 *   change: number|null }} Metric
 * @typedef {{ name: string, labels?: Record<string, string>, points: [number, number][] }} MetricSeries
 * @typedef {{ host: string, at: string, cpuPercent: number|null, cores: number|null, load: (number|null)[],
 *   memoryUsedBytes: number|null, memoryTotalBytes: number|null, memoryPercent: number|null,
 *   disks: { mount: string, usedPercent: number }[], rxBytesPerS: number|null, txBytesPerS: number|null }} Host
 * @typedef {{ fingerprint: string, transition: number, rule: string, severity: 'info'|'warning'|'critical',
 *   state: 'firing'|'resolved', title: string, campaignId: string|null, metric: string, unit: string,
 *   comparison: 'above'|'below', threshold: number, value: number, n: number|null, since: string,
 *   at: string }} Alert
 * @typedef {{ id: string, at: string, category: string, kind: string|null, status: string|null,
 *   severity: 'info'|'warning'|'critical', title: string, body: string|null }} Note
 * @typedef {{ campaignId: string, callId: string, at: string, phase: string, result?: string, reason?: string,
 *   outcome?: string, amd?: string, cause?: number, to?: string, agent?: string, elapsedMs?: number,
 *   talkMs?: number }} CallChange
 * @typedef {{ campaignId: string, from: string, to: string, reason: string|null, at: string }} StatusChange
 *
 * A frame: the members that all have, and those of its type and room.
 * @typedef {object} FrameHead
 * @property {string} type
 * @property {string} timestamp
 * @property {string} [room]
 * @property {string} [cursor]
 * @property {number} [conflated]
 * @property {number} [count]
 * @property {number} [retryMs]
 * @property {string} [code]
 * @property {string} [message]
 * @typedef {FrameHead & { campaigns?: Campaign[], aggregate?: Aggregate, point?: SeriesPoint|null, campaign?: Campaign|null,
 *   series?: Series|MetricSeries[], statuses?: StatusChange[], calls?: CallChange[], metrics?: Metric[], hosts?: Host[],
 *   open?: Alert[], alerts?: Alert[], alert?: Alert, notifications?: Note[], notification?: Note,
 *   campaignId?: string, from?: string, to?: string, reason?: string|null, at?: string }} Frame
 */
export {};
