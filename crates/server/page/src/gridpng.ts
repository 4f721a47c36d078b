// A grid as one picture, with what was varied written at its edges.

import { h } from "./dom";
import type { Axis } from "./grid";

const GAP = 8;
const FONT = 16;
const LINE = 26;
/** Browsers refuse larger canvases; cells become smaller instead. */
const LARGEST = 8192;

export function png(
  x: { axis: Axis; values: string[] },
  y: { axis: Axis; values: string[] },
  prompt: string,
  images: (HTMLImageElement | null)[],
): HTMLCanvasElement {
  const canvas = h("canvas", {});
  const context = canvas.getContext("2d");
  if (!context) throw new Error("The browser cannot draw.");
  const font = `${FONT}px Georgia, serif`;
  context.font = font;
  const first = images.find((image) => image !== null);
  let [width, height] = [first?.naturalWidth ?? 128, first?.naturalHeight ?? 128];
  const margin = Math.min(320, Math.max(...y.values.map((value) => context.measureText(value).width)) + 24);
  const top = 3 * LINE;
  // Cells must be as wide as their labels need, within reason.
  const label = Math.max(...x.values.map((value) => context.measureText(value).width)) + 12;
  const fit = Math.min(1, (LARGEST - margin) / (x.values.length * (width + GAP)), (LARGEST - top) / (y.values.length * (height + GAP)));
  [width, height] = [Math.floor(width * fit), Math.floor(height * fit)];
  const pitch = Math.max(width, Math.min(label, 260)) + GAP;
  canvas.width = Math.ceil(margin + x.values.length * pitch + GAP);
  canvas.height = Math.ceil(top + y.values.length * (height + GAP) + GAP);

  // Paper and ink, whatever the theme: it is a file for others.
  context.fillStyle = "#fbf8f1";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#221d18";
  context.font = font;
  context.textBaseline = "middle";
  const clipped = (text: string, room: number) => {
    if (context.measureText(text).width <= room) return text;
    let end = text.length;
    while (end > 1 && context.measureText(`${text.slice(0, end)}…`).width > room) end--;
    return `${text.slice(0, end)}…`;
  };
  context.fillText(clipped(prompt, canvas.width - 2 * GAP), GAP, LINE * 0.7);
  context.fillStyle = "#5d544a";
  context.fillText(clipped(`${x.axis.title} across, ${y.axis.title.toLowerCase()} down`, canvas.width - 2 * GAP), GAP, LINE * 1.6);
  context.fillStyle = "#221d18";
  context.textAlign = "center";
  x.values.forEach((value, i) => context.fillText(clipped(value, pitch - 6), margin + i * pitch + pitch / 2, LINE * 2.5));
  context.textAlign = "right";
  y.values.forEach((value, i) => context.fillText(clipped(value, margin - 16), margin - 8, top + i * (height + GAP) + height / 2));
  images.forEach((image, i) => {
    if (!image) return;
    const [column, row] = [i % x.values.length, Math.floor(i / x.values.length)];
    context.drawImage(image, margin + column * pitch + (pitch - width) / 2, top + row * (height + GAP), width, height);
  });
  return canvas;
}
