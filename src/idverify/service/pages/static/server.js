// What the page asks the server. Every failure becomes a Problem whose code the page has words for.

export class Problem extends Error {
  constructor(code, status = 0) {
    super(code);
    this.code = code;
    this.status = status;
  }
}

const BY_STATUS = { 401: "session_missing", 413: "recording_too_long", 429: "too_many_requests", 503: "not_ready" };

// A request without an answer for this long is taken for a lost connection.
const PATIENCE_MS = 30_000;

export async function ask(path, { method = "GET", json, body, headers = {}, patience = PATIENCE_MS, signal } = {}) {
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(), patience);
  signal?.addEventListener("abort", () => stop.abort(), { once: true });
  try {
    const answer = await fetch(path, {
      method,
      body: json === undefined ? body : JSON.stringify(json),
      headers: json === undefined ? headers : { "Content-Type": "application/json", ...headers },
      credentials: "same-origin",
      cache: "no-store",
      signal: stop.signal,
    });
    const text = await answer.text();
    const said = text && /json/.test(answer.headers.get("Content-Type") ?? "") ? JSON.parse(text) : null;
    if (!answer.ok) throw new Problem(said?.code ?? BY_STATUS[answer.status] ?? "other", answer.status);
    return said;
  } catch (error) {
    // A page that went away half-way, or a portal's page in place of an answer, is a lost connection too.
    throw error instanceof Problem ? error : new Problem("offline");
  } finally {
    clearTimeout(late);
  }
}

export const isPassing = (problem) => problem.code === "offline" || problem.status === 429 || problem.status >= 500;

export const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));

// Wait, but no longer than until the device says that it is connected again.
export const pauseUntilOnline = (ms) =>
  new Promise((wake) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      wake();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
  });

export async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const PROBE_BYTES = 48 * 1024;

// Upload speed in bit/s, or null where it cannot be told: the time that a full body takes beyond an empty one.
export async function uploadSpeed() {
  const took = async (size) => {
    const start = performance.now();
    await ask("/capture/probe", { method: "POST", body: new Uint8Array(size), patience: 8_000 });
    return performance.now() - start;
  };
  try {
    const empty = await took(1);
    return (PROBE_BYTES * 8_000) / Math.max((await took(PROBE_BYTES)) - empty, 1);
  } catch {
    return null;
  }
}
