// OpenAI's Node package: generate, stream, edit, models, errors.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import OpenAI, { toFile } from "openai";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const program = process.env.AQUATINT ?? join(root, "target/release/aquatint");
const data = mkdtempSync(join(tmpdir(), "aquatint-"));
const server = spawn(
  program,
  ["serve", "--listen", "127.0.0.1:0", "--data", data, "--drain-seconds", "1"],
  { stdio: ["ignore", "pipe", "inherit"] },
);
const ended = new Promise((resolve) => server.on("exit", resolve));
const line = await new Promise((resolve) => server.stdout.once("data", resolve));
const address = String(line).split("http://")[1].trim();

let failed = 0;
function check(name, passed, seen = "") {
  console.log(passed ? `ok     ${name}` : `FAILED ${name}: ${JSON.stringify(seen)}`);
  if (!passed) failed += 1;
}

const png = Buffer.from("\x89PNG", "latin1");
const bytes = (image) => Buffer.from(image.b64_json, "base64");
const isPng = (image) => bytes(image).subarray(0, 4).equals(png);

try {
  const client = new OpenAI({ baseURL: `http://${address}/v1`, apiKey: "none", maxRetries: 0 });
  const ours = { prompt: "noto emoji of a cat", seed: 7, steps: 8 };

  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  check("models.list", models.includes("seven-styles"), models);

  const made = await client.images.generate({ ...ours, size: "128x128" });
  check("images.generate", isPng(made.data[0]) && made.size === "128x128", made.size);
  const again = await client.images.generate({ ...ours, size: "128x128" });
  check("the same seed, the same bytes", made.data[0].b64_json === again.data[0].b64_json);

  const events = [];
  const stream = await client.images.generate({ ...ours, stream: true, partial_images: 2 });
  for await (const event of stream) events.push(event);
  const kinds = events.map((event) => event.type.replace("image_generation.", ""));
  check("stream", kinds.join() === "partial_image,partial_image,completed", kinds);
  check("the last is the picture", events.at(-1).b64_json === made.data[0].b64_json);
  check("pictures on the way", events.every(isPng));

  const image = await toFile(bytes(made.data[0]), "cat.png", { type: "image/png" });
  const edit = await client.images.edit({ image, prompt: "a dog", n: 1, steps: 4 });
  check("images.edit", isPng(edit.data[0]));
  const edits = [];
  for await (const event of await client.images.edit({
    image: [await toFile(bytes(made.data[0]), "cat.png", { type: "image/png" })],
    prompt: "a dog", steps: 4, stream: true, partial_images: 1,
  })) edits.push(event.type);
  check("images.edit streams", edits.join() === "image_edit.partial_image,image_edit.completed", edits);

  const error = await client.images.generate({ prompt: "a", size: "100x100" }).catch((e) => e);
  const is422 = error instanceof OpenAI.UnprocessableEntityError;
  check(`an error: ${error.error?.message}`, is422 && error.type === "invalid_request_error", error);

  const leaving = await client.images.generate({ prompt: "a", size: "256x256", steps: 100, stream: true, partial_images: 1 });
  for await (const _ of leaving) break;
  const quick = await client.images.generate({ prompt: "a", size: "64x64", steps: 1 });
  check("who leaves a stream does not hold up the next", isPng(quick.data[0]));
} finally {
  server.kill("SIGTERM");
  await ended;
  rmSync(data, { recursive: true, force: true });
}
process.exit(failed > 0 ? 1 : 0);
