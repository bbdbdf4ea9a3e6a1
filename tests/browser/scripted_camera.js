// A camera that answers: real footage, cut to the movement that the page asks for, in a MediaStream made on the fly.
// Every movement begins and ends at one picture of rest. No two showings of a movement are alike: each has a pace and a
// framing of its own, as the same person would, and there is a sway of the hand and the noise of a sensor.
(({ lengths, fps, takes, rest, hub, size, answer }) => {
  const REACTION_MS = 450;
  const MOST_STEPS = 2; // pictures that a busy machine may leave out at a time
  const [width, height] = size;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { alpha: false });
  const noise = Array.from({ length: 4 }, () => {
    const tile = Object.assign(document.createElement("canvas"), { width: width + 64, height: height + 64 });
    const image = new ImageData(tile.width, tile.height);
    for (let i = 0; i < image.data.length; i += 4) {
      image.data[i] = image.data[i + 1] = image.data[i + 2] = 255 * Math.random();
      image.data[i + 3] = 255;
    }
    tile.getContext("2d").putImageData(image, 0, 0);
    return tile;
  });
  let pictures = [];
  let place = hub; // in rest
  let resting = 0; // seconds
  let asked = null;
  let playing = null;
  let shown = "";
  let drawn = 0;
  const between = (least, most) => least + (most - least) * Math.random();
  const framing = { scale: 1.06, lean: 0, x: 0, y: 0 };
  let wanted = { ...framing };

  function begin(action) {
    wanted = { scale: between(1.05, 1.11), lean: between(-0.025, 0.025), x: between(-5, 5), y: between(-5, 5) };
    playing = { pictures: takes[action], at: 0, pace: between(0.85, 1.1) };
    asked = null;
  }

  // The picture that comes after so many steps of the footage.
  function next(steps) {
    if (playing) {
      playing.at += steps * playing.pace;
      const number = playing.pictures[Math.round(playing.at)];
      if (number !== undefined) return number;
      playing = null;
      [place, resting] = [hub, 0];
    }
    if (asked) {
      place = Math.abs(hub - place) <= steps ? hub : place + steps * Math.sign(hub - place);
      if (place === hub) begin(asked);
      return rest[Math.round(place)];
    }
    resting += steps / fps;
    const sway = 0.6 * Math.sin(0.83 * resting) + 0.4 * Math.sin(1.9 * resting);
    place = sway < 0 ? hub * (1 + sway) : hub + (rest.length - 1 - hub) * sway;
    return rest[Math.round(place)];
  }

  function draw() {
    const now = performance.now();
    const steps = Math.min(MOST_STEPS, Math.max(1, Math.round(((now - drawn) * fps) / 1000)));
    drawn = now;
    for (const name of Object.keys(framing)) framing[name] += 0.06 * steps * (wanted[name] - framing[name]);
    const t = now / 1000;
    const scale = framing.scale + 0.006 * Math.sin(0.9 * t) + 0.003 * Math.sin(2.3 * t);
    const lean = framing.lean + 0.004 * Math.sin(0.7 * t);
    const [x, y] = [framing.x + 2 * Math.sin(1.1 * t), framing.y + 2 * Math.cos(0.8 * t)];
    const [c, s] = [scale * Math.cos(lean), scale * Math.sin(lean)];
    context.setTransform(c, s, -s, c, width / 2 + x, height / 2 + y);
    context.globalAlpha = 1;
    context.drawImage(pictures[next(steps)], -width / 2, -height / 2, width, height);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 0.035;
    const tile = noise[Math.floor(noise.length * Math.random())];
    context.drawImage(tile, -64 * Math.random(), -64 * Math.random());
  }

  async function load() {
    const all = await (await fetch("/scripted/footage")).blob();
    let end = 0;
    const parts = lengths.map((length) => all.slice(end, (end += length), "image/jpeg"));
    return Promise.all(parts.map((part) => createImageBitmap(part)));
  }

  navigator.mediaDevices.getUserMedia = async () => {
    if (!pictures.length) {
      pictures = await load();
      drawn = performance.now();
      setInterval(draw, 1000 / fps);
      setInterval(() => {
        const action = document.getElementById("figure").dataset.action ?? "";
        if (action && action !== shown) setTimeout(() => (asked = answer[action] ?? action), REACTION_MS);
        shown = action;
      }, 20);
    }
    return canvas.captureStream(fps);
  };
})(__SCRIPT__);
