// The way of one person through one attempt: consent, camera, recording, outcome; and a way on from every failure.

import { Problem, ask, isPassing, pause, pauseUntilOnline, uploadSpeed } from "./server.js";
import { cameras, close, describe, isMobile, obstacle, openCamera } from "./camera.js";
import { Hints } from "./hints.js";
import { Recording, SMALL_BELOW, Upload, bitRate, mimeType } from "./recording.js";
import { begin, emblem, find, lines, list, offer, say, shown, show, tell } from "./screen.js";

// What can be done about each problem; the first is the best.
const WAYS_ON = {
  camera_refused: ["retry", "other_device", "file"],
  camera_missing: ["other_device", "retry", "file"],
  camera_busy: ["retry", "other_device", "file"],
  camera_unsuited: ["retry", "other_device", "file"],
  camera_stopped: ["record_again", "other_device"],
  browser_old: ["other_device", "copy_link", "file"],
  browser_in_app: ["copy_link", "retry", "other_device"],
  not_secure: ["contact"],
  background: ["record_again", "other_device"],
  stopped: ["record_again", "other_device", "contact"],
  no_recording: ["record_again", "other_device", "file"],
  no_steps: ["record_again", "other_device"],
  offline: ["retry"],
  recording_late: ["record_again", "other_device"],
  recording_incomplete: ["record_again", "other_device"],
  recording_unreadable: ["record_again", "other_device"],
  judge_failed: ["record_again", "other_device"],
  recording_too_long: ["record_again", "file"],
  file_unfit: ["file", "record_again"],
  too_few_movements: ["retry", "contact"],
  no_recordings_left: ["contact"],
  address_delayed: ["contact"],
  too_many_requests: ["retry"],
  link_used: ["contact"],
  link_expired: ["contact"],
  link_unknown: ["contact"],
  link_canceled: [],
  session_missing: ["reload", "contact"],
  session_moved: [],
  not_ready: ["retry"],
  other: ["retry", "other_device", "contact"],
};
const SAME_WORDS = { chunk_conflict: "recording_incomplete", too_large: "recording_too_long" };
// The attempt is elsewhere than this page believes: ask where it is.
const LOST = ["wrong_state", "consent_missing"];

// Nothing asked for within this long: the connection cannot carry the requests.
const NO_STEP_MS = 15_000;
const NO_SLICE_MS = 8_000;
const MUTED_MS = 2_000;
const SPEED_MS = 6_000;
const SLOW_BYTES = 400_000;
const LONG_CHECK_MS = 60_000;
const FILE_MEGABYTES = 45;
const MINUTES_TO_SAY = 5;

const video = find("video");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const visit = {
  opened: "opened" in document.body.dataset,
  options: {},
  expires: Infinity,
  left: null,
  colours: false,
  case: false,
  ways: "ways" in document.body.dataset,
  stream: null,
  turn: 0,
  deviceId: "",
  speed: null,
  recording: null,
  again: null,
};

// ---- problems -----------------------------------------------------------------------------------

// Say what went wrong and offer what can be done; `again` is what "try again" does.
function fail(problem, again = prepare) {
  if (!(problem instanceof Problem)) console.error(problem);
  const known = SAME_WORDS[problem.code] ?? problem.code;
  const code = known in WAYS_ON ? known : "other";
  const words = `problem.${code}`;
  release();
  // A link that leads nowhere leads to no other way either.
  if (code.startsWith("link_") && !visit.opened) visit.ways = false;
  visit.again = LOST.includes(problem.code) ? () => attempt(enter) : again;
  find("problem-title").textContent = say(`${words}.title`);
  find("problem-message").textContent = say(`${words}.message`);
  list(find("problem-steps"), lines(`${words}.steps`, { n: FILE_MEGABYTES }));
  offer(find("problem-actions"), [...WAYS_ON[code], "ways", "case"].filter(isPossible));
  find("problem-code").textContent = code === "other" ? `${say("page.code")}: ${problem.code ?? problem.name}` : "";
  show("problem");
}

function isPossible(action) {
  // Whoever has the case open asks and is told there, and takes another way while there is one.
  if (action === "ways") return visit.ways;
  if (action === "case") return visit.case && !visit.ways;
  if (action === "contact") return !visit.case;
  if (action === "file") return visit.opened && visit.options.file;
  if (action === "other_device") return visit.opened;
  if (action === "record_again") return visit.left !== 0;
  return true;
}

// Do something; whatever goes wrong has words, and "try again" does it again.
async function attempt(work) {
  try {
    await work();
  } catch (problem) {
    fail(problem, () => attempt(work));
  }
}

// ---- before the camera --------------------------------------------------------------------------

async function readState() {
  const state = await ask("/capture/state");
  visit.options = state.options ?? {};
  visit.case = Boolean(state.case);
  visit.ways = Boolean(state.ways);
  visit.left = state.recordings_left ?? null;
  visit.expires = performance.now() + 1_000 * (state.expires_s ?? Infinity);
  return state;
}

const FINAL = ["accepted", "rejected", "inconclusive", "canceled", "redacted"];

async function enter() {
  const hindrance = obstacle();
  if (hindrance && !visit.opened) return fail(new Problem(hindrance), enter);
  if (!visit.opened) return show("consent");
  const state = await readState();
  if (state.state === "processing") return check();
  if (state.state === "expired") throw new Problem("link_expired");
  if (FINAL.includes(state.state) && !canGoOn(state)) return finish(state);
  return state.consent ? prepare() : show("consent");
}

const canGoOn = (state) => state.state === "requires_input" || state.state === "recording";

async function openLink() {
  if (visit.opened) return;
  await ask(`${location.pathname.replace(/\/$/, "")}/open`, { method: "POST", json: { locale: document.documentElement.lang } });
  visit.opened = true;
}

// Every other way is on the page of the case, which this browser has with the link.
async function otherWays() {
  await openLink();
  location.assign(`/case?locale=${document.documentElement.lang}#all-ways`);
}

async function agree() {
  await openLink();
  await ask("/capture/consent", { method: "POST", json: { version: document.body.dataset.consent } });
  await readState();
  prepare();
}

function prepare() {
  if (!visit.opened) return show("consent");
  const hindrance = obstacle();
  return hindrance ? fail(new Problem(hindrance)) : show("prepare");
}

// ---- the camera ---------------------------------------------------------------------------------

const hints = new Hints(video, (hint) => {
  find("viewfinder").dataset.hint = hint;
  tell("hint", say(`hint.${hint}`));
});

async function film() {
  if (visit.options.light && !calm.matches && shown() === "prepare") return show("colours");
  release();
  const turn = ++visit.turn;
  stageMode("waiting");
  tell("hint", say("camera.waiting"));
  show("stage");
  const speed = visit.speed ?? uploadSpeed();
  const stream = await openCamera(visit.deviceId);
  // Meanwhile another camera was chosen, or the person went elsewhere.
  if (turn !== visit.turn || shown() !== "stage") return close(stream);
  visit.stream = stream;
  watch(stream);
  video.srcObject = stream;
  await video.play().catch(() => {});
  await offerCameras();
  visit.speed = await Promise.race([speed, pause(SPEED_MS)]);
  if (visit.stream !== stream) return;
  if (bitRate(visit.speed) < SMALL_BELOW) {
    await stream.getVideoTracks()[0].applyConstraints({ width: 640, height: 480 }).catch(() => {});
  }
  stageMode("camera");
  tell("hint", "");
  hints.start();
}

function stageMode(mode) {
  document.querySelector(".stage").dataset.mode = mode;
  find("record").disabled = mode === "waiting";
  find("stage-title").textContent = say(mode === "recording" ? "recording.title" : "camera.title");
}

// The camera can go away at any time: a call, a cover, a plug.
function watch(stream) {
  const [track] = stream.getVideoTracks();
  const gone = () => visit.stream === stream && fail(new Problem("camera_stopped"), () => attempt(film));
  let timer = 0;
  track.addEventListener("ended", gone);
  track.addEventListener("mute", () => (timer = setTimeout(gone, MUTED_MS)));
  track.addEventListener("unmute", () => clearTimeout(timer));
}

async function offerCameras() {
  const found = await cameras();
  const used = visit.stream.getVideoTracks()[0].getSettings().deviceId;
  find("pick").hidden = found.length < 2;
  find("cameras").replaceChildren(...found.map((camera, i) =>
    new Option(camera.label || `${say("camera.choose")} ${i + 1}`, camera.deviceId, false, camera.deviceId === used)));
}

// Let go of the camera and of a recording that is not finished.
function release() {
  hints.stop();
  visit.recording?.drop();
  visit.recording = null;
  const { stream } = visit;
  visit.stream = null;
  video.srcObject = null;
  close(stream);
}

// ---- the recording ------------------------------------------------------------------------------

async function record() {
  hints.stop();
  const { width, height } = screen;
  const made = await ask("/capture/recordings", {
    method: "POST",
    json: {
      mime_type: mimeType(),
      source: "camera",
      camera: describe(visit.stream),
      screen: { w: width, h: height, dpr: devicePixelRatio },
      user_agent_mobile: isMobile(),
      light: Boolean(visit.options.light && visit.colours && !calm.matches),
      avoid: Array.from(document.querySelectorAll("[name=avoid]:checked"), (tick) => tick.value),
    },
  });
  const path = `/capture/recordings/${encodeURIComponent(made.recording)}`;
  visit.recording = take(path, made);
}

// Start one recording and follow the requests; returns the handle by which it is stopped or dropped.
function take(path, { chunk_max_bytes: chunkMax, max_s: maxSeconds }) {
  let over = false;
  let last = -1;
  let heard = performance.now();
  const steps = [];
  const polling = new AbortController();

  const upload = new Upload(path, chunkMax ?? 1 << 20, {
    reply: hear,
    waiting: (lost) => note(lost ? "offline" : upload.bytesWaiting > SLOW_BYTES ? "slow" : ""),
    progress: sentShare,
    failed: (problem) => over || abandon(problem),
  });
  const recording = new Recording(visit.stream, video, {
    bitsPerSecond: bitRate(visit.speed),
    onSlice: (slice) => upload.add(slice),
    onFailure: abandon,
  });

  function hear({ step, done }) {
    if (over) return;
    if (step && step.index > last) {
      last = step.index;
      heard = performance.now();
      steps.push({ index: step.index, recording_s: recording.elapsed });
      showStep(step);
    }
    if (done) attempt(complete);
  }

  // The answer to a chunk brings a step as well; asking on its own brings it sooner.
  async function poll() {
    while (!over) {
      try {
        hear((await ask(`${path}/step?after=${last}`, { signal: polling.signal, patience: 20_000 })) ?? {});
      } catch (problem) {
        if (over) return;
        if (!isPassing(problem)) return abandon(problem);
        await pauseUntilOnline(1_000);
      }
    }
  }

  const guard = setInterval(() => {
    if (upload.empty && recording.elapsed * 1_000 > NO_SLICE_MS) abandon(new Problem("no_recording"));
    else if (performance.now() - heard > NO_STEP_MS) abandon(new Problem("no_steps"));
    else if (maxSeconds && recording.elapsed > maxSeconds) attempt(complete);
  }, 500);

  function end() {
    over = true;
    clearInterval(guard);
    polling.abort();
    clearTimeout(stepTimer);
    play([]);
    wake?.release().catch(() => {});
  }

  function drop() {
    if (!over) end();
    upload.abandon();
    recording.stop();
  }

  function abandon(problem) {
    if (over) return;
    fail(problem, () => attempt(film));
  }

  async function complete() {
    if (over) return;
    end();
    const frames = await recording.stop();
    visit.recording = null;
    if (upload.empty) throw new Problem("no_recording");
    release();
    await deliver(path, upload, { frame_times: frames, steps_shown: steps, mime_type: recording.mimeType });
  }

  let wake = null;
  navigator.wakeLock?.request("screen").then((lock) => (over ? lock.release() : (wake = lock))).catch(() => {});
  stageMode("recording");
  find("steps-done").value = 0;
  tell("count", "");
  note("");
  drawFigure("");
  tell("words", say("recording.ready"));
  recording.start();
  poll();
  return { drop, abandon };
}

let stepTimer = 0;
let lightTimer = 0;

function showStep(step) {
  const { index, of, hold_s: seconds = 4 } = step;
  const values = { n: index + 1, of };
  tell("count", say(of ? "recording.step" : "recording.step_open", values));
  if (of) find("steps-done").value = index / of;
  play(step.kind === "colour" ? step.colours ?? [{ colour: step.colour, hold_s: seconds }] : []);
  drawFigure(step.kind === "move" ? step.action : "");
  tell("words", step.text ?? say("recording.ready"));
  if (step.kind === "move") navigator.vibrate?.(60);
  clearTimeout(stepTimer);
  stepTimer = setTimeout(() => {
    if (of) find("steps-done").value = (index + 1) / of;
    if (step.kind !== "move") return;
    drawFigure("");
    tell("words", say("recording.next"));
  }, 1_000 * seconds);
}

// One colour after the other, each for its time.
function play([first, ...rest]) {
  clearTimeout(lightTimer);
  light(first?.colour);
  if (first) lightTimer = setTimeout(play, 1_000 * first.hold_s, rest);
}

function drawFigure(action) {
  find("figure").dataset.action = action;
}

function light(colour) {
  find("light").hidden = !colour;
  find("light").style.backgroundColor = colour ?? "";
  document.querySelector(".stage").classList.toggle("lit", Boolean(colour));
}

function note(name) {
  const text = name && say(`recording.${name}`);
  tell("line-note", text);
  tell("send-note", text);
}

function sentShare(share) {
  find("sent").value = 100 * share;
  tell("sent-words", say("sending.progress", { n: Math.floor(100 * share) }));
}

// Wait until everything has arrived, say so, and wait for the outcome.
async function deliver(path, upload, more) {
  show("sending");
  const whole = await upload.complete();
  for (let wait = 500; ; wait = Math.min(2 * wait, 5_000)) {
    try {
      await ask(`${path}/finish`, { method: "POST", json: { ...whole, ...more } });
      break;
    } catch (problem) {
      if (!isPassing(problem)) throw problem;
      note("offline");
      await pauseUntilOnline(wait);
    }
  }
  note("");
  await check();
}

async function sendFile(file) {
  if (!file.size || file.size > FILE_MEGABYTES << 20 || !/^(video\/|$)/.test(file.type)) {
    return fail(new Problem("file_unfit"), () => show("file"));
  }
  const made = await ask("/capture/recordings", {
    method: "POST",
    json: { mime_type: file.type, source: "file", user_agent_mobile: isMobile() },
  });
  const path = `/capture/recordings/${encodeURIComponent(made.recording)}`;
  show("sending");
  const upload = new Upload(path, made.chunk_max_bytes ?? 1 << 20, { progress: sentShare, waiting: (lost) => note(lost ? "offline" : "") });
  upload.add(file);
  await deliver(path, upload, {});
}

// ---- the outcome --------------------------------------------------------------------------------

async function check() {
  show("checking");
  tell("checking-words", say("checking.message"));
  const since = performance.now();
  for (let state; ;) {
    try {
      state = await readState();
    } catch (problem) {
      if (!isPassing(problem)) throw problem;
    }
    if (state && !["processing", "recording"].includes(state.state)) return finish(state);
    if (performance.now() - since > LONG_CHECK_MS) tell("checking-words", say("checking.long"));
    await pause(1_000);
  }
}

function finish(state) {
  if (state.state === "expired") throw new Problem("link_expired");
  const outcome = state.outcome ?? {};
  // A technical failure of a recording asks for one more: the attempt is open again.
  const kind = FINAL.includes(state.state) ? state.state : "inconclusive";
  const again = canGoOn(state) || (kind === "inconclusive" && state.recordings_left > 0);
  const own = FINAL.includes(state.state) || !outcome.title;
  find("outcome-title").textContent = own ? say(`outcome.${kind}.title`) : outcome.title;
  find("outcome-message").textContent = own ? say(`outcome.${kind}.message`) : outcome.message;
  const tones = { accepted: ["check"], rejected: ["person", "warn"], inconclusive: ["again", "warn"] };
  emblem(find("outcome-emblem"), ...(tones[kind] ?? ["note"]));
  const advice = (outcome.advice ?? []).map((code) => say(`reason.${code}`)).filter(Boolean);
  const actions = (outcome.next ?? []).map((next) => next.action).filter((action) => action !== "wait" && isPossible(action));
  find("outcome-advice").hidden = !advice.length;
  list(document.querySelector("#outcome-advice .steps"), advice);
  const count = state.recordings_left;
  tell("outcome-left", again && count > 0 ? say(count === 1 ? "after.left_one" : "after.left_many", { n: count }) : "");
  const usual = state.ways ? ["ways"] : state.case ? ["case"] : kind === "accepted" || kind === "canceled" || kind === "redacted" ? [] : ["contact"];
  offer(find("outcome-actions"), actions.length ? actions : again ? ["record_again", "other_device", state.case ? usual[0] : "contact"] : usual);
  show("outcome");
}

// ---- another device -----------------------------------------------------------------------------

let link = "";

async function handover() {
  const { url, code, svg } = await ask("/capture/continue", { method: "POST", json: {} });
  link = new URL(url, location.href).href;
  find("qr").src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  find("handover-url").textContent = `${location.origin}/r/${code}`;
  tell("handover-note", say("handover.waiting"));
  show("handover");
  attempt(followOther);
}

async function followOther() {
  while (shown() === "handover") {
    await pause(2_000);
    const state = await readState().catch((problem) => (isPassing(problem) ? null : Promise.reject(problem)));
    if (shown() !== "handover") return;
    if (state?.state === "processing") return check();
    if (state && !canGoOn(state)) return finish(state);
  }
}

async function copyLink() {
  // Once the link is used up, another browser needs one of its own.
  if (visit.opened && shown() !== "handover") return handover();
  const here = shown() === "handover";
  try {
    await navigator.clipboard.writeText(here ? link : location.href);
    tell(here ? "handover-note" : "problem-code", say("handover.copied"));
  } catch {
    if (here) getSelection().selectAllChildren(find("handover-url"));
  }
}

// ---- taps, clocks -------------------------------------------------------------------------------

const DOES = {
  agree: () => attempt(agree),
  refuse: () => show("refused"),
  consent: () => show("consent"),
  prepare,
  camera: () => attempt(film),
  with_colours: () => ((visit.colours = true), attempt(film)),
  without_colours: () => ((visit.colours = false), attempt(film)),
  record: () => attempt(record),
  stop: () => fail(new Problem("stopped"), () => attempt(film)),
  retry: () => (visit.again ?? prepare)(),
  record_again: () => attempt(async () => (await readState(), prepare())),
  other_device: () => attempt(handover),
  file: () => show("file"),
  copy_link: () => attempt(copyLink),
  reload: () => location.reload(),
  case: () => location.assign("/case"),
  ways: () => attempt(otherWays),
};

addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-do]");
  if (!button || "busy" in button.dataset) return;
  button.dataset.busy = ""; // A second tap does nothing twice.
  try {
    await DOES[button.dataset.do]();
  } finally {
    delete button.dataset.busy;
  }
});

find("cameras").addEventListener("change", ({ target }) => {
  visit.deviceId = target.value;
  attempt(film);
});

find("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  target.value = "";
  if (file) attempt(() => sendFile(file));
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) visit.recording?.abandon(new Problem("background"));
});

setInterval(() => {
  const minutes = Math.ceil((visit.expires - performance.now()) / 60_000);
  const counts = ["consent", "prepare", "colours", "stage", "handover", "file"].includes(shown());
  find("time-left").hidden = !(counts && minutes <= MINUTES_TO_SAY && minutes > 0);
  if (minutes <= MINUTES_TO_SAY) tell("time-left", say("page.minutes_left", { n: minutes }));
  if (counts && minutes <= 0) fail(new Problem("link_expired"));
}, 1_000);

begin();
attempt(enter);
