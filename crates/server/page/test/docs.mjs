// The pictures of docs/page, of a real server with a gallery: node test/docs.mjs ADDRESS FOLDER [NAME…]

import { mkdir } from "node:fs/promises";
import { browser, open, ready, status } from "./browser.mjs";

const [, , url, out, ...names] = process.argv;
await mkdir(out, { recursive: true });
const chromium = await browser();

async function sheet(name, options, act) {
  if (names.length && !names.includes(name)) return;
  const page = await open(chromium, url, { width: 1180, height: 780, reducedMotion: "reduce", ...options });
  page.setDefaultTimeout(120_000);
  await ready(page);
  // Noise is what a PNG keeps worst.
  await page.evaluate(() => document.documentElement.style.setProperty("--grain", "none"));
  await page.fill("#prompt", "noto emoji of cat face, purple background");
  await page.fill("#seed", "4");
  await act(page);
  if (name !== "make") await page.waitForTimeout(400);
  await page.screenshot({ path: `${out}/${name}.png` });
  // The next sheet must not find this one's run.
  await page.waitForFunction(() => document.querySelector("#cancel").disabled);
  if (page.wrongs.length) console.error(name, page.wrongs);
  await page.context().close();
}

await sheet("gallery", { colorScheme: "light" }, async (page) => {
  await page.click("[data-view=gallery]");
  await page.locator(".tile").nth(12).waitFor();
});
await sheet("make", { colorScheme: "light" }, async (page) => {
  await page.click("#generate");
  await page.waitForFunction(() => /^Step [23]\d of/.test(document.querySelector("#status").textContent));
});
await sheet("how-it-works", { colorScheme: "dark", height: 980 }, async (page) => {
  await page.check("#explain");
  await page.click("#generate");
  await status(page, "Printed");
  await page.locator("#film-range").fill("22");
  await page.locator(".states").waitFor();
  await page.waitForTimeout(300);
  await page.evaluate(() => window.scrollTo(0, document.querySelector("#explained").offsetTop - 70));
  await page.evaluate(() => (document.querySelector("#form").scrollTop = 0));
});
await sheet("in-painting", { colorScheme: "light" }, async (page) => {
  await page.click("#generate");
  await status(page, "Printed");
  await page.locator("#actions [data-action=start]").click();
  await page.click("#mask-open");
  const box = await page.locator(".mask-canvas").boundingBox();
  const at = (x, y) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(0.3, 0.52));
  await page.mouse.down();
  await page.mouse.move(...at(0.72, 0.52), { steps: 8 });
  await page.mouse.up();
});
await sheet("grid", { colorScheme: "dark" }, async (page) => {
  await page.click("[data-view=grid]");
  await page.selectOption("#x-axis", "prompt");
  await page.fill("#x-values", "noto, blob, twemoji, glossy 3d");
  await page.selectOption("#y-axis", "guidance_scale");
  await page.fill("#y-values", "1, 3, 5");
  await page.click("#grid-go");
  await page.locator("#grid-says").filter({ hasText: "is drawn" }).waitFor();
});
await sheet("phone", { colorScheme: "dark", width: 390, height: 844 }, async (page) => {
  await page.click("#generate");
  await status(page, "Printed");
  await page.locator("#film-range").fill("24");
  await page.evaluate(() => window.scrollTo(0, document.querySelector(".print").offsetTop - 100));
});
await chromium.close();
