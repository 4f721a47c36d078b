// The server's interface without a model: it draws blobs instead, the same ones for the same seed,
// and one step every few milliseconds. `node test/mock.mjs [port]` shows the page with it.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { png, read } from "./png.mjs";

const dist = (name) => readFileSync(fileURLToPath(new URL(`../dist/${name}`, import.meta.url)));
const TYPES = { html: "text/html; charset=utf-8", js: "text/javascript", css: "text/css", svg: "image/svg+xml", png: "image/png" };
const CSP = "default-src 'self'; img-src 'self' data: blob:";

const MODELS = [
  { name: "seven-styles", title: "Seven styles", kind: "text", width: 128, height: 128, multiple: 8, loaded: true, default: true, defaults: { steps: 20, guidance_scale: 5, sampler: "ddim" } },
  { name: "seven-styles-class", title: "Seven styles by class", kind: "class", classes: ["octopus", "pizza", "fox"], width: 64, height: 64, multiple: 8, loaded: false, default: false, defaults: { steps: 20, guidance_scale: 3, sampler: "ddim" } },
  { name: "esrgan-slim", title: "ESRGAN slim", kind: "upscale", width: null, height: null, multiple: 1, loaded: false, default: false, defaults: { steps: 1, guidance_scale: 1, sampler: "ddim" } },
];
const SAMPLERS = [["ddpm", "DDPM", true], ["ddim", "DDIM", false], ["heun", "Heun", false], ["euler_ancestral", "Euler a", true], ["dpmpp_2m", "DPM++ 2M", false]]
  .map(([name, label, stochastic]) => ({ name, label, paper: "a paper", one_line: `steps as ${label} does`, stochastic }));
const SCHEDULES = ["leading", "karras"].map((name) => ({ name, one_line: `levels as ${name} has them` }));

/**
 * Starts a server. `stepMs`: time of a step; `queue`: room for waiting jobs; `token`: what it wants
 * to be told; `pictures`: how many it has drawn already; `together`: whether the pictures of a job
 * are drawn at the same time. The answer has `url`, `state`, `close()`.
 */
export async function mock({ together = false, stepMs = 15, queue = 16, token = null, pictures = 0, port = 0 } = {}) {
  const state = { stepMs, jobs: new Map(), gallery: [], asked: [], refused: 0, streams: 0, next: 1, running: null };
  const limits = { pixels: 1024 * 1024, steps: 1000, count: 16, body_bytes: 1 << 24, queue };

  const colours = (seed) => [0, 1, 2].map((i) => 60 + ((seed * (37 + 20 * i) + 90 * i) % 160));
  const sigma = (step, steps) => Number((14.6 * (0.03 / 14.6) ** ((step - 1) / Math.max(1, steps - 1))).toPrecision(4));
  const grain = (x, y, seed) => (((x * 7919 + y * 104729 + seed * 31) * 48271) % 2147483647) / 2147483647 - 0.5;
  /** A blob that comes out of grain as `done` goes from 0 to 1. */
  const draw = (width, height, seed, done, texts) => {
    const [r, g, b] = colours(seed);
    const [cx, cy] = [0.5 + 0.12 * Math.sin(seed), 0.5 + 0.12 * Math.cos(seed * 2)];
    return png(width, height, (x, y) => {
      const d = Math.hypot(x / width - cx, y / height - cy);
      const inside = d < 0.3 ? 1 : 0;
      const noise = (1 - done) * 160 * grain(x, y, seed);
      return [inside ? r : 235, inside ? g : 225, inside ? b : 205].map((c) => 128 + (c - 128) * (0.2 + 0.8 * done) + noise);
    }, texts);
  };

  const live = () => [...state.jobs.values()].filter((job) => job.state === "queued" || job.state === "running");
  const waiting = () => [...state.jobs.values()].filter((job) => job.state === "queued");
  const shown = (job) => {
    const { events, listeners, timer, ...rest } = job;
    return { ...rest, position: job.state === "queued" ? waiting().indexOf(job) + 1 : 0 };
  };
  const tell = (job, event, data) => {
    job.events.push({ event, data });
    for (const listener of job.listeners) listener();
  };

  function keep(job, i, width, height) {
    const seed = Number(job.request.seed) + i;
    const id = `p${state.next++}`;
    const request = { ...job.request, seed, count: 1 };
    const bytes = draw(width, height, seed, 1, { aquatint: JSON.stringify(request), parameters: `${request.prompt ?? ""}\nSteps: ${request.steps}` });
    const picture = { id, width, height, seed, url: `/api/v1/pictures/${id}.png` };
    state.gallery.unshift({ ...picture, prompt: job.request.prompt ?? "", model: job.request.model, created: 1.79e12 + state.next * 6e4, job: job.id, request, bytes });
    return picture;
  }

  function work() {
    const job = waiting()[0];
    if (state.running || !job) return;
    state.running = job;
    Object.assign(job, { state: "running", started: Date.now() });
    tell(job, "started", { model: job.request.model });
    for (const other of waiting()) tell(other, "queued", { position: waiting().indexOf(other) + 1 });
    const { count, steps } = job;
    let [i, step] = [0, 0];
    job.timer = setInterval(() => {
      step++;
      Object.assign(job, { step, sigma: sigma(step, steps) });
      const now = together ? Array.from({ length: count }, (_, i) => i) : [i];
      for (const picture of now)
        tell(job, "step", { picture, step, steps, sigma: job.sigma, preview: `/api/v1/jobs/${job.id}/steps/${picture}/${step}.png`, seconds_left: ((steps - step) * state.stepMs) / 1000 });
      if (step < steps) return;
      const factor = job.request.upscale ? 4 : 1;
      for (const index of now) {
        const picture = keep(job, index, job.width * factor, job.height * factor);
        job.pictures.push(picture);
        tell(job, "picture", picture);
      }
      [i, step] = [i + now.length, 0];
      if (i === count) end(job, "done");
    }, state.stepMs);
  }

  function end(job, how) {
    clearInterval(job.timer);
    Object.assign(job, { state: how, ended: Date.now() });
    if (how === "done") job.seconds = (job.ended - job.started) / 1000;
    tell(job, how, how === "done" ? shown(job) : {});
    if (state.running === job) state.running = null;
    work();
  }

  function submit(wish) {
    const { init, mask, ...request } = wish;
    const model = MODELS.find(({ name }) => name === (request.model ?? "seven-styles"));
    if (!model) return [422, "there is no such model: choose one of the list"];
    if (request.prompt?.includes("too many words")) return [422, "the prompt is 9999 bytes long: at most 4096 are read"];
    if (mask && !init) return [422, "a mask needs a picture to begin with: give one with --init"];
    if (waiting().length >= queue) {
      state.refused++;
      return [429, "the queue is full: try again in a second"];
    }
    state.asked.push(wish);
    const id = `j${state.next++}`;
    const seed = request.seed ?? (state.next * 7919) % 100000;
    const size = init ? read(Buffer.from(init.replace(/^data:[^,]*,/, ""), "base64")) : null;
    const width = request.width ?? size?.width ?? model.width, height = request.height ?? size?.height ?? model.height;
    const job = {
      id, state: "queued", step: 0, steps: request.upscale ? 1 : (request.steps ?? 20), sigma: null, created: Date.now(), started: null, ended: null,
      request: { ...request, model: model.name, seed, width, height }, pictures: [], events: [], listeners: new Set(), count: request.count ?? 1, width, height,
    };
    state.jobs.set(id, job);
    tell(job, "queued", { position: waiting().length });
    const position = state.running ? waiting().length : 0;
    work();
    return [202, { id, position, seed }];
  }

  for (let i = 0; i < pictures; i++) {
    const prompt = `${["noto", "blob", "flat"][i % 3]} emoji of ${["octopus", "pizza", "red apple", "thinking face"][i % 4]}, pink background`;
    keep({ id: "old", request: { model: "seven-styles", prompt, negative_prompt: "", sampler: "ddim", steps: 20, guidance_scale: 5, seed: i, width: 128, height: 128 } }, 0, 128, 128);
  }

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://mock");
    const path = url.pathname;
    const send = (status, body, type = "application/json", headers = {}) => {
      response.writeHead(status, { "Content-Type": type, "Content-Security-Policy": CSP, ...headers });
      response.end(type === "application/json" ? JSON.stringify(body) : body);
    };
    const refuse = (status, message, kind = "invalid", headers = {}) => send(status, { error: { message, kind } }, "application/json", headers);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);

    if (path === "/") return send(200, dist("index.html"), TYPES.html);
    if (path.startsWith("/assets/")) return send(200, dist(path.slice(8)), TYPES[path.split(".").at(-1)]);
    if (path === "/api/v1/session") {
      return JSON.parse(body).token === token
        ? send(200, {}, "application/json", { "Set-Cookie": `aquatint_token=${token}; HttpOnly; SameSite=Strict; Path=/` })
        : refuse(401, "this is not the token", "unauthorized");
    }
    if (token && !(request.headers.cookie ?? "").includes(`aquatint_token=${token}`)) return refuse(401, "give a token", "unauthorized");

    const parts = path.split("/").slice(3);
    const key = `${request.method} ${parts[0]}`;
    if (key === "GET models") return send(200, { models: MODELS });
    if (key === "GET samplers") return send(200, { samplers: SAMPLERS, schedules: SCHEDULES });
    if (key === "GET limits") return send(200, limits);
    if (key === "POST read") {
      const said = read(body)?.texts.aquatint;
      // As it is: seeds have more bits than numbers here.
      return said ? send(200, `{"request":${said},"text":""}`, "application/json; charset=utf-8") : refuse(422, "the picture says nothing of how it was made: choose another one");
    }
    if (key === "POST jobs") {
      const [status, answer] = submit(JSON.parse(body));
      return status === 202 ? send(202, answer) : refuse(status, answer, status === 429 ? "busy" : "invalid", status === 429 ? { "Retry-After": "1" } : {});
    }
    if (parts[0] === "jobs" && parts.length === 1) return send(200, { jobs: [...state.jobs.values()].reverse().slice(0, 50 + live().length).map(shown) });
    if (parts[0] === "jobs") return one(state.jobs.get(parts[1]), parts, request, response, send, refuse);
    if (key === "GET pictures" && parts.length === 1) {
      const words = (url.searchParams.get("search") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
      const found = state.gallery.filter(({ prompt }) => words.every((word) => prompt.toLowerCase().includes(word)));
      const from = url.searchParams.has("before") ? found.findIndex(({ id }) => id === url.searchParams.get("before")) + 1 : 0;
      const page = found.slice(from, from + Number(url.searchParams.get("limit") ?? 60));
      return send(200, { pictures: page.map(({ bytes, ...rest }) => rest), next: from + page.length < found.length ? page.at(-1).id : null });
    }
    const picture = state.gallery.find(({ id }) => id === parts[1]?.replace(".png", ""));
    if (parts[0] !== "pictures" || !picture) return refuse(404, "there is no such thing", "not_found");
    if (request.method === "DELETE") {
      state.gallery.splice(state.gallery.indexOf(picture), 1);
      return send(200, {});
    }
    if (parts[1].endsWith(".png")) return send(200, picture.bytes, TYPES.png, { "Cache-Control": "max-age=3600" });
    const { bytes, ...rest } = picture;
    return send(200, rest);
  });

  function one(job, parts, request, response, send, refuse) {
    if (!job) return refuse(404, "there is no such job", "not_found");
    if (request.method === "DELETE") {
      if (live().includes(job)) end(job, "cancelled");
      return send(200, shown(job));
    }
    switch (parts[2]) {
      case undefined:
        return send(200, shown(job));
      case "steps":
        return send(200, draw(32, 32, Number(job.request.seed) + Number(parts[3]), (parseInt(parts[4]) / job.steps) ** 1.5), TYPES.png, { "Cache-Control": "max-age=3600" });
      case "attention":
        return send(200, png(16, 16, (x, y) => {
          const v = 255 * Math.exp(-((x - 3 - 2 * parseInt(parts[3])) ** 2 + (y - 8) ** 2) / 14);
          return [v, v, v];
        }), TYPES.png);
      case "explain": {
        if (!job.request.explain) return refuse(404, "it was not asked for", "not_found");
        const words = ["<|startoftext|>", ...(job.request.prompt ?? "").split(/[ ,]+/), "<|endoftext|>"];
        return send(200, {
          tokens: words.map((text, i) => ({ text, id: 500 + i * 17, weight: 1 })),
          sigmas: Array.from({ length: job.steps }, (_, i) => sigma(i + 1, job.steps)),
          attention: job.state === "done" ? words.map((_, token) => ({ token, url: `/api/v1/jobs/${job.id}/attention/${token}.png` })).slice(1, -1) : [],
        });
      }
      case "events": {
        response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
        state.streams++;
        // Browsers wait three seconds otherwise.
        response.write("retry: 200\n\n");
        let at = Number(request.headers["last-event-id"] ?? 0);
        const flush = () => {
          for (; at < job.events.length; at++) {
            const { event, data } = job.events[at];
            response.write(`id: ${at + 1}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
            if (["done", "failed", "cancelled"].includes(event)) return void response.end();
          }
        };
        job.listeners.add(flush);
        request.on("close", () => job.listeners.delete(flush));
        return flush();
      }
      default:
        return refuse(404, "there is no such thing", "not_found");
    }
  }

  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}/`;
  return {
    url, state,
    /** Breaks all connections, as a network does. */
    cut: () => server.closeAllConnections(),
    close: () => new Promise((resolve) => {
      for (const job of state.jobs.values()) clearInterval(job.timer);
      server.closeAllConnections();
      server.close(resolve);
    }),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await mock({ port: Number(process.argv[2] ?? 7861), pictures: 150, stepMs: 80 });
  console.log(`a server without a model: ${url}`);
}
