// A real Chromium in front of a server: the distribution's, or the one that CHROMIUM names.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export async function browser() {
  const executablePath = PLACES.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error("there is no Chromium: install the distribution's, or name one with CHROMIUM=");
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
}

/**
 * Opens the page. `page.wrongs` gathers what must not be: errors of scripts, refusals of the content
 * security policy, requests to anyone else.
 */
export async function open(chromium, url, { width = 1280, height = 900, hash = "", ...options } = {}) {
  const context = await chromium.newContext({ viewport: { width, height }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.wrongs = [];
  page.on("pageerror", (error) => page.wrongs.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // A refusal by the server is an answer, and the browser writes a line for each.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) page.wrongs.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) page.wrongs.push(`asked ${request.url()}`);
  });
  await page.goto(url + hash);
  return page;
}

/** Waits until everything is there that the page asks for in the beginning. */
export const ready = (page) => page.waitForSelector("html[data-ready]", { state: "attached" });

export const status = (page, text) =>
  page.waitForFunction((text) => document.querySelector("#status").textContent.includes(text), text);
