// Live hints before the recording: statistics of a small picture here, the face from the server.

import { ask } from "./server.js";

const WIDTH = 64;
const HEIGHT = 48;
const SERVER_WIDTH = 160;
const SERVER_HEIGHT = 120;
const LOOK_MS = 250;
const ASK_MS = 1_300;
// A hint has to be seen twice before it is said, so that it does not flicker.
const TIMES_SEEN = 2;

// Luma of 0 to 255. Chosen to speak up only where the face could hardly be judged; a hint never blocks.
const DARK = 45;
const BRIGHT = 250;
const BRIGHT_SHARE = 0.25;
const BACKLIGHT = 70;
const MOTION = 14;
const SHARPNESS = 1.2;

// Which points lie in the oval: the same one that the page draws, in a picture cropped to it.
const INSIDE = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => {
  const x = ((i % WIDTH) + 0.5 - WIDTH / 2) / (0.25 * HEIGHT);
  const y = (Math.floor(i / WIDTH) + 0.5 - 0.49 * HEIGHT) / (0.39 * HEIGHT);
  return x * x + y * y <= 1 ? 1 : 0;
});

// One code, or null, from two pictures of WIDTH by HEIGHT grey values.
export function judge(luma, before) {
  let inside = 0, outside = 0, count = 0, bright = 0, motion = 0, edges = 0;
  for (let i = 0; i < luma.length; i++) {
    if (!INSIDE[i]) {
      outside += luma[i];
      continue;
    }
    count++;
    inside += luma[i];
    if (luma[i] >= BRIGHT) bright++;
    if (before) motion += Math.abs(luma[i] - before[i]);
    edges += Math.abs(2 * luma[i] - luma[i - 1] - luma[i + 1]);
  }
  const face = inside / count;
  const around = outside / (luma.length - count);
  if (around - face > BACKLIGHT && face < 90) return "backlit";
  if (face < DARK) return "too_dark";
  if (bright / count > BRIGHT_SHARE) return "too_bright";
  if (motion / count > MOTION) return "moving";
  return edges / count < SHARPNESS ? "blurred" : null;
}

const canvasOf = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

// Grey values of the middle of the video, as the oval's surroundings show it; the canvas keeps the grey picture.
function grey(video, canvas) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const scale = Math.max(width / video.videoWidth, height / video.videoHeight);
  const drawn = [video.videoWidth * scale, video.videoHeight * scale];
  context.drawImage(video, (width - drawn[0]) / 2, (height - drawn[1]) / 2, ...drawn);
  const image = context.getImageData(0, 0, width, height);
  const { data } = image;
  const luma = new Uint8Array(width * height);
  for (let i = 0, j = 0; i < luma.length; i++, j += 4) {
    luma[i] = data[j] = data[j + 1] = data[j + 2] = 0.299 * data[j] + 0.587 * data[j + 1] + 0.114 * data[j + 2];
  }
  context.putImageData(image, 0, 0);
  return luma;
}

export class Hints {
  #video;
  #say;
  #small = canvasOf(WIDTH, HEIGHT);
  #large = canvasOf(SERVER_WIDTH, SERVER_HEIGHT);
  #before = null;
  #server = null;
  #seen = ["", 0];
  #said = "";
  #timers = [];

  constructor(video, say) {
    this.#video = video;
    this.#say = say;
  }

  start() {
    this.stop();
    this.#said = "";
    this.#timers = [setInterval(() => this.#look(), LOOK_MS), setInterval(() => this.#askServer(), ASK_MS)];
  }

  stop() {
    this.#timers.forEach(clearInterval);
    this.#timers = [];
  }

  #look() {
    if (!this.#video.videoWidth) return;
    const luma = grey(this.#video, this.#small);
    const hint = judge(luma, this.#before) ?? this.#server ?? "ok";
    this.#before = luma;
    this.#seen = [hint, this.#seen[0] === hint ? this.#seen[1] + 1 : 1];
    if (this.#seen[1] >= TIMES_SEEN && hint !== this.#said) this.#say((this.#said = hint));
  }

  #askServer() {
    if (!this.#video.videoWidth) return;
    grey(this.#video, this.#large);
    this.#large.toBlob(async (picture) => {
      if (!picture || !this.#timers.length) return;
      try {
        const body = await picture.arrayBuffer();
        const headers = { "Content-Type": "image/jpeg" };
        const { hint } = await ask("/capture/hint", { method: "POST", body, headers, patience: 4_000 });
        this.#server = hint === "ok" ? null : hint;
      } catch {
        this.#server = null; // No hint is better than an old one.
      }
    }, "image/jpeg", 0.6);
  }
}
