// What is on the page: one screen at a time, its words, and what the screen reader hears.

const words = JSON.parse(document.getElementById("page-words").textContent);
const numbers = new Intl.NumberFormat(document.documentElement.lang);

export const find = (id) => document.getElementById(id);

const look = (name) => name.split(".").reduce((part, key) => part?.[key], words);

// Fill in {n} and the like; numbers are written as the language does.
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => {
  const value = values[key];
  return typeof value === "number" ? numbers.format(value) : value;
});

// Words by dotted name.
export const say = (name, values = {}) => fill(look(name) ?? "", values);
export const lines = (name, values = {}) => (look(name) ?? []).map((line) => fill(line, values));

// Set a text only where it changes: a screen reader speaks on every change.
export function tell(id, text) {
  const place = find(id);
  if (place.textContent !== text) place.textContent = text;
}

const PARTS = 4;
let current = "";

export const shown = () => current;

export function show(name) {
  const again = current === name;
  current = name;
  for (const screen of document.querySelectorAll("[data-screen]")) screen.hidden = screen.dataset.screen !== name;
  document.body.classList.toggle("filming", name === "stage");
  find("languages").hidden = !["consent", "refused", "prepare", "problem"].includes(name);
  const heading = document.querySelector(`[data-screen="${name}"] h1`);
  document.title = heading.textContent || document.title;
  if (again) return;
  scrollTo(0, 0);
  heading.focus({ preventScroll: true });
}

export function begin() {
  for (const part of document.querySelectorAll("[data-part]")) {
    part.textContent = say("page.part", { n: Number(part.dataset.part), of: PARTS });
  }
}

export function list(place, lines) {
  place.replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
  place.hidden = !lines.length;
}

const SVG = "http://www.w3.org/2000/svg";

function iconOf(name) {
  const icon = document.createElementNS(SVG, "svg");
  icon.setAttribute("class", "icon");
  icon.setAttribute("aria-hidden", "true");
  icon.append(document.createElementNS(SVG, "use"));
  icon.firstChild.setAttribute("href", `#i-${name}`);
  return icon;
}

// Buttons for what can be done next; the first is the one to take. What no button can do is said as a line.
export function offer(place, actions) {
  place.replaceChildren(...actions.map((action, i) => {
    const words = Object.assign(document.createElement("span"), { textContent: say(`next.${action}`) });
    if (action === "contact") {
      const line = Object.assign(document.createElement("p"), { className: "contact" });
      line.append(iconOf("person"), words);
      return line;
    }
    const button = Object.assign(document.createElement("button"), { className: i ? "secondary" : "primary" });
    button.dataset.do = action;
    button.append(words);
    return button;
  }));
}

export function emblem(place, name, tone = "") {
  place.dataset.tone = tone;
  place.replaceChildren(iconOf(name));
}
