import assert from "node:assert/strict";
import { test } from "node:test";

import { extendLogin } from "../../../static/js/lib/login.js";
import { double } from "../support/double.js";

/** Answers what asks for another token. */
function answering(t, answer) {
  t.mock.method(globalThis, "fetch", async (path, { method }) => {
    assert.deepEqual([path, method], ["/auth/refresh", "POST"]);
    return answer();
  });
}

const problem = (status) => () => Response.json({ code: "unavailable" }, { status });

test("a login is renewed, or has ended where the server says so", async (t) => {
  answering(t, () => Response.json({ token: "jwt" }));
  assert.equal(await extendLogin(), "jwt");
  answering(t, () => Response.json({ code: "login_ended" }, { status: 401 }));
  assert.equal(await extendLogin(), null);
});

test("a login that nobody can renew right now has not ended", async (t) => {
  for (const answer of [problem(503), problem(500), problem(429), () => new Response("<h1>Bad gateway</h1>", { status: 502 })]) {
    answering(t, answer);
    await assert.rejects(extendLogin(), /could not be renewed now/);
  }
});

test("a page whose login can't be renewed now tries again, and stays where it is until it has ended", async (t) => {
  const { client, world } = double({ refresh: extendLogin });
  answering(t, problem(503));
  client.connect();
  for (const tries of [1, 2, 3]) {
    world.sockets.at(-1).end(4401);
    await world.pass(0);
    const wait = client.retryAt - world.now;
    assert.ok(wait > 0, "not at once");
    await world.pass(wait);
    assert.deepEqual([world.unauthorized, world.sockets.length], [0, tries + 1]);
  }
  answering(t, () => Response.json({ code: "login_ended" }, { status: 401 }));
  world.sockets.at(-1).end(4401);
  await world.pass(60_000);
  assert.deepEqual([client.state, world.unauthorized, world.sockets.length], ["closed", 1, 4]);
});
