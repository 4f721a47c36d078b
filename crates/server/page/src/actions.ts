// What may be done with a picture that there is: on the print, in the gallery, everywhere the same.

import * as api from "./api";
import { upscaler } from "./choices";
import * as compare from "./compare";
import { alarm, dataUrl, download, h, notice, sentence } from "./dom";
import * as form from "./form";
import * as make from "./make";
import * as start from "./start";
import type { GenerateRequest, Picture } from "./types";
import { show } from "./views";

export type Whole = Picture & { request: GenerateRequest };

/** A request for one more of the same: what belongs to a job and not to the picture is left out. */
function again(picture: Whole): GenerateRequest {
  const request = { ...picture.request, count: 1, seed: picture.seed };
  delete request.explain;
  return request;
}

/** Puts a picture's settings into the form and draws it again. */
export async function repeat(picture: Whole): Promise<void> {
  if (madeFromPicture(picture)) return;
  form.fill(again(picture));
  show("make");
  await make.go();
}

/** The same with another seed. */
export async function vary(picture: Whole): Promise<void> {
  if (madeFromPicture(picture)) return;
  form.fill({ ...again(picture), seed: null });
  show("make");
  await make.go();
}

/** What was made from a picture cannot be made again without it, and the server tells no pictures. */
function madeFromPicture(picture: Whole): boolean {
  if (picture.request.upscale) {
    notice("It was enlarged from another picture: enlarge that one again.");
    return true;
  }
  const from = picture.request.strength !== undefined && picture.request.strength !== null;
  if (!from || start.chosen()) return false;
  form.fill(again(picture));
  show("make");
  notice("It was made from a picture: choose the start picture, then generate.");
  return true;
}

/** Only the settings, so that something can be changed first. */
export function settings(picture: Whole): void {
  form.fill(again(picture));
  show("make");
  notice("The settings of the picture are in the form.");
}

export async function useAsStart(picture: Whole): Promise<void> {
  show("make");
  await start.use(await api.bytes(picture.url));
}

export async function enlarge(picture: Whole): Promise<void> {
  const network = upscaler();
  const request: GenerateRequest = { upscale: true, init: await dataUrl(await api.bytes(picture.url)) };
  if (network) request.model = network.name;
  show("make");
  await make.send(request, { ...request, width: picture.width, height: picture.height });
}

export function save(picture: Picture): void {
  download(picture.url, `aquatint-${picture.id}.png`);
}

/** A row of buttons; `then` is called after each, as the viewer closes. */
export function buttons(picture: Whole, then: () => void = () => {}): HTMLElement[] {
  const button = (name: string, key: string, title: string, act: () => unknown, after = true) =>
    h("button", {
      type: "button", title, "data-action": key,
      onclick: async () => {
        if (after) then();
        try {
          await act();
        } catch (error) {
          alarm(sentence(error));
        }
      },
    }, name);
  const upscaled = picture.request.upscale === true;
  return [
    ...(upscaled ? [] : [
      button("Repeat", "repeat", "Draw it again with the same settings", () => repeat(picture)),
      button("Vary", "vary", "The same with another seed", () => vary(picture)),
      button("Settings", "settings", "Put its settings into the form", () => settings(picture)),
    ]),
    button("Use as start", "start", "Begin with this picture: image to image", () => useAsStart(picture)),
    button("Upscale", "upscale", "Enlarge it", () => enlarge(picture)),
    button("Compare", "compare", "Choose two, then look at them side by side", () => compare.toggle(picture), false),
    button("Download", "download", "Save the file, which has its settings inside", () => save(picture), false),
  ];
}
