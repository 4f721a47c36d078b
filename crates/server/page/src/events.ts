// What happens to one job, as the server tells it while it happens.

import * as api from "./api";
import { ended, type Job, type Picture, type StepEvent } from "./types";

export interface Listener {
  queued(position: number): void;
  started(model: string): void;
  step(step: StepEvent): void;
  picture(picture: Picture): void;
  done(job: Job): void;
  failed(message: string): void;
  cancelled(): void;
  /** The connection broke, or is there again. */
  lost(is: boolean): void;
}

/**
 * Listens to a job until it ends or the function that is returned is called. The browser connects
 * again by itself where a connection breaks, and tells the server the last event that it had; only
 * where it gives up is the job asked for, and everything begun again if it still runs.
 */
export function watch(id: string, to: Listener): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let over = false;

  const stop = () => {
    over = true;
    clearTimeout(timer);
    source?.close();
  };

  const connect = () => {
    const stream = new EventSource(api.eventsUrl(id));
    source = stream;
    const on = <T>(name: string, tell: (data: T) => void, last = false) =>
      stream.addEventListener(name, (event) => {
        if (over) return;
        if (last) stop();
        const text = (event as MessageEvent<string>).data;
        tell((text ? api.parse(text) : {}) as T);
      });
    on<{ position: number }>("queued", (data) => to.queued(data.position));
    on<{ model: string }>("started", (data) => to.started(data.model));
    on<StepEvent>("step", (data) => to.step(data));
    on<Picture>("picture", (data) => to.picture(data));
    on<Job>("done", (data) => to.done(data), true);
    on<{ message: string }>("failed", (data) => to.failed(data.message), true);
    on<object>("cancelled", () => to.cancelled(), true);
    stream.addEventListener("open", () => {
      if (!over) to.lost(false);
    });
    stream.addEventListener("error", () => {
      if (over) return;
      to.lost(true);
      if (stream.readyState === EventSource.CLOSED) void asked();
    });
  };

  const asked = async () => {
    try {
      const job = await api.job(id);
      if (over) return;
      if (!ended(job.state)) {
        timer = setTimeout(connect, 1000);
        return;
      }
      stop();
      if (job.state === "done") to.done(job);
      else if (job.state === "failed") to.failed(job.error ?? "The job failed.");
      else to.cancelled();
    } catch (error) {
      if (over) return;
      if (error instanceof api.ApiError && error.status === 404) {
        stop();
        to.failed("The server does not know this job any more.");
      } else timer = setTimeout(() => void asked(), 3000);
    }
  };

  connect();
  return stop;
}
