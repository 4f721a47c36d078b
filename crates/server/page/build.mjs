// Builds dist/ from src/. The same sources give the same bytes: the bundler is pinned, nothing of
// the machine or the time goes in. `--check` builds beside it and says if dist/ is not that.

import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** The most that all files together may weigh: they are part of an executable. */
const LIMIT = 120 * 1024;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const common = {
  bundle: true, minify: true, write: false, charset: "utf8", legalComments: "none", logLevel: "warning",
  absWorkingDir: here("."),
};
const script = await build({ ...common, entryPoints: ["src/main.ts"], format: "esm", target: "es2022" });
// Grain and the like are in the style sheet as `data:` addresses; nothing else is fetched by it.
const style = await build({ ...common, entryPoints: ["src/css/app.css"], target: "esnext" });

const files = {
  "app.js": Buffer.from(script.outputFiles[0].contents),
  "app.css": Buffer.from(style.outputFiles[0].contents),
  "index.html": await readFile(here("src/index.html")),
  "icon.svg": await readFile(here("src/icon.svg")),
};

const total = Object.values(files).reduce((sum, bytes) => sum + bytes.length, 0);
if (total > LIMIT) throw new Error(`dist/ would have ${total} bytes; ${LIMIT} are allowed`);

if (process.argv.includes("--check")) {
  const stale = [];
  for (const [name, bytes] of Object.entries(files)) {
    const there = await readFile(here(`dist/${name}`)).catch(() => null);
    if (!there?.equals(bytes)) stale.push(name);
  }
  if (stale.length) {
    console.error(`dist/ is stale (${stale.join(", ")}): run npm run build and commit it`);
    process.exit(1);
  }
  console.log("dist/ is what src/ gives");
} else {
  await mkdir(here("dist"), { recursive: true });
  for (const [name, bytes] of Object.entries(files)) await writeFile(here(`dist/${name}`), bytes);
  const sizes = Object.entries(files).map(([name, bytes]) => `${name} ${bytes.length}`).join(", ");
  console.log(`${sizes}: ${total} bytes`);
}
