// The server's interface as functions: every request of the page but the stream of events is here.

import type {
  Accepted, Explanation, GenerateRequest, Job, Kept, Limits, Model, Sampler, Schedule,
} from "./types";

/** What the server says in place of an answer. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    message: string,
    /** Seconds after which to try again. */
    readonly retryAfter: number,
    /** The field of the request that it is about, where the server says so. */
    readonly field: string | null,
  ) {
    super(message);
  }
}

let asking: Promise<void> | null = null;
let ask: () => Promise<void> = () => Promise.reject(new Error("The server wants a token."));

/** Who asks the person for a token when the server wants one. */
export function onUnauthorized(asks: () => Promise<void>): void {
  ask = asks;
}

/** Seeds may have 64 bits, of which JavaScript's numbers hold 53: longer ones are kept as digits. */
export function parse(text: string): unknown {
  return JSON.parse(text.replace(/"(seed|subseed)":\s*(\d{16,20})\b/g, '"$1":"$2"'));
}

/** The way back. A prompt that looks like this is no danger: its quotes have backslashes. */
export function encode(value: unknown): string {
  return JSON.stringify(value).replace(/"(seed|subseed)":"(\d{1,20})"/g, '"$1":$2');
}

async function call(method: string, path: string, body?: BodyInit, type?: string): Promise<Response> {
  for (;;) {
    let answer: Response;
    try {
      const init: RequestInit = { method, credentials: "same-origin" };
      if (body !== undefined) init.body = body;
      if (type) init.headers = { "Content-Type": type };
      answer = await fetch(path, init);
    } catch {
      throw new ApiError(0, "unreachable", "The server does not answer. Is it still running?", 2, null);
    }
    if (answer.ok) return answer;
    if (answer.status === 401 && !path.endsWith("/session")) {
      // Many requests may be refused at once; the person is asked once.
      asking ??= ask().finally(() => (asking = null));
      await asking;
      continue;
    }
    throw await refusal(answer);
  }
}

async function refusal(answer: Response): Promise<ApiError> {
  const said = (await answer.json().catch(() => null)) as
    | { error?: { message?: string; kind?: string; field?: string } } | null;
  const message = said?.error?.message ?? `The server answered ${answer.status} ${answer.statusText}.`;
  const retry = Number(answer.headers.get("Retry-After") ?? "1");
  return new ApiError(answer.status, said?.error?.kind ?? "failed", capital(message),
    Number.isFinite(retry) ? retry : 1, said?.error?.field ?? null);
}

function capital(text: string): string {
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}

async function get<T>(path: string): Promise<T> {
  return parse(await (await call("GET", path)).text()) as T;
}

async function post<T>(path: string, value: unknown): Promise<T> {
  const answer = await call("POST", path, encode(value), "application/json");
  const text = await answer.text();
  return (text ? parse(text) : null) as T;
}

const at = (id: string) => encodeURIComponent(id);

export const models = () => get<{ models: Model[] }>("/api/v1/models");
export const samplers = () => get<{ samplers: Sampler[]; schedules: Schedule[] }>("/api/v1/samplers");
export const limits = () => get<Limits>("/api/v1/limits");
export const jobs = () => get<{ jobs: Job[] }>("/api/v1/jobs");
export const job = (id: string) => get<Job>(`/api/v1/jobs/${at(id)}`);
export const explanation = (id: string) => get<Explanation>(`/api/v1/jobs/${at(id)}/explain`);
export const submit = (request: GenerateRequest) => post<Accepted>("/api/v1/jobs", request);
export const signIn = (token: string) => post<unknown>("/api/v1/session", { token });
export const eventsUrl = (id: string) => `/api/v1/jobs/${at(id)}/events`;

export async function cancel(id: string): Promise<void> {
  await call("DELETE", `/api/v1/jobs/${at(id)}`);
}

/** A page of the gallery, newest first. */
export function pictures(search: string, before: string | null, limit: number) {
  const query = new URLSearchParams({ limit: String(limit) });
  if (search) query.set("search", search);
  if (before) query.set("before", before);
  return get<{ pictures: Kept[]; next: string | null }>(`/api/v1/pictures?${query}`);
}

export const picture = (id: string) => get<Kept>(`/api/v1/pictures/${at(id)}`);

export async function remove(id: string): Promise<void> {
  await call("DELETE", `/api/v1/pictures/${at(id)}`);
}

/** The bytes of a picture of the server. */
export async function bytes(url: string): Promise<Blob> {
  return (await call("GET", url)).blob();
}

/** The settings that a picture tells of itself. */
export async function read(file: Blob): Promise<GenerateRequest> {
  const answer = await call("POST", "/api/v1/read", file, file.type || "image/png");
  return (parse(await answer.text()) as { request: GenerateRequest }).request;
}
