// The picture to start from, and what of it is to be painted anew.

import * as choices from "./choices";
import { byId, dataUrl, h, loadImage, notice, pngOf, sentence } from "./dom";
import { mark } from "./fields";
import * as mask from "./mask";

let file: Blob | null = null;
let shownUrl = "";
let image: HTMLImageElement | null = null;
let painted: HTMLCanvasElement | null = null;
let tellSize: (width: number, height: number) => void = () => {};

export const chosen = () => file !== null;
export const masked = () => painted !== null;

/** Makes the fieldset work; `sized` hears of the size that the new picture should have. */
export function begin(sized: (width: number, height: number) => void): void {
  tellSize = sized;
  const input = byId<HTMLInputElement>("start-file");
  byId("start-choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const picked = input.files?.[0];
    if (picked) void use(picked);
    input.value = "";
  });
  byId("start-clear").addEventListener("click", () => {
    clear();
    byId("start-choose").focus();
  });
  byId("mask-open").addEventListener("click", () => void paint());
}

/** Starts from a picture. */
export async function use(blob: Blob): Promise<void> {
  mark("init", "");
  const url = URL.createObjectURL(blob);
  try {
    const loaded = await loadImage(url);
    clear();
    [file, image, shownUrl] = [blob, loaded, url];
  } catch (error) {
    URL.revokeObjectURL(url);
    mark("init", sentence(error));
    return;
  }
  const [width, height] = fitting(image.naturalWidth, image.naturalHeight);
  tellSize(width, height);
  byId<HTMLImageElement>("start-image").src = url;
  byId("start-size").textContent = `${image.naturalWidth} × ${image.naturalHeight}`;
  show();
  notice("A start picture is chosen.");
}

/** The size nearest to a picture's that the model can draw: it may shrink, and keeps its ratio. */
function fitting(width: number, height: number): [number, number] {
  const model = choices.model();
  const multiple = model?.multiple ?? 8;
  // A small model draws nothing sensible far beyond the size that it knows.
  const native = (model?.width ?? 512) * (model?.height ?? 512);
  const scale = Math.sqrt(Math.min(choices.limits.pixels, native) / (width * height));
  const round = (side: number) => Math.max(64, Math.round((side * scale) / multiple) * multiple);
  return [round(width), round(height)];
}

/** Starts from noise again. */
export function clear(): void {
  if (shownUrl) URL.revokeObjectURL(shownUrl);
  [file, image, painted, shownUrl] = [null, null, null, ""];
  show();
}

function show(): void {
  byId("start-empty").hidden = file !== null;
  byId("start-chosen").hidden = file === null;
  byId("mask_blur-field").hidden = painted === null;
  byId("mask-open").textContent = painted ? "Change the mask…" : "Paint a mask…";
  const over = byId<HTMLImageElement>("start-mask");
  over.hidden = painted === null;
  over.alt = painted ? "The mask: what is painted over is made anew" : "";
  if (painted) over.src = mask.tinted(painted).toDataURL();
}

/** The picture as it travels: the file's own bytes, or smaller ones if the server refuses as many. */
export async function picture(): Promise<string | null> {
  if (!file || !image) return null;
  const area = image.naturalWidth * image.naturalHeight;
  // Base64 makes four bytes of three, and the mask wants room, too.
  if (area <= choices.limits.pixels && file.size < choices.limits.body_bytes / 2) return dataUrl(file);
  const [width, height] = bounded();
  const canvas = h("canvas", { width, height });
  canvas.getContext("2d")?.drawImage(image, 0, 0, width, height);
  return dataUrl(await pngOf(canvas));
}

/** The mask as it travels: as large as the picture, white where it is made anew. */
export async function maskPicture(): Promise<string | null> {
  return painted ? dataUrl(await pngOf(painted)) : null;
}

function bounded(): [number, number] {
  const [width, height] = [image?.naturalWidth ?? 1, image?.naturalHeight ?? 1];
  const scale = Math.min(1, Math.sqrt(choices.limits.pixels / (width * height)));
  return [Math.max(1, Math.floor(width * scale)), Math.max(1, Math.floor(height * scale))];
}

/** Opens the brush. */
export async function paint(): Promise<void> {
  if (!image) return;
  const [width, height] = bounded();
  const result = await mask.open(image, width, height, painted);
  if (result === undefined) return;
  const first = !painted && result;
  painted = result;
  const blur = byId<HTMLInputElement>("mask_blur");
  // A hard edge shows where it was; a little softness is what most people want.
  if (first && blur.value === "") blur.value = String(Math.max(1, Math.round(Math.min(width, height) / 64)));
  show();
  byId("mask-open").focus();
}
