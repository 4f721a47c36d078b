// Draws the cells of a grid one after the other, as many at a time as the queue should bear.

import * as api from "./api";
import { calledOff, sentence } from "./dom";
import type { Cell } from "./grid";
import * as jobs from "./jobs";
import { ended, type Job, type Picture } from "./types";

/** How many cells wait at the server at a time, so that others find room there, too. */
const AHEAD = 3;

export interface Outcome {
  state: "waiting" | "queued" | "running" | "done" | "failed";
  picture?: Picture;
  text: string;
}

/**
 * Draws all cells. `told` hears what becomes of each, `waits` of a full queue. It ends when all
 * cells have ended or the signal calls them off, which cancels those at the server.
 */
export async function draw(
  cells: Cell[],
  signal: AbortSignal,
  told: (index: number, outcome: Outcome) => void,
  waits: (seconds: number) => void,
): Promise<void> {
  const open = new Map<string, { index: number; end: () => void }>();
  const unlisten = jobs.listen((list) => {
    const known = new Map(list.map((job) => [job.id, job]));
    for (const [id, cell] of [...open]) {
      const job = known.get(id);
      // A job that the list has forgotten, because many others ended, is asked for by itself.
      if (job) hear(id, cell, job);
      else void api.job(id).then((job) => hear(id, cell, job)).catch(() => {});
    }
  });
  const hear = (id: string, cell: { index: number; end: () => void }, job: Job) => {
    if (!open.has(id)) return;
    told(cell.index, outcome(job));
    if (!ended(job.state)) return;
    open.delete(id);
    cell.end();
  };

  const one = async (index: number): Promise<void> => {
    const cell = cells[index];
    if (!cell) return;
    try {
      const { id } = await jobs.submit(cell.request, signal, waits);
      told(index, { state: "queued", text: "queued" });
      await new Promise<void>((resolve, reject) => {
        open.set(id, { index, end: resolve });
        signal.addEventListener("abort", () => {
          open.delete(id);
          void jobs.cancel(id).catch(() => {});
          reject(new DOMException("called off", "AbortError"));
        }, { once: true });
        void jobs.refresh();
      });
    } catch (error) {
      if (calledOff(error)) throw error;
      told(index, { state: "failed", text: sentence(error) });
    }
  };

  let next = 0;
  const worker = async () => {
    while (next < cells.length) await one(next++);
  };
  try {
    await Promise.all(Array.from({ length: AHEAD }, worker));
  } finally {
    unlisten();
  }
}

function outcome(job: Job): Outcome {
  const picture = job.pictures[0];
  switch (job.state) {
    case "queued": return { state: "queued", text: `№ ${job.position}` };
    case "running": return { state: "running", text: `${job.step}/${job.steps}` };
    case "done": return picture ? { state: "done", picture, text: "" } : { state: "failed", text: "no picture" };
    case "failed": return { state: "failed", text: job.error ?? "failed" };
    case "cancelled": return { state: "failed", text: "cancelled" };
  }
}
