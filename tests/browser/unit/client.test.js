import assert from "node:assert/strict";
import { test } from "node:test";

import { RingsideClient, RingsideError } from "../../../static/js/ringside-client.js";
import { calls, double, initial, live, polling, settled, state } from "../support/double.js";

test("rooms are asked for with their cursors and metrics, over the socket of the same server", () => {
  const { client, world } = double();
  client.subscribe("overview", () => {});
  client.subscribe("calls:a", { cursor: "e:7" }, () => {});
  client.subscribe("metrics", { metrics: ["cpu_usage"] }, () => {});
  client.connect();
  const [socket] = world.sockets;
  socket.open();
  assert.equal(socket.url, "wss://ringside.example/ws");
  assert.equal(socket.protocols, undefined, "cookies count");
  assert.deepEqual(socket.said("subscribe"), [
    { room: "overview" },
    { room: "calls:a", cursor: "e:7" },
    { room: "metrics", metrics: ["cpu_usage"] },
  ]);
  socket.hear({ type: "subscribed", room: "overview" });
  assert.deepEqual(world.states, ["connecting", "live"]);
});

test("a token goes beside the subprotocol and never into a URL", async () => {
  const { client, world } = double({ getToken: async () => "jwt" });
  client.subscribe("alerts", () => {});
  client.connect();
  await settled();
  assert.deepEqual(world.sockets[0].protocols, ["ringside.v1", "bearer.jwt"]);
  await polling({ world });
  assert.equal(world.asked[0].headers.authorization, "Bearer jwt");
  assert.ok(!JSON.stringify([world.sockets[0].url, world.asked[0]]).replace(/"authorization":"[^"]*"/, "").includes("jwt"));
});

test("frames in order reach the handler once, and the cursor follows", () => {
  const { client, heard, socket, world } = live();
  socket.hear(initial("calls:a", "e:5"), calls("e:6"), calls("e:9", { conflated: 2 }), calls("e:9"), calls("e:6"));
  assert.deepEqual(heard, ["initial e:5", "call_event e:6", "call_event e:9"]);
  assert.equal(client.cursor("calls:a"), "e:9");
  assert.deepEqual(world.errors, []);
});

test("state may come again at the same place, and what was announced before it still counts after it", () => {
  const { client, heard, socket, world } = live(["campaign:a"]);
  const skipped = { type: "skipped", room: "campaign:a", count: 3 };
  socket.hear(initial("campaign:a", "e:5"), state("e:5"), skipped, state("e:5"), state("e:9"));
  assert.deepEqual(heard, ["initial e:5", "metrics_update e:5", "skipped", "metrics_update e:5", "metrics_update e:9"]);
  assert.deepEqual([client.cursor("campaign:a"), world.errors.length], ["e:9", 0]);
});

test("a silent gap is told, and the room goes on from its cursor", () => {
  const { heard, socket, world } = live();
  socket.hear(initial("calls:a", "e:5"), calls("e:8"), calls("e:9"));
  assert.deepEqual(heard, ["initial e:5"]);
  assert.deepEqual(world.errors.map(({ code, room }) => [code, room]), [["gap", "calls:a"]]);
  assert.deepEqual(socket.said("subscribe").at(-1), { room: "calls:a", cursor: "e:5" });
  socket.hear({ type: "subscribed", room: "calls:a" }, calls("e:6"), calls("e:7"), calls("e:8"), calls("e:9"));
  assert.deepEqual(heard.slice(1), ["call_event e:6", "call_event e:7", "call_event e:8", "call_event e:9"]);
  assert.equal(world.errors.length, 1);
});

test("a gap that the cursor does not repair is repaired by a fresh start", () => {
  const { client, heard, socket } = live();
  socket.hear(initial("calls:a", "e:5"), calls("e:8"), { type: "subscribed", room: "calls:a" }, calls("e:8"));
  assert.deepEqual(socket.said("subscribe").at(-1), { room: "calls:a" });
  socket.hear({ type: "subscribed", room: "calls:a" }, calls("e:9"), initial("calls:a", "e:9"), calls("e:10"));
  assert.deepEqual(heard, ["initial e:5", "initial e:9", "call_event e:10"]);
  assert.equal(client.cursor("calls:a"), "e:10");
});

test("another epoch without a reset is a gap, and after a reset only an initial counts", () => {
  const { client, heard, socket, world } = live();
  socket.hear(initial("calls:a", "e:5"), calls("f:6"));
  assert.equal(world.errors[0].code, "gap");
  socket.hear({ type: "subscribed", room: "calls:a" }, { type: "reset", room: "calls:a", reason: "other_epoch" });
  assert.equal(client.cursor("calls:a"), undefined);
  socket.hear(calls("f:7"), initial("calls:a", "f:7"), calls("f:8"));
  assert.deepEqual(heard, ["initial e:5", "reset", "initial f:7", "call_event f:8"]);
});

test("a new connection goes on from the cursors, and what was announced and not reached is announced again", async () => {
  const { heard, socket, world } = live();
  socket.hear(initial("calls:a", "e:5"), { type: "skipped", room: "calls:a", count: 2 });
  socket.end();
  await world.pass(500);
  const [, next] = world.sockets;
  next.open();
  assert.deepEqual(next.said("subscribe"), [{ room: "calls:a", cursor: "e:5" }]);
  next.hear({ type: "skipped", room: "calls:a", count: 2 }, calls("e:8"));
  assert.deepEqual([heard.at(-1), world.errors.length], ["call_event e:8", 0]);
});

test("a handler that throws ends neither the connection nor its cursor", async () => {
  const { client, world } = double();
  const thrown = [];
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.once("unhandledRejection", (error) => thrown.push(error.message));
  client.subscribe("calls:a", () => {
    throw new Error("mine");
  });
  client.connect();
  world.sockets[0].open();
  world.sockets[0].hear(initial("calls:a", "e:5"));
  await settled();
  for (const listener of listeners) process.on("unhandledRejection", listener);
  assert.deepEqual([thrown, client.cursor("calls:a"), client.state], [["mine"], "e:5", "live"]);
});

test("a room is left, asked for later, and watched once", () => {
  const { client, heard, socket } = live();
  assert.throws(() => client.subscribe("calls:a", () => {}), /watched already/);
  client.unsubscribe("calls:a");
  socket.hear(initial("calls:a", "e:5"));
  assert.deepEqual(heard, []);
  const leave = client.subscribe("alerts", (frame) => heard.push(frame.type));
  socket.hear(initial("alerts", "e:1"));
  leave();
  assert.deepEqual([heard, socket.sent.at(-1)], [["initial"], { action: "unsubscribe", room: "alerts" }]);
});

test("waits double up to twenty seconds, anywhere below that", async () => {
  for (const [random, expected] of [
    [1, [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]],
    [0.25, [125, 250, 500, 1000, 2000, 4000, 5000, 5000]],
  ]) {
    const { client, world } = double({ random: () => random });
    client.connect();
    const waits = [];
    for (const _ of expected) {
      world.sockets.at(-1).end();
      waits.push(client.retryAt - world.now);
      await world.pass(waits.at(-1));
    }
    assert.deepEqual(waits, expected);
  }
});

test("waits begin small again only after half a minute of a good connection", async () => {
  for (const [held, wait] of [[29_000, 4000], [31_000, 500]]) {
    const { client, world } = double();
    client.connect();
    for (const ms of [500, 1000, 2000]) {
      world.sockets.at(-1).end();
      await world.pass(ms);
    }
    const socket = world.sockets.at(-1);
    socket.open();
    for (let ms = 0; ms < held; ms += 1000) {
      socket.hear({ type: "pong" });
      await world.pass(1000);
    }
    socket.end();
    assert.equal(client.retryAt - world.now, wait, `held for ${held}`);
  }
});

test("a bye says when to come back, also where the connection then breaks", async () => {
  for (const code of [4503, 4600, 1006]) {
    const { client, socket, world } = live();
    await world.pass(9000);
    socket.hear({ type: "bye", retryMs: 1740 });
    socket.end(code);
    assert.equal(client.retryAt, 9000 + 1740);
    await world.pass(1739);
    assert.equal(world.sockets.length, 1);
    await world.pass(1);
    world.sockets[1].end();
    assert.equal(client.retryAt - world.now, 500, "advice counts once");
  }
});

test("44xx does not come back, 46xx comes back now, 4508 slowly", async () => {
  const forbidden = live();
  forbidden.socket.end(4408, "too many messages");
  await forbidden.world.pass(100_000);
  assert.deepEqual([forbidden.client.state, forbidden.world.sockets.length], ["closed", 1]);
  assert.deepEqual(forbidden.world.errors.map(({ code, message }) => [code, message]), [["refused", "too many messages"]]);
  forbidden.client.connect();
  assert.equal(forbidden.world.sockets.length, 2, "somebody may try again");

  const moved = live();
  moved.socket.end(4600);
  await moved.world.pass(0);
  assert.equal(moved.world.sockets.length, 2);
  moved.world.sockets[1].end(4600);
  await moved.world.pass(499);
  assert.equal(moved.world.sockets.length, 2, "but not in a circle");

  const slow = live();
  slow.socket.end(4508);
  assert.equal(slow.client.retryAt, 4000);
});

test("a silent connection is dead after fifteen seconds, one that answers pings is not", async () => {
  const { client, socket, world } = live();
  await world.pass(10_000);
  assert.equal(socket.said("ping").length, 2);
  await world.pass(40);
  socket.hear({ type: "pong" });
  assert.deepEqual([client.roundTripMs, world.trips], [40, [[10_000, "2026-11-20T12:00:00.000Z"]]]);
  await world.pass(14_900);
  assert.equal(client.state, "live");
  await world.pass(200);
  assert.deepEqual([client.state, socket.readyState], ["connecting", 3]);
  socket.hear({ type: "pong" });
  socket.end(4403);
  assert.equal(client.state, "connecting", "what it still says does not count");
});

test("whoever connects while a token is being fetched has one connection", async () => {
  const waiting = [];
  const { client, world } = double({ getToken: () => new Promise((resolve) => waiting.push(resolve)) });
  client.connect();
  client.connect();
  for (const give of waiting) give(`jwt${waiting.indexOf(give)}`);
  await settled();
  assert.deepEqual(world.sockets.map(({ protocols }) => protocols[1]), ["bearer.jwt1"]);
  world.sockets[0].end(4401);
  client.connect();
  for (const give of waiting.slice(2)) give("jwt2");
  await world.pass(3000);
  assert.deepEqual([world.sockets.length, waiting.length], [2, 4], "and no other try is planned");
});

test("a token that ends soon is renewed on the running connection", async () => {
  let n = 0;
  const { client, world } = double({ getToken: () => `jwt${(n += 1)}` });
  client.connect();
  await settled();
  world.sockets[0].open();
  world.sockets[0].hear({ type: "auth_expiring", expiresAt: "2026-11-20T12:01:00.000Z" });
  await settled();
  assert.deepEqual(world.sockets[0].said("auth"), [{ token: "jwt2" }]);

  const cookies = live(["alerts"], { refresh: async () => "fresh" });
  cookies.socket.hear({ type: "auth_expiring", expiresAt: "2026-11-20T12:01:00.000Z" });
  await settled();
  assert.deepEqual(cookies.socket.said("auth"), [{ token: "fresh" }]);
});

test("an ended login comes back with another token, and without one says so once", async () => {
  const tokens = ["old", "new", "new"];
  const { client, world } = double({ getToken: () => tokens.shift() });
  client.connect();
  await settled();
  world.sockets[0].end(4401);
  await world.pass(500);
  assert.deepEqual(world.sockets[1].protocols, ["ringside.v1", "bearer.new"]);

  for (const options of [{}, { token: "old" }, { getToken: () => "old" }, { refresh: async () => null }]) {
    const { client, world } = double(options);
    client.connect();
    await settled();
    world.sockets[0].end(4401);
    await world.pass(60_000);
    assert.deepEqual([client.state, world.unauthorized, world.sockets.length], ["closed", 1, 1], JSON.stringify(options));
  }
});

test("who can't be asked about the login right now is asked again", async () => {
  let away = true;
  const refresh = async () => {
    if (away) throw new TypeError("fetch failed");
    return "fresh";
  };
  const { client, world } = double({ refresh });
  client.connect();
  world.sockets[0].end(4401);
  await world.pass(500);
  assert.deepEqual([client.state, world.unauthorized, world.sockets.length], ["connecting", 0, 2]);
  away = false;
  world.sockets[1].end(4401);
  await world.pass(1000);
  assert.deepEqual([world.unauthorized, world.sockets.length], [0, 3]);
});

test("a poll without a valid login renews it or ends, and does not storm", async () => {
  let tokens = ["t0", "t1", "t1"];
  const { client, world } = double({ WebSocket: null, getToken: () => tokens.shift() });
  client.subscribe("alerts", () => {});
  client.connect();
  await settled();
  await world.answer({ status: 401 });
  assert.equal(world.asked.length, 1, "not at once");
  await world.pass(500);
  assert.equal(world.asked[1].headers.authorization, "Bearer t1");
  await world.answer({ status: 401 });
  await world.pass(60_000);
  assert.deepEqual([client.state, world.unauthorized, world.asked.length], ["closed", 1, 2]);
});

test("a command ends with its confirm, and only with its own", async () => {
  const { client, socket } = live();
  const command = client.command("campaign.pause", "a", { now: true });
  const { requestId, ...said } = socket.sent.at(-1);
  assert.deepEqual(said, { action: "command", kind: "campaign.pause", target: "a", args: { now: true } });
  assert.match(requestId, /^[0-9a-f]{32}$/);
  socket.hear({ type: "confirm", requestId: "of somebody else", result: "rejected" });
  socket.hear({ type: "confirm", requestId, result: "applied" });
  assert.equal((await command).result, "applied");
  const again = client.command("campaign.pause", "a");
  socket.hear({ type: "confirm", requestId: socket.sent.at(-1).requestId, result: "conflict", message: "It is paused." });
  await assert.rejects(again, (error) => error instanceof RingsideError && error.code === "conflict" && error.message === "It is paused.");
});

test("a server that takes no commands rejects them clearly, and no room hears of it", async () => {
  const { client, socket, world } = live();
  const command = client.command("campaign.pause", "a");
  const { requestId } = socket.sent.at(-1);
  socket.hear({ type: "error", code: "unknown_action", message: "There is no action \"command\".", requestId });
  await assert.rejects(command, { code: "unknown_action", message: "There is no action \"command\"." });
  assert.deepEqual(world.errors, []);
});

test("a command survives a reconnect under its own id, and an end that nobody tells is unconfirmed", async () => {
  const { client, socket, world } = live();
  const command = client.command("campaign.pause", "a");
  const lost = client.command("campaign.pause", "b", {}, { timeoutMs: 3000 });
  const outcome = assert.rejects(lost, { code: "unconfirmed" });
  const [{ requestId }] = socket.sent.slice(-2);
  socket.end();
  await world.pass(500);
  world.sockets[1].open();
  assert.deepEqual(world.sockets[1].sent.filter(({ action }) => action === "command").map((message) => message.requestId), socket.sent.slice(-2).map((message) => message.requestId));
  world.sockets[1].hear({ type: "confirm", requestId, result: "applied" });
  assert.equal((await command).requestId, requestId);
  await world.pass(2500);
  await outcome;
  const pending = client.command("campaign.pause", "c");
  client.close();
  await assert.rejects(pending, { code: "unconfirmed" });
  assert.equal(world.timers.length, 0);
});

test("errors of rooms are told with the room, and a refused room is not asked for again", async () => {
  const { client, socket, world } = live(["calls:a", "calls:b", "calls:c"]);
  socket.hear({ type: "error", code: "forbidden_room", message: "No.", room: "calls:a", requestId: "calls:a" });
  socket.hear({ type: "error", code: "unavailable", message: "Later.", room: "calls:b", requestId: "calls:b" });
  client.subscribe("calls:d", { cursor: "rubbish" }, () => {});
  socket.hear({ type: "error", code: "bad_cursor", message: "No cursor.", requestId: "calls:d" });
  assert.deepEqual(world.errors.map(({ code, room }) => [code, room]), [
    ["forbidden_room", "calls:a"],
    ["unavailable", "calls:b"],
    ["bad_cursor", "calls:d"],
  ]);
  assert.deepEqual(socket.said("subscribe").at(-1), { room: "calls:d" }, "a cursor that is none is left out");
  socket.hear({ type: "error", code: "forbidden_room", message: "Not any more.", room: "calls:c" });
  socket.hear({ type: "error", code: "throttled", message: "Slower.", room: "calls:d" });
  socket.end();
  await world.pass(500);
  world.sockets[1].open();
  assert.deepEqual(world.sockets[1].said("subscribe").map(({ room }) => room), ["calls:b", "calls:d"]);
});

test("an address is needed where there is no page to take it from", () => {
  assert.throws(() => new RingsideClient(), /Say where the server is/);
});
