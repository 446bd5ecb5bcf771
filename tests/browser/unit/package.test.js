import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

const ROOT = new URL("../../../", import.meta.url).pathname;
const TSC = new URL("../node_modules/.bin/tsc", import.meta.url).pathname;

/** A project of somebody else's, with the package in it as npm would put it there. */
let folder;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "ringside-package-"));
  execFileSync("make", ["--silent", "-C", ROOT, "client", `CLIENT_DIR=${join(folder, "made")}`], { stdio: "pipe" });
  const [packed] = readdirSync(join(folder, "made")).filter((name) => name.endsWith(".tgz"));
  execFileSync("tar", ["xzf", join(folder, "made", packed), "-C", folder]);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(join(folder, "package"), join(folder, "node_modules", "ringside-client"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Type-checks a program of theirs; what the compiler says. */
function compile(program) {
  writeFileSync(join(folder, "theirs.ts"), program);
  const options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext"];
  try {
    return String(execFileSync(TSC, [...options, "theirs.ts"], { cwd: folder, stdio: "pipe" }));
  } catch (error) {
    return String(error.stdout);
  }
}

test("the package has the module, its types, a README and the licence, and nothing else", () => {
  const [{ files, version }] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json"], { cwd: join(folder, "made"), stdio: "pipe" }));
  assert.deepEqual(files.map(({ path }) => path).sort(), ["LICENSE", "README.md", "package.json", "ringside-client.d.ts", "ringside-client.js"]);
  const [, ours] = /^version = "(.+)"$/m.exec(readFileSync(join(ROOT, "Cargo.toml"), "utf8"));
  assert.equal(version, ours, "the package has the version of the product");
});

test("it runs where it is installed", () => {
  const program = 'import { RingsideClient } from "ringside-client"; console.log(new RingsideClient({ url: "http://127.0.0.1" }).state);';
  writeFileSync(join(folder, "theirs.mjs"), program);
  assert.equal(String(execFileSync(process.execPath, ["theirs.mjs"], { cwd: folder })), "closed\n");
});

test("its types carry a program, and refuse what makes no sense", () => {
  const good = `
    import { RingsideClient, RingsideError, type State, type Campaign } from "ringside-client";
    const client = new RingsideClient({ url: "https://ringside.example", getToken: async () => "jwt" });
    let seen: State = client.state;
    client.onState = (state) => { seen = state; };
    client.onError = (error) => console.warn(error.code.length, error.room?.length, error instanceof RingsideError);
    const leave: () => void = client.subscribe("campaign:a", (frame) => {
      const campaign: Campaign | null | undefined = frame.campaign;
      console.log(campaign?.counters.attempts.toFixed(0), campaign?.ratios.answerRate.value ?? "unknown");
    });
    client.subscribe("metrics", { cursor: client.cursor("a"), metrics: ["cpu_usage"] }, ({ metrics }) => metrics?.[0]?.p95);
    client.command("campaign.pause", "a", { now: true }, { timeoutMs: 500 }).then(({ result }) => result === "applied");
    client.connect(); leave(); client.close(); seen;`;
  assert.equal(compile(good), "");
  const bad = ["client.subscribe('a', 7);", "client.state = 'live';", "client.command(7, 'a');", "new RingsideClient({ tokn: 'x' });"];
  const told = compile(['import { RingsideClient } from "ringside-client";', "const client = new RingsideClient();", ...bad].join("\n"));
  for (const [n, line] of bad.entries()) assert.ok(told.includes(`theirs.ts(${n + 3},`), `${line}\n${told}`);
});
