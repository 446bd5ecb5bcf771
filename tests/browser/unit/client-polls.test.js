import assert from "node:assert/strict";
import { test } from "node:test";

import { calls, double, initial, live, polling, settled } from "../support/double.js";

test("without sockets it polls from the cursors, and goes back when one speaks", async () => {
  const it = live(["calls:a", "overview"]);
  const { client, world, heard, socket } = it;
  socket.hear(initial("calls:a", "e:5"), initial("overview"));
  await polling(it);
  assert.deepEqual([world.asked[0].path, world.asked[0].rooms, world.asked[0].wait], ["/poll", "calls:a@e:5,overview", "25"]);
  await world.answer({ frames: [calls("e:6"), initial("overview")], cursor: "calls:a@e:6,overview@g1:40" });
  assert.equal(client.state, "polling");
  await world.pass(2000);
  assert.equal(world.asked[1].rooms, "calls:a@e:6,overview@g1:40", "what is known is not sent again");
  assert.equal(world.asked[1].at - world.asked[0].at, 2000);
  await world.answer({ frames: [calls("e:9")], cursor: "calls:a@e:9,overview@g1:40" });
  assert.deepEqual(world.errors.map(({ code }) => code), ["gap"]);
  await world.pass(2000);
  assert.equal(world.asked[2].rooms, "calls:a@e:6,overview@g1:40", "a gap is asked for again");

  // The next socket was planned before a poll got through.
  const planned = world.sockets.at(-1);
  planned.end();
  assert.equal(client.retryAt - world.now, 60_000, "and then each minute");
  const { length } = world.sockets;
  while (world.sockets.length === length) {
    await world.answer({ cursor: "calls:a@e:6,overview@g1:41" });
    await world.pass(500);
  }
  world.sockets.at(-1).open();
  assert.equal(client.state, "polling", "an open socket has said nothing yet");
  const asked = world.asked.length;
  world.sockets.at(-1).hear({ type: "subscribed", room: "calls:a" }, calls("e:7"));
  assert.deepEqual([client.state, heard.at(-1)], ["live", "call_event e:7"]);
  await world.pass(9000);
  assert.equal(world.asked.length, asked);
});

test("a socket that does not open within four seconds has polls beside it", async () => {
  const { client, world } = double();
  client.subscribe("alerts", { cursor: "e:3" }, () => {});
  client.connect();
  await world.pass(3999);
  assert.equal(world.asked.length, 0);
  await world.pass(1);
  await world.answer({ cursor: "alerts@e:3" });
  assert.deepEqual([client.state, world.sockets.length], ["polling", 1]);
  world.sockets[0].open();
  world.sockets[0].hear({ type: "pong" });
  assert.equal(client.state, "live");
});

test("while the server is away nobody is stormed, and its word on when to ask counts", async () => {
  const it = live();
  const { client, world } = it;
  await polling(it);
  const waits = [];
  for (let n = 0; n < 4; n += 1) {
    const { at } = world.asked.at(-1);
    await world.noAnswer();
    assert.equal(client.state, "offline");
    const count = world.asked.length;
    while (world.asked.length === count) await world.pass(100);
    waits.push(world.asked.at(-1).at - at);
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000]);
  const { at } = world.asked.at(-1);
  await world.answer({ status: 503, retryAfter: "11" });
  await world.pass(10_999);
  assert.equal(world.asked.at(-1).at, at);
  await world.pass(1);
  await world.answer({ frames: [{ type: "bye", retryMs: 2400 }] });
  assert.equal(client.state, "polling");
  await world.pass(2399);
  const count = world.asked.length;
  await world.pass(1);
  assert.equal(world.asked.length, count + 1, "the bye of a poll counts too");
});

test("where there are no WebSockets it polls at once", async () => {
  const { client, world } = double({ WebSocket: null });
  const heard = [];
  client.subscribe("calls:a", (frame) => heard.push(frame.type));
  client.connect();
  await world.answer({ frames: [initial("calls:a", "e:5")], cursor: "calls:a@e:5" });
  assert.deepEqual([client.state, heard], ["polling", ["initial"]]);
  await world.pass(2000);
  client.subscribe("metrics", { metrics: ["cpu_usage", "revenue"] }, () => {});
  await world.pass(2000);
  const { rooms, metrics } = world.asked.at(-1);
  assert.deepEqual([rooms, metrics], ["calls:a@e:5,metrics", "cpu_usage,revenue"], "a held poll is put again for a new room");
  client.close();
  await world.pass(60_000);
  assert.equal(world.asked.at(-1).rooms, rooms);
  assert.deepEqual([client.state, world.timers.length], ["closed", 0]);
});

test("more than a hundred rooms are polled in several questions", async () => {
  const { client, world } = double({ WebSocket: null });
  for (let n = 0; n < 101; n += 1) client.subscribe(`calls:c${n}`, () => {});
  client.connect();
  assert.deepEqual(world.asked.map(({ rooms, wait }) => [rooms.split(",").length, wait]), [[100, "0"], [1, "0"]]);
});

test("a room that a poll may not watch is dropped and told, the others go on", async () => {
  const { client, world } = double({ WebSocket: null });
  for (const room of ["calls:a", "calls:secret"]) client.subscribe(room, () => {});
  client.connect();
  await world.answer({ status: 403 });
  assert.deepEqual(world.asked.slice(1).map(({ rooms }) => rooms), ["calls:a", "calls:secret"]);
  await world.answer({ status: 403, problem: { code: "forbidden_room", detail: "You may not watch it." } });
  world.asked[1].resolve({ ok: true, status: 200, json: async () => ({ frames: [], cursor: "calls:a@e:1" }) });
  await settled();
  assert.deepEqual(world.errors.map(({ code, room }) => [code, room]), [["forbidden_room", "calls:secret"]]);
  await world.pass(2000);
  assert.equal(world.asked.at(-1).rooms, "calls:a@e:1");
});

test("an answer to a poll that comes after the socket has spoken is not told, and no other is asked", async () => {
  const it = live(["alerts"]);
  const { client, world, heard } = it;
  it.socket.hear(initial("alerts", "e:1"));
  await polling(it);
  await world.pass(1000);
  const late = { frames: [{ type: "alert", room: "alerts", cursor: "e:2" }], cursor: "alerts@e:2" };
  world.asked.at(-1).resolve({ ok: true, status: 200, json: async () => late });
  world.sockets.at(-1).open();
  world.sockets.at(-1).hear({ type: "subscribed", room: "alerts" });
  for (let n = 0; n < 8; n += 1) {
    await world.pass(1000);
    world.sockets.at(-1).hear({ type: "pong" });
  }
  assert.deepEqual([client.state, heard, world.asked.length], ["live", ["initial e:1"], 1]);
});

test("polls that begin anew begin rooms without cursors anew, and count failures anew", async () => {
  const it = live(["overview"]);
  const { world } = it;
  await polling(it);
  await world.answer({ frames: [initial("overview")], cursor: "overview@g:4" });
  await world.pass(2000);
  assert.equal(world.asked.at(-1).rooms, "overview@g:4");
  await world.noAnswer();
  await world.pass(500);
  await world.answer({ cursor: "overview@g:5" });
  await world.pass(2000);
  await world.noAnswer();
  const asked = world.asked.length;
  await world.pass(500);
  assert.equal(world.asked.length, asked + 1);
  world.sockets.at(-1).open();
  world.sockets.at(-1).hear({ type: "pong" });
  world.sockets.at(-1).end();
  await settled();
  assert.equal(world.asked.at(-1).rooms, "overview");
});

test("a gap that polls do not repair is repaired by a fresh start", async () => {
  const { client, world } = double({ WebSocket: null });
  const heard = [];
  client.subscribe("calls:a", { cursor: "e:5" }, ({ cursor }) => heard.push(cursor));
  client.connect();
  for (const rooms of ["calls:a@e:5", "calls:a@e:5", "calls:a"]) {
    assert.equal(world.asked.at(-1).rooms, rooms);
    await world.answer({ frames: rooms === "calls:a" ? [initial("calls:a", "e:9")] : [calls("e:8"), calls("e:9")], cursor: "calls:a@e:9" });
    await world.pass(2000);
  }
  assert.deepEqual([heard, world.errors.length], [["e:9"], 2]);
});
