// The parts of "how it works" with their texts, filled with the numbers and pictures of a run.
// Sections are those of Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion
// Models".

import { h, sigmaText } from "./dom";
import type { Plot } from "./plot";
import type { Run } from "./run";

/** How many states are set side by side. */
const STATES = 8;

/** A part of the explanation: its name, where the papers tell of it, a text, and what is shown. */
export function part(name: string, where: string, text: string, ...more: (HTMLElement | false)[]): HTMLElement {
  return h("section", { class: "part" }, h("h3", {}, name, " ", h("span", { class: "hint" }, where)), h("p", {}, text), ...more);
}

export function noise(plot: Plot, run: Run, sigmas: number[]): HTMLElement {
  const first = sigmaText(sigmas[0] ?? 0);
  return part("The noise", "Algorithm 2 of Ho et al. 2020, and its faster relatives",
    `Training hides latents under noise and teaches the U-Net to find it. Drawing goes the other way: it begins with nothing but noise, ${first} times as strong as a picture would be (σ), and takes a part of it away in each step until none is left. The sampler “${run.request.sampler ?? ""}” says how to step, the schedule where to stop on the way.`,
    plot.root);
}

export function states(run: Run): HTMLElement | false {
  const frames = run.frames[0] ?? [];
  if (frames.length < 2) return false;
  const count = Math.min(STATES, frames.length);
  const picked = Array.from({ length: count }, (_, i) => frames[Math.round((i * (frames.length - 1)) / (count - 1))]);
  return part("The steps", "the U-Net, section 3.2",
    "In each step the U-Net sees the noisy latents, the step's noise level and the words, and guesses the noise, which is as good as guessing the clean latents. Here is that guess: first only what most such pictures have in common, large shapes and colours next, details last. Latents are no colours; a linear map makes them visible.",
    h("ol", { class: "states" }, ...picked.flatMap((frame) => frame
      ? [h("li", { "data-step": frame.step }, h("img", { src: frame.url, alt: `Step ${frame.step}`, width: 96, height: 96, loading: "lazy" }),
        h("span", {}, String(frame.step)), h("span", {}, `σ ${sigmaText(frame.sigma)}`))] : [])));
}

export function guidance(run: Run): HTMLElement | false {
  const scale = run.request.guidance_scale ?? 1;
  if (scale === 1) return false;
  return part("The guidance", "Ho and Salimans 2021",
    `Each guess is made twice, with the words (c) and with the negative prompt or none (∅), and what the words changed is made ${scale} times as large: ε = ε(∅) + ${scale} · (ε(c) − ε(∅)). More follows the words more closely and shows less variety.`);
}

export function firstStage(run: Run): HTMLElement | false {
  const print = run.pictures[0];
  if (!print) return false;
  return part("The print", "the first stage, section 3.1",
    `All of that happened in a small space: an autoencoder, trained before and by itself, knows latents that are several times smaller on each side than the picture (8 times in Stable Diffusion) and keep what the eye misses if it is gone. Only now its decoder turns the latents into ${print.width} × ${print.height} pixels. That is why a latent diffusion model is so much cheaper than one on pixels.`);
}
