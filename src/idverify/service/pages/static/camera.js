// The camera: whether this browser can record, open one, name what goes wrong.

import { Problem } from "./server.js";

// Small enough for a cheap phone, large enough for a face; a phone held upright turns it by itself.
const WANTED = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, min: 10 } };

const BY_NAME = {
  NotAllowedError: "camera_refused",
  SecurityError: "camera_refused",
  NotFoundError: "camera_missing",
  NotReadableError: "camera_busy",
  AbortError: "camera_busy",
  OverconstrainedError: "camera_unsuited",
};

// Apps that show pages in a view of their own, often without a camera.
const IN_APP = /FBAN|FBAV|FB_IAB|Instagram|Line\/|MicroMessenger|Snapchat|musical_ly|BytedanceWebview|Twitter|LinkedInApp|; wv\)/;

export const isInApp = () => IN_APP.test(navigator.userAgent);

export const isMobile = () =>
  navigator.userAgentData?.mobile ?? /Android|iPhone|iPad|iPod|Mobile/.test(navigator.userAgent);

// Why this page cannot record here at all, or null.
export function obstacle() {
  if (!isSecureContext || !globalThis.crypto?.subtle) return "not_secure";
  const able = navigator.mediaDevices?.getUserMedia && globalThis.MediaRecorder;
  return able ? null : isInApp() ? "browser_in_app" : "browser_old";
}

export async function openCamera(deviceId) {
  const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" };
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { ...WANTED, ...which }, audio: false });
  } catch (error) {
    const code = BY_NAME[error.name] ?? "camera_busy";
    throw new Problem(code === "camera_refused" && isInApp() ? "browser_in_app" : code);
  }
}

export async function cameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "videoinput" && device.deviceId);
}

export const close = (stream) => stream?.getTracks().forEach((track) => track.stop());

// Signals for the server, never proof.
export function describe(stream) {
  const [track] = stream.getVideoTracks();
  const { width, height, frameRate, facingMode, resizeMode } = track.getSettings();
  return { label: track.label, settings: { width, height, frameRate, facingMode, resizeMode } };
}
