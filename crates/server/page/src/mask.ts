// The brush that says what of a picture is made anew. White is new, black stays.

import { announce, byId, h } from "./dom";

const TINT = [194, 65, 30, 150] as const;

/** A mask in one colour over nothing, to be laid over its picture. */
export function tinted(mask: HTMLCanvasElement): HTMLCanvasElement {
  const { width, height } = mask;
  const canvas = h("canvas", { width, height });
  const [from, to] = [mask.getContext("2d"), canvas.getContext("2d")];
  const pixels = from?.getImageData(0, 0, width, height);
  if (!pixels || !to) return canvas;
  for (let i = 0; i < pixels.data.length; i += 4) {
    const white = pixels.data[i] ?? 0;
    pixels.data.set([TINT[0], TINT[1], TINT[2], (TINT[3] * white) / 255], i);
  }
  to.putImageData(pixels, 0, 0);
  return canvas;
}

/**
 * Opens the brush over a picture. The answer is a mask of the given size, null for none, or
 * undefined if everything is to stay as it was.
 */
export function open(
  image: HTMLImageElement, width: number, height: number, before: HTMLCanvasElement | null,
): Promise<HTMLCanvasElement | null | undefined> {
  const mask = h("canvas", { width, height });
  // Read back after every stroke, which is faster where the pixels are in memory.
  const ink = mask.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
  const wipe = () => {
    ink.fillStyle = "#000";
    ink.fillRect(0, 0, width, height);
  };
  wipe();
  if (before) ink.drawImage(before, 0, 0, width, height);

  const view = h("canvas", {
    width, height, class: "mask-canvas", tabIndex: 0, role: "application",
    "aria-label": "Picture to paint on. Arrow keys move the brush, space paints, E erases, plus and minus change the size.",
  });
  const size = h("input", { type: "range", id: "mask-size", min: "1", max: "100", value: "24" });
  const erase = h("input", { type: "radio", name: "mask-tool", id: "mask-erase" });
  const brush = h("input", { type: "radio", name: "mask-tool", id: "mask-brush", checked: true });
  let at = { x: width / 2, y: height / 2 };
  let last: { x: number; y: number } | null = null;

  /** The brush's radius in pixels of the picture: a hundredth to a third of its shorter side. */
  const radius = () => Math.max(0.5, (Number(size.value) / 100) * Math.min(width, height) * 0.33);

  const draw = () => {
    const context = view.getContext("2d");
    if (!context) return;
    context.drawImage(image, 0, 0, width, height);
    context.drawImage(tinted(mask), 0, 0);
    // Two rings, so that the brush is seen on dark and on light.
    for (const [colour, line] of [["#000", 3], ["#fff", 1]] as const) {
      context.strokeStyle = colour;
      context.lineWidth = (line * width) / Math.max(200, view.clientWidth);
      context.beginPath();
      context.arc(at.x, at.y, radius(), 0, 2 * Math.PI);
      context.stroke();
    }
  };

  const dab = () => {
    const from = last ?? at;
    ink.strokeStyle = erase.checked ? "#000" : "#fff";
    ink.lineCap = ink.lineJoin = "round";
    ink.lineWidth = 2 * radius();
    ink.beginPath();
    ink.moveTo(from.x, from.y);
    // A line to where it begins draws nothing in some browsers.
    ink.lineTo(at.x + 0.01, at.y);
    ink.stroke();
    last = at;
    draw();
  };

  const part = () => {
    const { data } = ink.getImageData(0, 0, width, height);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum += data[i] ?? 0;
    return sum / 255 / (width * height);
  };

  const say = () => announce(`${Math.round(part() * 100)} percent of the picture is painted.`);

  pointer(view, (event, down) => {
    const box = view.getBoundingClientRect();
    at = { x: ((event.clientX - box.left) / box.width) * width, y: ((event.clientY - box.top) / box.height) * height };
    if (down) dab();
    else {
      last = null;
      draw();
    }
  });

  view.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? radius() / 2 : radius();
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step],
    };
    const move = moves[event.key];
    if (move) {
      const within = (value: number, to: number) => Math.max(0, Math.min(to, value));
      at = { x: within(at.x + move[0], width), y: within(at.y + move[1], height) };
      last = null;
      draw();
      announce(`${Math.round((at.x / width) * 100)} across, ${Math.round((at.y / height) * 100)} down`);
    } else if (event.key === " ") {
      last = null;
      dab();
      say();
    } else if (event.key === "e" || event.key === "E") {
      (erase.checked ? brush : erase).checked = true;
      announce(erase.checked ? "Eraser" : "Brush");
    } else if (event.key === "+" || event.key === "-") {
      size.value = String(Number(size.value) + (event.key === "+" ? 4 : -4));
      draw();
    } else return;
    event.preventDefault();
  });
  size.addEventListener("input", draw);

  const invert = () => {
    ink.globalCompositeOperation = "difference";
    ink.fillStyle = "#fff";
    ink.fillRect(0, 0, width, height);
    ink.globalCompositeOperation = "source-over";
    draw();
    say();
  };

  const dialog = byId<HTMLDialogElement>("mask");
  let answer: HTMLCanvasElement | null | undefined;
  dialog.replaceChildren(
    h("h2", { id: "mask-title" }, "Paint what is made anew"),
    h("div", { class: "mask-tools" },
      h("span", { class: "choice" }, brush, h("label", { htmlFor: "mask-brush" }, "Brush")),
      h("span", { class: "choice" }, erase, h("label", { htmlFor: "mask-erase" }, "Erase")),
      h("span", { class: "choice grow" }, h("label", { htmlFor: "mask-size" }, "Size"), size),
      h("button", { type: "button", onclick: invert }, "Invert"),
      h("button", { type: "button", onclick: () => { wipe(); draw(); say(); } }, "Clear")),
    h("div", { class: "mask-sheet" }, view),
    h("p", { class: "about" }, "With keys: arrows move the brush, space paints, E changes to the eraser and back, + and − change the size."),
    h("div", { class: "go" },
      h("button", { type: "button", class: "primary", id: "mask-done", onclick: () => {
        answer = part() > 0 ? mask : null;
        dialog.close();
      } }, "Done"),
      h("button", { type: "button", onclick: () => dialog.close() }, "Leave as it was")),
  );
  dialog.showModal();
  view.style.setProperty("--ratio", String(width / height));
  draw();
  view.focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(answer), { once: true }));
}

/** Calls for each movement of a mouse, finger or pen, and whether it is pressed. */
function pointer(on: HTMLElement, to: (event: PointerEvent, down: boolean) => void): void {
  let down = false;
  on.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    down = true;
    on.setPointerCapture(event.pointerId);
    to(event, false);
    to(event, true);
  });
  on.addEventListener("pointermove", (event) => {
    const all = event.getCoalescedEvents?.() ?? [];
    for (const each of all.length ? all : [event]) to(each, down);
  });
  for (const name of ["pointerup", "pointercancel"])
    on.addEventListener(name, (event) => {
      down = false;
      to(event as PointerEvent, false);
    });
}
