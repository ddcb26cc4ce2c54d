// What a training has written so far: curves, grids, the last lines of its log.
import { ask, byId, make } from "./server.js";

const width = 360, height = 180, left = 46, bottom = 22;
const svg = (name, facts, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(facts)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};
const short = (number) => Number(number.toPrecision(3)).toString();

const chart = (title, curves) => {
  const points = curves.flatMap((curve) => curve.points);
  const [low, high] = [Math.min(...points.map((p) => p[1])), Math.max(...points.map((p) => p[1]))];
  const [first, last] = [Math.min(...points.map((p) => p[0])), Math.max(...points.map((p) => p[0]))];
  const x = (step) => left + ((step - first) / (last - first || 1)) * (width - left - 8);
  const y = (value) => height - bottom - ((value - low) / (high - low || 1)) * (height - bottom - 10);
  const lines = curves.map((curve, k) => svg("polyline", { class: k ? "line second" : "line", points: curve.points.map(([step, value]) => `${x(step)},${y(value)}`).join(" ") }));
  const text = (content, facts) => svg("text", facts, content);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: ${curves.map((curve) => `${curve.name} is ${short(curve.points.at(-1)[1])} at step ${curve.points.at(-1)[0]}`).join(", ")}` },
    svg("path", { class: "axis", d: `M${left},5 V${height - bottom} H${width - 5}` }), ...lines,
    text(short(high), { x: left - 4, y: 14, "text-anchor": "end" }), text(short(low), { x: left - 4, y: height - bottom, "text-anchor": "end" }),
    text(short(first), { x: left, y: height - 5 }), text(`step ${last}`, { x: width - 5, y: height - 5, "text-anchor": "end" }));
  const keys = curves.map((curve, k) => make("span", { className: k ? "key second" : "key", textContent: `${k ? " – – " : "— "}${curve.name}: ${short(curve.points.at(-1)[1])}` }));
  return make("figure", {}, drawing, make("figcaption", {}, ...keys.flatMap((key) => [key, " "])));
};

const grouped = (curves) => {
  const groups = new Map();
  for (const curve of curves.filter((each) => each.points.length > 1)) {
    const name = curve.name.replace(/^(train|val|test)_/, "");
    groups.set(name, [...(groups.get(name) || []), curve]);
  }
  return groups;
};

const showGrids = (names) => {
  const box = byId("grid"), select = byId("grid-choice"), image = box.querySelector("img");
  box.hidden = !names.length;
  if (!names.length || select.dataset.names === names.join()) return;
  const newest = select.selectedIndex <= 0;
  const chosen = newest ? names[0] : select.value;
  select.replaceChildren(...names.map((name) => make("option", { value: name, textContent: name.replace(/\.png$/, "").replace("_", " ") })));
  select.dataset.names = names.join();
  select.value = chosen;
  const show = () => Object.assign(image, { src: `v1/training/${encodeURIComponent(select.value)}`, alt: `Sample grid of ${select.value}` });
  select.onchange = show;
  show();
};

export const showTraining = async () => {
  const state = await ask("v1/training");
  const ago = state.silent_for === null ? "" : state.silent_for < 120 ? `Written ${Math.round(state.silent_for)} s ago.` : `Nothing was written for ${Math.round(state.silent_for / 60)} minutes: the training has ended or stopped.`;
  byId("training-about").textContent = [state.stage && `This is the ${state.stage}.`, ago || "This folder holds no log of a training."].filter(Boolean).join(" ");
  byId("curves").replaceChildren(...[...grouped(state.curves)].map(([name, curves]) => chart(name, curves)));
  showGrids(state.grids);
  const lines = state.lines.join("\n");
  byId("log").hidden = byId("log-title").hidden = !lines;
  if (byId("log").textContent !== lines) byId("log").textContent = lines;
};
