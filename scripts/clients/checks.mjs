// A list of named checks, and the table of how they went.

import assert from "node:assert/strict";

export const url = process.env.HAYHOOKS_URL;

const LONGEST = 20_000;

// Run all checks, one after the other, whose name holds one of the words; return how many failed.
export async function runChecks(clients, words) {
  const rows = [];
  for (const [client, checks] of Object.entries(clients)) {
    for (const [name, check] of Object.entries(checks)) {
      const title = `${client}: ${name}`;
      if (words.length === 0 || words.some((word) => title.includes(word))) {
        rows.push([title, await reasonOfFailure(check)]);
      }
    }
  }
  const width = Math.max(...rows.map(([title]) => title.length));
  for (const [title, reason] of rows) {
    console.log(`${title.padEnd(width)}  ${reason === null ? "passed" : "FAILED"}`);
  }
  const failed = rows.filter(([, reason]) => reason !== null);
  for (const [title, reason] of failed) console.log(`\n${title}\n${reason}`);
  console.log(`\n${rows.length - failed.length} passed, ${failed.length} failed`);
  return failed.length;
}

async function reasonOfFailure(check) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${LONGEST} ms`)), LONGEST);
  });
  try {
    await Promise.race([check(), late]);
    return null;
  } catch (error) {
    return error.stack ?? String(error);
  } finally {
    clearTimeout(timer);
  }
}

// Call `use` and check that meanwhile the agent was run once.
export async function isOneRun(use) {
  const before = await runs();
  await use();
  assert.equal((await runs()) - before, 1);
}

async function runs() {
  const response = await fetch(`${url}/agent/run`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  return (await response.json()).result;
}

// Return all items of an async iterable.
export async function listed(items) {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}
