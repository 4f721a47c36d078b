// Pictures as beginnings, and pictures that there are: start, mask, restoring, gallery, grid.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";
import { browser, open, ready, status } from "./browser.mjs";
import { mock } from "./mock.mjs";
import { png, read, whiteness } from "./png.mjs";

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

const picture = (texts = {}) => ({
  name: "a.png", mimeType: "image/png", buffer: png(96, 64, (x, y) => [2 * x, 3 * y, 90], texts),
});
const bytesOf = (data) => Buffer.from(data.replace(/^data:[^,]*,/, ""), "base64");
const last = () => server.state.asked.at(-1);

/** Lets a file fall onto the page, or onto what says it takes it in some way. */
async function drop(file, where) {
  await page.evaluate(async ({ data, where }) => {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], "a.png", { type: "image/png" }));
    const fire = (on, name) => on.dispatchEvent(new DragEvent(name, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    fire(document.body, "dragenter");
    const target = document.querySelector(where);
    fire(target, "dragover");
    fire(target, "drop");
  }, { data: file.buffer.toString("base64"), where });
}

test("image to image: the picture's own bytes, its shape, and a strength", async () => {
  await begin();
  const file = picture();
  await page.setInputFiles("#start-file", file);
  await page.locator("#start-chosen").waitFor();
  assert.deepEqual([await page.inputValue("#width"), await page.inputValue("#height")], ["160", "104"]);
  await page.fill("#strength", "0.4");
  await page.click("#generate");
  await status(page, "Printed");
  assert.ok(bytesOf(last().init).equals(file.buffer));
  assert.equal(last().strength, 0.4);
  assert.equal(last().mask, undefined);
  await page.click("#start-clear");
  await page.click("#generate");
  await page.waitForFunction(() => document.querySelectorAll("#queue-list li").length === 2);
  assert.equal(last().init, undefined);
});

test("a dropped and a pasted picture are starts", async () => {
  await begin();
  await drop(picture(), "[data-drop=start]");
  await page.locator("#start-chosen").waitFor();
  assert.ok(await page.locator("#dropzone").isHidden());
  await page.click("#start-clear");
  await page.evaluate((data) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], "a.png", { type: "image/png" }));
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }));
  }, picture().buffer.toString("base64"));
  await page.locator("#start-chosen").waitFor();
  // What is no picture is refused where it was chosen.
  await page.setInputFiles("#start-file", { name: "x.png", mimeType: "image/png", buffer: Buffer.from("no") });
  await page.locator("#init-error").filter({ hasText: "not a picture" }).waitFor();
});

test("in-painting: a mask by mouse and by keys, white where it is new", async () => {
  await begin();
  await page.setInputFiles("#start-file", picture());
  await page.click("#mask-open");
  const box = await page.locator(".mask-canvas").boundingBox();
  const at = (x, y) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(0.2, 0.5));
  await page.mouse.down();
  await page.mouse.move(...at(0.8, 0.5), { steps: 5 });
  await page.mouse.up();
  await page.click("#mask-done");
  await page.click("#generate");
  await status(page, "Printed");
  const stroke = bytesOf(last().mask);
  assert.deepEqual([read(stroke).width, read(stroke).height], [96, 64], "as large as the picture");
  const painted = whiteness(stroke);
  assert.ok(painted > 0.08 && painted < 0.3, `${painted} is a stroke`);

  // With keys: the brush goes up, paints, becomes an eraser; inverting turns it around.
  await page.click("#mask-open");
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Invert" }).click();
  await page.click("#mask-done");
  await page.click("#generate");
  await page.waitForFunction(() => document.querySelectorAll("#queue-list li").length === 2);
  const inverted = whiteness(bytesOf(last().mask));
  assert.ok(inverted < 1 - painted && inverted > 0.5, `${inverted} is the rest`);
  await page.click("#mask-open");
  await page.locator("#mask").getByRole("button", { name: "Clear" }).click();
  await page.click("#mask-done");
  await page.waitForFunction(() => document.querySelector("#mask-open").textContent.startsWith("Paint"));
});

test("a picture restores its settings, and those without a field are sent along", async () => {
  await begin();
  const request = { prompt: "flat emoji of pizza", negative_prompt: "blur", sampler: "heun", schedule: "karras", steps: 12, guidance_scale: 3.5, width: 96, height: 64, seed: 77, count: 4, eta: 0.3, init: "old.png" };
  const file = picture({ aquatint: JSON.stringify(request).replace("77", "18446744073709551615") });
  await drop(file, "[data-drop=read]");
  await page.waitForFunction(() => document.querySelector("#prompt").value === "flat emoji of pizza");
  await page.locator("#others").filter({ hasText: "eta" }).waitFor();
  assert.equal(await page.inputValue("#seed"), "18446744073709551615", "all 64 bits");
  const sent = page.waitForRequest((request) => request.method() === "POST" && request.url().endsWith("/jobs"));
  await page.click("#generate");
  assert.match((await sent).postData(), /"seed":18446744073709551615[,}]/);
  await status(page, "Printed");
  const { prompt, negative_prompt, sampler, schedule, steps, guidance_scale, width, height, eta, init } = last();
  assert.deepEqual({ prompt, negative_prompt, sampler, schedule, steps, guidance_scale, width, height, eta, init },
    { prompt: "flat emoji of pizza", negative_prompt: "blur", sampler: "heun", schedule: "karras", steps: 12, guidance_scale: 3.5, width: 96, height: 64, eta: 0.3, init: undefined });
  await page.setInputFiles("#restore-file", picture());
  await page.locator("#alarm").filter({ hasText: "says nothing of how it was made" }).waitFor();
});

test("the gallery: more as one scrolls, search, and what may be done with a picture", async () => {
  await begin({ pictures: 150 }, { hash: "#gallery" });
  await page.waitForFunction(() => document.querySelectorAll(".tile").length >= 60);
  for (let i = 0; i < 20 && (await page.locator(".tile").count()) < 150; i++) {
    await page.mouse.wheel(0, 4000);
    await page.waitForTimeout(100);
  }
  assert.equal(await page.locator(".tile").count(), 150);
  await page.fill("#search", "blob pizza");
  await page.waitForFunction(() => document.querySelectorAll(".tile").length === 13);
  assert.equal(await page.textContent("#gallery-says"), "13 pictures");

  await page.locator(".tile-open").first().click();
  assert.match(await page.textContent("#viewer .facts"), /seed145.*samplerddim.*steps20/s);
  const saved = page.waitForEvent("download");
  await page.locator("#viewer [data-action=download]").click();
  const file = await readFile(await (await saved).path());
  assert.equal(JSON.parse(read(file).texts.aquatint).seed, 145);
  await page.locator("#viewer [data-action=delete]").click();
  assert.equal(server.state.gallery.length, 150, "one press only asks");
  await page.locator("#viewer [data-action=delete]").click();
  await page.waitForFunction(() => document.querySelectorAll(".tile").length === 12);
  assert.equal(server.state.gallery.length, 149);

  await page.locator(".tile-open").first().click();
  await page.locator("#viewer [data-action=repeat]").click();
  await status(page, "Printed");
  assert.deepEqual([last().seed, last().prompt], [133, "blob emoji of pizza, pink background"]);
  await page.locator("#actions [data-action=vary]").click();
  await page.waitForFunction(() => document.querySelectorAll("#queue-list li").length === 2);
  assert.equal(last().seed, null);
  await status(page, "Printed");
  await page.locator("#actions [data-action=upscale]").click();
  await page.waitForFunction(() => /512 × 512/.test(document.querySelector("#caption-right").textContent));
  assert.deepEqual([last().upscale, last().model, read(bytesOf(last().init)).width], [true, "esrgan-slim", 128]);
  await page.locator("#actions [data-action=start]").click();
  await page.locator("#start-size").filter({ hasText: "512 × 512" }).waitFor();
});

test("two pictures are compared", async () => {
  await begin({ pictures: 12 }, { hash: "#gallery" });
  await page.locator("[data-pick]").nth(0).check();
  assert.ok(await page.locator("#picked-compare").isDisabled());
  await page.locator("[data-pick]").nth(3).check();
  await page.click("#picked-compare");
  await page.locator("#compare-range").fill("20");
  const clip = await page.evaluate(() => getComputedStyle(document.querySelector(".compare-over img")).clipPath);
  assert.match(clip, /80%/);
  assert.match(await page.textContent(".compare-table"), /seed118/);
  assert.doesNotMatch(await page.textContent(".compare-table"), /sampler/);
  await page.getByRole("button", { name: "Side by side" }).click();
  assert.equal(await page.locator(".compare-beside img:visible").count(), 2);
  await page.keyboard.press("Escape");
  await page.click("#picked-clear");
  assert.equal(await page.locator("[data-pick]:checked").count(), 0);
  // The print on the plate can be one of the two.
  await page.locator("[data-pick]").nth(1).check();
  await page.click("[data-view=make]");
  await page.click("#generate");
  await status(page, "Printed");
  await page.locator("#actions [data-action=compare]").click();
  await page.click("#picked-compare");
  assert.match(await page.textContent(".compare-table"), /prompt/);
});

test("a grid: every pair of values, within the queue, and saved as a picture", async () => {
  await begin({ queue: 1, stepMs: 4 });
  await page.fill("#prompt", "noto emoji of fox");
  await page.fill("#steps", "4");
  await page.keyboard.press("Escape");
  await page.click("[data-view=grid]");
  await page.selectOption("#x-axis", "prompt");
  await page.fill("#x-values", "noto, blob");
  await page.selectOption("#y-axis", "guidance_scale");
  await page.fill("#y-values", "1-5+2");
  assert.equal(await page.textContent("#grid-count"), "2 × 3: 6 pictures.");
  await page.click("#grid-go");
  await page.locator("#grid-says").filter({ hasText: "The grid is drawn." }).waitFor({ timeout: 30_000 });
  assert.equal(await page.locator("table.grid td img").count(), 6);
  const asked = server.state.asked.map(({ prompt, guidance_scale }) => `${prompt} ${guidance_scale}`).sort();
  assert.deepEqual(asked, ["blob", "noto"].flatMap((style) => [1, 3, 5].map((scale) => `${style} emoji of fox ${scale}`)));
  const seeds = new Set(server.state.asked.map(({ seed }) => seed));
  assert.ok(seeds.size === 1 && Number.isInteger([...seeds][0]), "all begin with the same noise");
  const saved = page.waitForEvent("download");
  await page.click("#grid-save");
  const { width, height } = read(await readFile(await (await saved).path()));
  assert.ok(width > 2 * 128 && height > 3 * 128);
  await page.fill("#y-values", "1, three");
  await page.click("#grid-go");
  assert.match(await page.textContent("#y-values-error"), /Only numbers/);
  await page.selectOption("#x-axis", "strength");
  await page.fill("#x-values", "0.5");
  await page.fill("#y-values", "1");
  await page.click("#grid-go");
  await page.locator("#alarm").filter({ hasText: "needs a start picture" }).waitFor();
});

test("a grid can be stopped", async () => {
  await begin({ stepMs: 60 });
  await page.click("[data-view=grid]");
  await page.fill("#x-values", "ddim");
  await page.fill("#y-values", "1-9");
  await page.click("#grid-go");
  await page.locator("table.grid td.running").waitFor();
  await page.click("#grid-stop");
  await page.locator("#grid-says").filter({ hasText: "Stopped" }).waitFor();
  await page.waitForFunction(() => document.querySelector("#grid-go").disabled === false);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok([...server.state.jobs.values()].every(({ state }) => state === "cancelled"));
  assert.ok(server.state.jobs.size <= 3, "only a few wait at a time");
});
