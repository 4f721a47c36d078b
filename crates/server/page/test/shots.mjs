// Pictures of the page in every state that people see, light and dark, wide and narrow, into
// test/out/ (or the folder given), for looking at them.

import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { browser, open, ready, status } from "./browser.mjs";
import { mock } from "./mock.mjs";

const out = process.argv[2] ?? fileURLToPath(new URL("out", import.meta.url));
await mkdir(out, { recursive: true });
const server = await mock({ pictures: 130, stepMs: 10 });
const chromium = await browser();

for (const [name, width, height, colorScheme] of [
  ["wide", 1280, 900, "light"], ["wide-dark", 1280, 900, "dark"], ["phone", 390, 844, "light"], ["phone-dark", 390, 844, "dark"],
]) {
  const page = await open(chromium, server.url, { width, height, colorScheme, reducedMotion: "reduce" });
  const shot = (what, fullPage = false) => page.screenshot({ path: `${out}/${name}-${what}.png`, fullPage });
  await ready(page);
  await shot("empty", true);
  await page.fill("#prompt", "noto emoji of octopus, pink background");
  await page.fill("#count", "3");
  await page.check("#explain");
  server.state.stepMs = 120;
  await page.keyboard.press("Control+Enter");
  await status(page, "step 9 of");
  await shot("drawing");
  server.state.stepMs = 10;
  await status(page, "Printed");
  await page.locator("#film-range").fill("6");
  await page.locator("button.token").nth(2).click();
  await page.waitForTimeout(200);
  await shot("explained", true);
  await page.locator("[data-action=start]").click();
  await page.locator("#mask-open").click();
  await page.keyboard.press("Space");
  for (let i = 0; i < 4; i++) await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Space");
  await shot("mask");
  await page.click("#mask-done");
  await page.locator("#start").scrollIntoViewIfNeeded();
  await shot("start");
  await page.click("#start-clear");
  await page.uncheck("#explain");
  await page.fill("#count", "1");
  await page.evaluate(() => (location.hash = "gallery"));
  await page.locator(".tile").nth(4).waitFor();
  await page.waitForTimeout(300);
  await page.locator("[data-pick]").nth(1).check();
  await page.locator("[data-pick]").nth(4).check();
  await shot("gallery");
  await page.click("#picked-compare");
  await shot("compare");
  await page.keyboard.press("Escape");
  await page.click("#picked-clear");
  await page.locator(".tile-open").nth(3).click();
  await shot("viewer");
  await page.keyboard.press("Escape");
  await page.evaluate(() => (location.hash = "grid"));
  await page.fill("#x-values", "ddim, heun, dpmpp_2m");
  await page.fill("#y-values", "1-3");
  await page.fill("#x-values", "ddim, heun, dpmpp_2m, euler_ancestral");
  await page.click("#grid-go");
  await page.waitForFunction(() => document.querySelector("#grid-says").textContent.includes("is drawn"), null, { timeout: 60_000 });
  await shot("grid", true);
  await page.keyboard.press("?");
  await shot("keys");
  if (page.wrongs.length) console.error(name, page.wrongs);
  await page.context().close();
}
await chromium.close();
await server.close();
