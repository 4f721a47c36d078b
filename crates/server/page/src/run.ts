// One job as the page sees it: what was asked, every step that was told of it, and what came out.

import { watch } from "./events";
import { ended, type GenerateRequest, type Job, type Picture, type State } from "./types";

/** What a picture was like after a step. */
export interface Frame {
  step: number;
  sigma: number;
  url: string;
}

export type Change = "state" | "step" | "picture" | "link";

export class Run {
  state: State = "queued";
  position = 0;
  step = 0;
  steps: number;
  sigma: number | null = null;
  secondsLeft: number | null = null;
  model = "";
  error = "";
  /** Whether the server does not answer at the moment. */
  lost = false;
  job: Job | null = null;
  /** For each picture its frames, in the order of the steps. */
  readonly frames: Frame[][] = [];
  readonly pictures: Picture[] = [];
  /** The picture of the last step. */
  current = 0;
  private stop: () => void = () => {};
  private readonly listeners = new Set<(change: Change) => void>();

  /** `past`: it had ended before anyone looked. */
  constructor(readonly id: string, readonly request: GenerateRequest, readonly past = false) {
    this.steps = request.steps ?? 0;
  }

  get ended(): boolean {
    return ended(this.state);
  }

  /** How many pictures there will be. */
  get count(): number {
    return Math.max(this.request.count ?? 1, this.frames.length, this.pictures.length);
  }

  /** Whether several pictures are on the way at the same time. */
  get together(): boolean {
    return this.frames.filter((frames) => frames?.length).length > this.pictures.length + 1;
  }

  listen(to: (change: Change) => void): () => void {
    this.listeners.add(to);
    return () => this.listeners.delete(to);
  }

  private changed(change: Change): void {
    for (const tell of [...this.listeners]) tell(change);
  }

  /** Begins to listen to the server, which tells an ended job's story from its beginning, too. */
  follow(): void {
    this.stop();
    this.stop = watch(this.id, {
      queued: (position) => {
        this.position = position;
        this.become("queued");
      },
      started: (model) => {
        this.model = model;
        this.become("running");
      },
      step: (event) => {
        const frames = (this.frames[event.picture] ??= []);
        if (event.preview && (frames.at(-1)?.step ?? -1) < event.step)
          frames.push({ step: event.step, sigma: event.sigma, url: event.preview });
        this.current = event.picture;
        this.step = event.step;
        this.steps = event.steps;
        this.sigma = event.sigma;
        this.secondsLeft = event.seconds_left ?? null;
        this.state = "running";
        this.changed("step");
      },
      picture: (picture) => this.add(picture),
      done: (job) => {
        this.job = job;
        for (const picture of job.pictures) this.add(picture);
        this.become("done");
      },
      failed: (message) => {
        this.error = message;
        this.become("failed");
      },
      cancelled: () => this.become("cancelled"),
      lost: (is) => {
        if (this.lost === is) return;
        this.lost = is;
        this.changed("link");
      },
    });
  }

  private add(picture: Picture): void {
    if (this.pictures.some((known) => known.id === picture.id)) return;
    this.pictures.push(picture);
    this.changed("picture");
  }

  private become(state: State): void {
    this.state = state;
    this.changed("state");
  }

  leave(): void {
    this.stop();
    this.listeners.clear();
  }
}
