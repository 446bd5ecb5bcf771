/** The scaled-out system of `deploy/scaled.sh`: three gateways behind nginx, on ports and in a folder of its own. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { BINARY, PASSWORD, isFree } from "./ringside.js";

const SCRIPT = new URL("../../../deploy/scaled.sh", import.meta.url).pathname;
/** nginx, the gateways, the collectors and Redis are on this one and those above it. */
const PORTS = 22;
/** Below those that the kernel gives to outgoing connections, of which a browser and a balancer make many. */
const [FROM, TO] = [22_000, 32_000];

async function freePorts() {
  for (;;) {
    const first = FROM + Math.floor(Math.random() * (TO - FROM - PORTS));
    const free = await Promise.all(Array.from({ length: PORTS }, (_, n) => isFree(first + n)));
    if (free.every(Boolean)) return first;
  }
}

export class Scaled {
  static async start() {
    const scaled = new Scaled();
    scaled.folder = mkdtempSync(join(tmpdir(), "ringside-scaled-"));
    writeFileSync(join(scaled.folder, "admin-password"), PASSWORD);
    scaled.port = await freePorts();
    await scaled.run("start");
    scaled.url = `http://127.0.0.1:${scaled.port}`;
    return scaled;
  }

  /** `start` also brings back what was killed. */
  run(what) {
    const foreign = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("RINGSIDE_")));
    const env = { ...foreign, SCALED_DIR: this.folder, SCALED_PORT: String(this.port), SCALED_BINARY: BINARY };
    return promisify(execFile)(SCRIPT, [what], { env });
  }

  /** Sends a signal to a role, such as `gateway1`, and returns once it is gone. */
  async end(role, signal) {
    const pid = Number(readFileSync(join(this.folder, `${role}.pid`), "utf8"));
    process.kill(pid, signal);
    for (;;) {
      // A process that has ended has no arguments any more.
      let command = "";
      try {
        command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return;
      }
      if (command === "") return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** How many WebSockets a gateway has. */
  async sockets(gateway) {
    const answer = await fetch(`http://127.0.0.1:${this.port + Number(gateway.at(-1))}/metrics`);
    const [, open] = /^ringside_gateway_connections\{transport="websocket"\} (\d+)$/m.exec(await answer.text()) ?? [];
    return Number(open ?? 0);
  }

  async stop() {
    await this.run("stop");
    rmSync(this.folder, { recursive: true, force: true });
  }
}
