/** The scaled-out system of `deploy/scaled.sh`: three gateways behind nginx, on ports and in a folder of its own. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { BINARY, PASSWORD, freePort } from "./ringside.js";

const SCRIPT = new URL("../../../deploy/scaled.sh", import.meta.url).pathname;
const TRIES = 5;

export class Scaled {
  static async start() {
    const scaled = new Scaled();
    scaled.folder = mkdtempSync(join(tmpdir(), "ringside-scaled-"));
    writeFileSync(join(scaled.folder, "admin-password"), PASSWORD);
    for (let left = TRIES; ; left -= 1) {
      // Those beside it may be taken: then the script says so, and another one is tried.
      scaled.port = Math.min(await freePort(), 65_000);
      try {
        await scaled.run("start");
        break;
      } catch (error) {
        if (left === 0 || !/ is taken/.test(error.stderr ?? "")) throw error;
      }
    }
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

  async stop() {
    await this.run("stop");
    rmSync(this.folder, { recursive: true, force: true });
  }
}
