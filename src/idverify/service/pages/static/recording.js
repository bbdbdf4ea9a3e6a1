// One recording: MediaRecorder in slices, uploaded as numbered chunks while it is made.

import { Problem, ask, isPassing, pauseUntilOnline, sha256 } from "./server.js";

// In the order of what the server decodes best; the last resort is what the browser likes.
const TYPES = [
  "video/webm;codecs=h264", "video/mp4;codecs=avc1.42E01E", "video/mp4;codecs=avc1", "video/webm;codecs=vp9", "video/webm;codecs=vp8",
];
const SLICE_MS = 1_000;

// Bits per second of video: six tenths of what the connection carries, within what a face needs and what helps.
const SHARE = 0.6;
const LEAST = 250_000;
const MOST = 2_500_000;
const UNKNOWN_SPEED = 1_700_000;
export const SMALL_BELOW = 700_000;

export const mimeType = () => TYPES.find((type) => MediaRecorder.isTypeSupported(type)) ?? "";
export const bitRate = (speed) => Math.round(Math.min(MOST, Math.max(LEAST, SHARE * (speed ?? UNKNOWN_SPEED))));

export class Upload {
  #path;
  #max;
  #on;
  #chunks = [];
  #sent = 0;
  #running = null;
  #failure = null;
  #stopped = false;

  // on: reply(answer) after each chunk; waiting(bool) when the connection is lost and when it is back; progress(share).
  constructor(path, maxBytes, on) {
    this.#path = path;
    this.#max = maxBytes;
    this.#on = on;
  }

  get bytesWaiting() {
    return this.#chunks.slice(this.#sent).reduce((sum, chunk) => sum + chunk.size, 0);
  }

  get empty() {
    return !this.#chunks.length;
  }

  add(blob) {
    for (let start = 0; start < blob.size; start += this.#max) this.#chunks.push(blob.slice(start, start + this.#max));
    this.#running ??= this.#run();
  }

  abandon() {
    this.#stopped = true;
  }

  // Everything has arrived: how many chunks, and the hash over all of them.
  async complete() {
    while (this.#running) await this.#running;
    if (this.#failure) throw this.#failure;
    return { chunks: this.#chunks.length, sha256: await sha256(await new Blob(this.#chunks).arrayBuffer()) };
  }

  async #run() {
    try {
      while (this.#sent < this.#chunks.length && !this.#stopped) {
        const answer = await this.#put(this.#sent, await this.#chunks[this.#sent].arrayBuffer());
        if (this.#stopped) return;
        this.#sent++;
        this.#on.progress?.(this.#sent / this.#chunks.length);
        this.#on.reply?.(answer);
      }
    } catch (problem) {
      this.#failure = problem;
      this.#on.failed?.(problem);
    } finally {
      this.#running = null;
    }
  }

  // Again and again until the chunk has arrived: putting the same bytes twice does no harm.
  async #put(number, bytes) {
    const headers = { "X-Chunk-SHA256": await sha256(bytes), "Content-Type": "application/octet-stream" };
    for (let wait = 500; ; wait = Math.min(2 * wait, 5_000)) {
      try {
        const answer = await ask(`${this.#path}/chunks/${number}`, { method: "PUT", body: bytes, headers });
        this.#on.waiting?.(false);
        return answer;
      } catch (problem) {
        if (this.#stopped || !isPassing(problem)) throw problem;
        this.#on.waiting?.(true);
        await pauseUntilOnline(wait);
      }
    }
  }
}

// When frames came, from requestVideoFrameCallback: a summary, as a signal.
class FrameTimes {
  #video;
  #times = [];
  #handle = 0;

  constructor(video) {
    this.#video = video;
    this.#next();
  }

  #next() {
    this.#handle = this.#video.requestVideoFrameCallback?.((now, frame) => {
      this.#times.push(frame.mediaTime);
      this.#next();
    });
  }

  stop() {
    this.#video.cancelVideoFrameCallback?.(this.#handle);
    const gaps = this.#times.slice(1).map((time, i) => 1_000 * (time - this.#times[i])).sort((a, b) => a - b);
    return gaps.length
      ? { frames: this.#times.length, median_ms: gaps[gaps.length >> 1], longest_ms: gaps[gaps.length - 1] }
      : { frames: this.#times.length };
  }
}

export class Recording {
  #recorder;
  #frames;
  #started = 0;
  #ended;

  constructor(stream, video, { bitsPerSecond, onSlice, onFailure }) {
    try {
      this.#recorder = new MediaRecorder(stream, { mimeType: mimeType(), videoBitsPerSecond: bitsPerSecond });
    } catch {
      throw new Problem("browser_old");
    }
    this.#frames = new FrameTimes(video);
    this.#ended = new Promise((resolve) => this.#recorder.addEventListener("stop", resolve, { once: true }));
    // Some browsers give empty slices.
    this.#recorder.addEventListener("dataavailable", ({ data }) => data.size && onSlice(data));
    this.#recorder.addEventListener("error", () => onFailure(new Problem("no_recording")));
  }

  get mimeType() {
    return this.#recorder.mimeType;
  }

  get elapsed() {
    return (performance.now() - this.#started) / 1_000;
  }

  start() {
    this.#started = performance.now();
    this.#recorder.start(SLICE_MS);
  }

  async stop() {
    if (this.#recorder.state !== "inactive") this.#recorder.stop();
    await this.#ended;
    return this.#frames.stop();
  }
}
