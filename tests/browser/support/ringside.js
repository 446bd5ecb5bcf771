/** The product itself: the real binary on a free port with a folder of its own, ended by its process id. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const BINARY = process.env.RINGSIDE_BIN ?? new URL("../../../target/debug/ringside", import.meta.url).pathname;
export const PASSWORD = "a-long-password-for-tests";
export const INGEST_KEY = "0123456789abcdef0123456789abcdef";
const START_WITHIN_MS = 60_000;

/** A port that nobody listens on right now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** True where nobody listens on a port. */
export function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Makes a certificate that nobody vouches for, and says where it is. */
function makeCertificate(folder) {
  const [certificate, key] = [join(folder, "tls.pem"), join(folder, "tls.key")];
  const made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost";
  const names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  execFileSync("openssl", [...made.split(" "), ...names, "-keyout", key, "-out", certificate], { stdio: "ignore" });
  return { RINGSIDE_TLS_CERTIFICATE: certificate, RINGSIDE_TLS_KEY: key };
}

/** True where it is ready; whoever vouches for its certificate. */
function isReady(url) {
  if (url.startsWith("http:")) return fetch(`${url}/readyz`).then((answer) => answer.ok, () => false);
  return new Promise((resolve) => {
    const asked = request(`${url}/readyz`, { rejectUnauthorized: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    asked.once("error", () => resolve(false)).end();
  });
}

export class Ringside {
  #process = null;

  /** @param {{ tls?: boolean, environment?: Record<string, string>, toml?: string }} [wishes] `toml` stands in its `ringside.toml`. */
  static async start({ tls = false, environment = {}, toml = "" } = {}) {
    const ringside = new Ringside();
    ringside.port = await freePort();
    ringside.url = `${tls ? "https" : "http"}://127.0.0.1:${ringside.port}`;
    ringside.folder = mkdtempSync(join(tmpdir(), "ringside-browser-"));
    writeFileSync(join(ringside.folder, "ringside.toml"), toml);
    ringside.environment = tls ? { ...environment, ...makeCertificate(ringside.folder) } : environment;
    await ringside.run();
    return ringside;
  }

  /** Runs it, again after `kill`, on the same port and folder. */
  async run() {
    // What the shell says to other runs is none of this one's business; an unknown key would even end it.
    const foreign = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("RINGSIDE_")));
    const child = spawn(BINARY, ["--config", join(this.folder, "ringside.toml"), "--listen", `127.0.0.1:${this.port}`, "--data", join(this.folder, "data")], {
      env: { ...foreign, RINGSIDE_ADMIN_PASSWORD: PASSWORD, RINGSIDE_INGEST_KEY: INGEST_KEY, ...this.environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said = (said + text).slice(-4000)));
    const until = Date.now() + START_WITHIN_MS;
    while (Date.now() < until) {
      if (child.exitCode !== null) throw new Error(`${BINARY} ended: ${said}`);
      if (await isReady(this.url)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${BINARY} was not ready in time: ${said}`);
  }

  /** Ends it at once, as a power cut would. */
  async kill() {
    const child = this.#process;
    if (!child || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  async stop() {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Sends an event in, as a source would. */
  async ingest(event) {
    const answer = await fetch(`${this.url}/ingest/events`, {
      method: "POST",
      headers: { authorization: `Bearer ${INGEST_KEY}`, "content-type": "application/json" },
      body: JSON.stringify(event),
    });
    const told = await answer.json();
    if (!answer.ok || told.accepted !== 1) throw new Error(`ingest: ${answer.status} ${JSON.stringify(told)}`);
  }
}
