import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as number from "../../../static/js/lib/format.js";

test("numbers read as the shared table says", () => {
  const table = JSON.parse(readFileSync(new URL("../../fixtures/formats.json", import.meta.url), "utf8"));
  assert.ok(table.length > 40);
  for (const row of table) assert.equal(number[row.kind](row.in), row.out, JSON.stringify(row));
});

test("what is not a number is unknown", () => {
  for (const nothing of [null, undefined, NaN, Infinity]) assert.equal(number.count(nothing), "–");
});
