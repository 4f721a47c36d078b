// For everybody: axe finds nothing serious, light and dark, narrow and wide; nothing is wider than
// the screen; colours that are read have the contrast of WCAG's AA, which axe cannot tell on grain.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { browser, open, ready, status } from "./browser.mjs";
import { mock } from "./mock.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let chromium, server;
before(async () => {
  chromium = await browser();
  server = await mock({ pictures: 12, stepMs: 5 });
});
after(async () => {
  await chromium.close();
  await server.close();
});

async function clean(page, where) {
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
  });
  assert.deepEqual(found, [], where);
  const [has, fits] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(has <= fits, `${where}: ${has} pixels wide on a screen of ${fits}`);
}

for (const colorScheme of ["light", "dark"])
  for (const width of [390, 1280])
    test(`axe: ${colorScheme}, ${width} pixels`, async () => {
      const page = await open(chromium, server.url, { width, height: 844, colorScheme, reducedMotion: "reduce" });
      await ready(page);
      // By the debugger's way, which the page's policy does not concern.
      await page.evaluate(axe);
      await clean(page, "empty");
      await page.fill("#prompt", "noto emoji of octopus");
      await page.fill("#count", "2");
      await page.check("#explain");
      await page.click("#generate");
      await status(page, "Printed");
      await page.locator("button.token").first().waitFor();
      await clean(page, "printed and explained");
      await page.fill("#width", "3");
      await page.click("#generate");
      await clean(page, "an error");
      await page.click("#alarm-close");
      await page.locator("[data-action=start]").click();
      await page.click("#mask-open");
      await page.keyboard.press("Space");
      await clean(page, "mask");
      await page.click("#mask-done");
      await clean(page, "start picture");
      await page.keyboard.press("Escape");
      await page.click("[data-view=gallery]");
      await page.locator("[data-pick]").nth(0).check();
      await page.locator("[data-pick]").nth(2).check();
      await clean(page, "gallery");
      await page.click("#picked-compare");
      await clean(page, "compare");
      await page.keyboard.press("Escape");
      await page.click("#picked-clear");
      await page.locator(".tile-open").nth(1).click();
      await clean(page, "viewer");
      await page.keyboard.press("Escape");
      await page.click("[data-view=make]");
      await page.fill("#width", "128");
      await page.click("[data-view=grid]");
      await page.fill("#y-values", "1-2");
      await page.click("#grid-go");
      await page.locator("#grid-says").filter({ hasText: "is drawn" }).waitFor();
      await clean(page, "grid");
      await page.click("#help");
      await clean(page, "keys");
      assert.deepEqual(page.wrongs, []);
      await page.context().close();
    });

test("colours that are read have contrast, and the switch goes through the themes", async () => {
  const page = await open(chromium, server.url, { colorScheme: "light" });
  await ready(page);
  const ratio = (pair) => page.evaluate(([front, back]) => {
    const light = (name) => {
      const probe = document.createElement("i");
      probe.style.color = `var(--${name})`;
      document.body.append(probe);
      const [r, g, b] = getComputedStyle(probe).color.match(/[\d.]+/g).map((v) => {
        const c = Number(v) / 255;
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      });
      probe.remove();
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }, pair);
  const themes = [];
  for (let i = 0; i < 3; i++) {
    await page.click("#theme");
    themes.push(await page.textContent("#theme-name"));
    for (const back of ["paper", "sheet", "plate"]) {
      for (const front of ["ink", "soft", "accent", "wrong"]) {
        const found = await ratio([front, back]);
        // The grain takes a little of it.
        assert.ok(found >= (back === "paper" ? 4.8 : 4.5), `${front} on ${back}, ${themes.at(-1)}: ${found.toFixed(2)}`);
      }
    }
    assert.ok((await ratio(["on-accent", "accent"])) >= 4.5);
    assert.ok((await ratio(["edge", "sheet"])) >= 3, "edges of fields");
    assert.ok((await ratio(["ink", "wash"])) >= 4.5);
  }
  assert.deepEqual(themes, ["light", "dark", "as the system"]);
  await page.context().close();
});
