// All jobs of the server: who waits, who is drawn, what ended. One list that everyone looks at, so
// that the page asks the server once and not once for each part of it.

import * as api from "./api";
import { calledOff, sleep } from "./dom";
import { ended, type Accepted, type GenerateRequest, type Job } from "./types";

const BUSY_MS = 1000;
const IDLE_MS = 10_000;

let list: Job[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<(jobs: Job[]) => void>();

export function all(): Job[] {
  return list;
}

export function listen(to: (jobs: Job[]) => void): () => void {
  listeners.add(to);
  return () => listeners.delete(to);
}

/** Asks now, and again soon while there is work and the page is looked at. */
export async function refresh(): Promise<void> {
  clearTimeout(timer);
  try {
    list = (await api.jobs()).jobs;
    for (const tell of [...listeners]) tell(list);
  } catch {
    // The next time may do; what the person is waiting for tells its own errors.
  }
  clearTimeout(timer);
  const wait = list.some((job) => !ended(job.state)) ? BUSY_MS : IDLE_MS;
  timer = setTimeout(() => void refresh(), document.hidden ? IDLE_MS : wait);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && timer) void refresh();
});

/**
 * Queues a job. Where the queue is full it waits as long as the server says and tries again, until
 * the signal calls it off; `waiting` is told how long.
 */
export async function submit(
  request: GenerateRequest,
  signal: AbortSignal,
  waiting: (seconds: number, why: string) => void,
): Promise<Accepted> {
  for (;;) {
    if (signal.aborted) throw new DOMException("called off", "AbortError");
    try {
      const accepted = await api.submit(request);
      void refresh();
      return accepted;
    } catch (error) {
      if (calledOff(error) || !(error instanceof api.ApiError) || error.status !== 429) throw error;
      const seconds = Math.max(1, Math.min(error.retryAfter, 300));
      waiting(seconds, error.message);
      await sleep(seconds * 1000, signal);
    }
  }
}

/** Calls a job off, wherever it is. */
export async function cancel(id: string): Promise<void> {
  await api.cancel(id);
  void refresh();
}
