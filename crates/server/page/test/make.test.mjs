// Making pictures: the form, the run, its states, the queue, the token.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { browser, open, ready, status } from "./browser.mjs";
import { mock } from "./mock.mjs";

let chromium, server, page;
before(async () => (chromium = await browser()));
after(() => chromium.close());
afterEach(async () => {
  const { wrongs } = page;
  await page.context().close();
  await server.close();
  assert.deepEqual(wrongs, []);
});

async function begin(options = {}, view = {}) {
  server = await mock(options);
  page = await open(chromium, server.url, view);
  await ready(page);
}

test("a picture is drawn, with previews on the way, and its states can be scrubbed", async () => {
  await begin({ stepMs: 40 });
  await page.fill("#prompt", "noto emoji of octopus");
  await page.fill("#steps", "30");
  await page.click("#generate");
  await status(page, "Step 5 of 30");
  assert.match(await page.getAttribute("#shown", "src"), /\/steps\/0\/\d+\.png$/);
  assert.match(await page.textContent("#status"), /σ [\d.]+, about \d+ s left/);

  // While it is drawn: a frame that was chosen stays.
  await page.locator("#film-range").fill("2");
  assert.match(await page.getAttribute("#shown", "src"), /\/steps\/0\/3\.png$/);
  await status(page, "Step 12 of 30");
  assert.match(await page.getAttribute("#shown", "src"), /\/steps\/0\/3\.png$/);
  assert.equal(await page.textContent("#caption-left"), "state 3 of 30");

  await status(page, "Printed");
  assert.equal(await page.locator(".frame").count(), 31, "every step and the print");
  await page.locator("#film-range").fill("30");
  assert.match(await page.getAttribute("#shown", "src"), /\/pictures\/.*\.png$/);
  await page.locator(".frame").nth(9).click();
  const tenth = [...server.state.jobs.values()][0].events.find(({ event, data }) => event === "step" && data.step === 10);
  const [, sigma] = /^step 10, σ ([\d.]+)$/.exec(await page.textContent("#film-says"));
  assert.ok(Math.abs(Number(sigma) - tenth.data.sigma) < 0.01 * tenth.data.sigma);
  assert.equal(server.state.asked[0].prompt, "noto emoji of octopus");
  assert.equal(server.state.asked[0].seed, null);
  await page.waitForTimeout(600);
  assert.equal(server.state.streams, 1, "what has ended is not listened to");
});

test("several pictures, a kept seed, and what was set is there after a reload", async () => {
  await begin();
  await page.fill("#prompt", "blob emoji of pizza");
  await page.fill("#count", "3");
  await page.selectOption("#sampler", "heun");
  await page.click("#generate");
  await status(page, "Printed");
  await page.locator("#batch button").nth(1).click();
  const [, seed] = /seed (\d+)/.exec(await page.textContent("#caption-right"));
  await page.click("#seed-keep");
  assert.equal(await page.inputValue("#seed"), seed);
  await page.reload();
  await ready(page);
  assert.deepEqual(
    [await page.inputValue("#prompt"), await page.inputValue("#sampler"), await page.inputValue("#seed")],
    ["blob emoji of pizza", "heun", seed]);
  await page.click("#seed-random");
  assert.equal(await page.inputValue("#seed"), "");
  const kept = await page.evaluate(() => JSON.stringify(localStorage));
  assert.ok(!/data:|token/.test(kept), "only settings are remembered");
});

test("pictures that are drawn together do not take turns on the plate", async () => {
  await begin({ together: true, stepMs: 60 });
  await page.fill("#count", "3");
  await page.click("#generate");
  await status(page, "3 pictures, step");
  for (let i = 0; i < 5; i++) assert.match(await page.getAttribute("#shown", "src"), /\/steps\/0\/\d+\.png/);
  await page.locator("#batch button").nth(2).click();
  assert.match(await page.getAttribute("#shown", "src"), /\/steps\/2\/\d+\.png/);
  await status(page, "Printed");
  assert.equal(await page.textContent("#caption-left"), "3/3");
});

test("Esc cancels a run, and the queue tells who waits", async () => {
  await begin({ stepMs: 60 });
  await page.fill("#prompt", "one");
  await page.click("#generate");
  await status(page, "Step 3");
  await page.fill("#prompt", "two");
  await page.click("#generate");
  await page.locator("#queue-list li[data-state=queued]").waitFor();
  assert.match(await page.locator("#queue-list li[data-state=queued]").textContent(), /№ 1\s*two/);
  await page.locator("#queue-list li[data-state=queued] button", { hasText: "Cancel" }).click();
  await page.locator("#queue-list li[data-state=cancelled]").waitFor();
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => /Cancelled/.test(document.querySelector("#status").textContent));
  assert.deepEqual([...server.state.jobs.values()].map(({ state }) => state), ["cancelled", "cancelled"]);
});

test("what ended can be looked at while another one is drawn, and the next of ours is shown in its turn", async () => {
  await begin({ stepMs: 10 });
  for (const prompt of ["one", "two", "three"]) {
    await page.fill("#prompt", prompt);
    await page.click("#generate");
    await page.locator("#queue-list li", { hasText: prompt }).waitFor();
    if (prompt === "one") {
      await status(page, "Printed");
      server.state.stepMs = 100;
    }
  }
  const alt = () => page.getAttribute("#shown", "alt");
  await page.locator("#queue-list li", { hasText: "one" }).getByRole("button", { name: "Show" }).click();
  await status(page, "Printed");
  await page.waitForTimeout(300);
  assert.equal(await alt(), "Picture of: one");
  await page.locator("#queue-list li", { hasText: "two" }).getByRole("button", { name: "Show" }).click();
  assert.equal(await alt(), "Picture of: two");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.querySelector("#shown").alt === "Picture of: three");
});

test("a reload finds the run that is drawn", async () => {
  await begin({ stepMs: 60 });
  await page.fill("#prompt", "one");
  await page.click("#generate");
  await status(page, "Step 3");
  await page.reload();
  await ready(page);
  await status(page, "of 20");
  assert.ok((await page.locator(".frame").count()) >= 3, "its states from the first one on");
});

test("a broken connection is told of and mended, and no step is missed", async () => {
  await begin({ stepMs: 150 });
  await page.fill("#steps", "40");
  await page.click("#generate");
  await status(page, "Step 3");
  server.cut();
  await status(page, "The server does not answer");
  await status(page, "Printed");
  assert.equal(await page.locator(".frame").count(), 41);
});

test("what cannot be is said where it is wrong", async () => {
  await begin();
  await page.fill("#width", "130");
  await page.click("#generate");
  assert.equal(await page.textContent("#width-error"), "Width: 130 is no multiple of 8; 128 is the nearest.");
  assert.equal(await page.getAttribute("#width", "aria-invalid"), "true");
  assert.equal(await page.evaluate(() => document.activeElement.id), "width");
  assert.equal(await page.textContent("[role=alert] p"), await page.textContent("#width-error"));
  await page.fill("#width", "128");
  await page.fill("#prompt", "too many words");
  await page.click("#generate");
  await page.locator("#prompt-error").filter({ hasText: "at most 4096 are read." }).waitFor();
  assert.equal(await page.textContent("#width-error"), "");
  assert.equal(server.state.asked.length, 0);
});

const sending = (text) => page.locator("#sending").filter({ hasText: text }).waitFor();

test("a full queue is waited for, and Esc gives up", async () => {
  await begin({ stepMs: 100, queue: 1 });
  await page.fill("#steps", "20");
  for (const prompt of ["one", "two"]) {
    await page.fill("#prompt", prompt);
    await page.click("#generate");
    await page.waitForFunction((n) => document.querySelectorAll("#queue-list li").length >= n, prompt === "one" ? 1 : 2);
  }
  await page.fill("#prompt", "three");
  await page.click("#generate");
  await sending("The queue is full: trying again in 1 s");
  await page.locator("#queue-list li", { hasText: "three" }).waitFor();
  assert.ok(server.state.refused > 0);
  assert.equal(server.state.asked.length, 3);
  await page.fill("#prompt", "four");
  await page.click("#generate");
  await sending("The queue is full");
  await page.keyboard.press("Escape");
  await sending("nothing was queued");
  assert.equal(server.state.asked.length, 3);
});

test("a token is asked for once", async () => {
  server = await mock({ token: "sesame" });
  page = await open(chromium, server.url);
  await page.locator("#token[open]").waitFor();
  await page.fill("#token-field", "wrong");
  await page.keyboard.press("Enter");
  await page.locator("#token-error").filter({ hasText: "another token" }).waitFor();
  await page.fill("#token-field", "sesame");
  await page.keyboard.press("Enter");
  await ready(page);
  await page.fill("#prompt", "one");
  await page.click("#generate");
  await status(page, "Printed");
  await page.reload();
  await ready(page);
  assert.equal(await page.locator("#token[open]").count(), 0);
});

test("everything by keys alone", async () => {
  await begin({ stepMs: 20, pictures: 12 });
  const focus = () => page.evaluate(() => document.activeElement.id || document.activeElement.className);
  await page.keyboard.press("?");
  await page.locator("#keys[open]").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("p");
  assert.equal(await focus(), "prompt");
  await page.keyboard.type("flat emoji of fox");
  await page.keyboard.press("Control+Enter");
  await status(page, "Printed");
  // Letters belong to the field while it has the focus.
  await page.keyboard.type("?2");
  assert.equal(await page.inputValue("#prompt"), "flat emoji of fox?2");
  for (let i = 0; i < 60 && (await focus()) !== "film-range"; i++) await page.keyboard.press("Tab");
  assert.equal(await focus(), "film-range");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await page.textContent("#caption-left"), "state 20 of 20");
  await page.keyboard.press(",");
  assert.equal(await page.textContent("#caption-left"), "state 19 of 20");
  await page.keyboard.press("2");
  await page.locator(".tile").first().waitFor();
  await page.keyboard.press("/");
  assert.equal(await focus(), "search");
  for (let i = 0; i < 5 && (await focus()) !== "tile-open"; i++) await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.locator("#viewer[open]").waitFor();
  const name = await page.textContent("#viewer-title");
  await page.keyboard.press("ArrowRight");
  assert.notEqual(await page.textContent("#viewer-title"), name);
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.activeElement.className === "tile-open");
});

test("how it works: tokens, noise, states and attention of the run", async () => {
  await begin();
  await page.fill("#prompt", "noto emoji of octopus");
  await page.check("#explain");
  await page.click("#generate");
  await status(page, "Printed");
  await page.locator("button.token").first().waitFor();
  assert.equal(await page.locator(".token").count(), 6);
  await page.locator("#film-range").fill("9");
  const dot = await page.locator(".plot-dot").getAttribute("cx");
  await page.locator("#film-range").fill("4");
  assert.ok(Number(await page.locator(".plot-dot").getAttribute("cx")) < Number(dot), "the plot follows the strip");
  await page.locator("button.token", { hasText: "octopus" }).click();
  assert.match(await page.getAttribute("#attention", "src"), /attention\/4\.png/);
  await page.locator("button.token", { hasText: "octopus" }).click();
  assert.ok(await page.locator("#attention").isHidden());
  // A run without the wish for it has no such section.
  await page.uncheck("#explain");
  await page.click("#generate");
  await page.locator("#explained").waitFor({ state: "hidden" });
});
