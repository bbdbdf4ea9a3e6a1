// A camera that answers: real footage, cut to the movement that the page asks for, in a MediaStream made on the fly.
// One take dissolves into the next, as there is no footage of the way between them; a little sway of the hand and noise of
// a sensor keep two showings of the same footage from being the same pixels.
(({ count, fps, takes, answer }) => {
  const REACTION_MS = 450;
  const DISSOLVE = 16; // pictures
  const [width, height] = [360, 480];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
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
  let queue = [];
  let idle = 0;
  let shown = "";
  let last = 0;
  let before = null;
  let dissolved = DISSOLVE;

  const span = ([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

  function next() {
    if (queue.length) return queue.shift();
    const [first, last] = takes.rest;
    const period = 2 * (last - first);
    idle = (idle + 1) % period;
    return first + (idle <= last - first ? idle : period - idle);
  }

  function draw() {
    const t = performance.now() / 1000;
    const scale = 1.05 + 0.006 * Math.sin(0.9 * t) + 0.003 * Math.sin(2.3 * t);
    const [lean, skew] = [0.004 * Math.sin(0.7 * t), 0.004 * Math.cos(0.5 * t)];
    context.setTransform(1, lean, skew, 1, 2 * Math.sin(1.1 * t), 2 * Math.cos(0.8 * t));
    const number = next();
    if (Math.abs(number - last) > 1) [before, dissolved] = [pictures[last], 0];
    last = number;
    const [w, h] = [width * scale, height * scale];
    const put = (picture, alpha) => {
      context.globalAlpha = alpha;
      context.drawImage(picture, (width - w) / 2, (height - h) / 2, w, h);
    };
    put(pictures[number], 1);
    if (dissolved < DISSOLVE) put(before, 1 - ++dissolved / (DISSOLVE + 1));
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 0.035;
    const tile = noise[Math.floor(noise.length * Math.random())];
    context.drawImage(tile, -64 * Math.random(), -64 * Math.random());
  }

  const load = async (i) => createImageBitmap(await (await fetch(`/scripted/${i}.jpg`)).blob());
  navigator.mediaDevices.getUserMedia = async () => {
    if (!pictures.length) {
      pictures = await Promise.all(Array.from({ length: count }, (_, i) => load(i)));
      setInterval(draw, 1000 / fps);
      setInterval(() => {
        const action = document.getElementById("figure").dataset.action ?? "";
        if (action && action !== shown) setTimeout(() => (queue = span(takes[answer[action] ?? action])), REACTION_MS);
        shown = action;
      }, 20);
    }
    return canvas.captureStream(fps);
  };
})(__SCRIPT__);
