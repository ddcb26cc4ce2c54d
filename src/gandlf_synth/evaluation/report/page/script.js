"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const make = (name, facts = {}, ...children) => {
  const element = Object.assign(document.createElement(name), facts);
  element.append(...children);
  return element;
};
const save = (name, rows) => {
  const cell = (value) => `"${String(value).replaceAll('"', '""')}"`;
  const text = rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
// A page that is opened as a file may not be allowed to store anything.
const stored = (key, value) => {
  try {
    if (value === undefined) return localStorage.getItem(key);
    localStorage.setItem(key, value);
  } catch { /* answers then live as long as the page */ }
  return null;
};

// Slices: one slider for all images of a group.
for (const box of all(".slices")) {
  const slider = box.querySelector("input[type=range]");
  if (!slider) continue;
  const direction = box.querySelector("select");
  const show = () => {
    for (const slice of all(".stack > div", box)) {
      slice.hidden = slice.dataset.direction !== direction.value || slice.dataset.slice !== slider.value;
    }
    box.querySelector("output").textContent = slider.value;
  };
  slider.addEventListener("input", show);
  direction.addEventListener("input", show);
}

// Differences of the two sides of a pair, twice as bright.
for (const pair of all(".match .sides")) {
  const [first, second] = all(".stack", pair);
  const stack = make("div", { className: "stack" });
  [...first.children].forEach((slice, k) => {
    const images = [slice, second.children[k]].map((side) => Object.assign(side.querySelector("img").cloneNode(), { alt: "" }));
    const cell = make("div", { hidden: slice.hidden }, make("div", { className: "difference" }, ...images));
    Object.assign(cell.dataset, slice.dataset);
    cell.firstChild.role = "img";
    cell.firstChild.ariaLabel = "difference of both images, twice as bright";
    stack.append(cell);
  });
  pair.append(make("div", {}, make("span", { className: "label", textContent: "difference × 2" }), stack));
}

// Zoom.
const viewer = document.getElementById("viewer");
let shown = [], place = 0;
const enlarge = (step) => {
  place = (place + step + shown.length) % shown.length;
  const image = shown[place].querySelector("img"), large = viewer.querySelector("img");
  Object.assign(large, { src: image.src, alt: image.alt, className: image.className });
  viewer.querySelector("p").textContent = image.alt;
};
for (const button of all(".zoom")) {
  button.addEventListener("click", () => {
    shown = all(".zoom", button.closest("section, li")).filter((other) => other.offsetParent !== null);
    place = shown.indexOf(button);
    enlarge(0);
    viewer.showModal();
  });
}
viewer.querySelector(".previous").addEventListener("click", () => enlarge(-1));
viewer.querySelector(".next").addEventListener("click", () => enlarge(1));
viewer.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) enlarge(step);
});
viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });

// Copy or not: answers are kept in the browser and can be saved.
for (const box of all(".judged")) {
  for (const judge of all(".judge", box)) {
    judge.hidden = false;
    const key = `copy:${document.querySelector("header .soft").textContent}:${judge.parentElement.dataset.key}`;
    for (const choice of all("input", judge)) {
      choice.checked = stored(key) === choice.value;
      choice.addEventListener("change", () => stored(key, choice.value));
    }
  }
  const button = make("button", { type: "button", textContent: "Save answers (CSV)" });
  button.addEventListener("click", () => {
    const rows = all(".match:has(.judge)", document).map((pair) => [
      pair.dataset.synthetic, pair.dataset.training, pair.dataset.verdict,
      pair.querySelector(".judge input:checked")?.value ?? "",
    ]);
    save("copies_answers.csv", [["synthetic", "training", "verdict", "answer"], ...rows]);
  });
  box.append(make("p", { className: "answers" }, button));
}

// Quiz.
const lnFactorial = (n) => { let sum = 0; for (let k = 2; k <= n; k++) sum += Math.log(k); return sum; };
const binomial = (k, n) => Math.exp(lnFactorial(n) - lnFactorial(k) - lnFactorial(n - k) - n * Math.LN2);
const chance = (right, total) => {
  const own = binomial(right, total) * (1 + 1e-9);
  let sum = 0;
  for (let k = 0; k <= total; k++) if (binomial(k, total) <= own) sum += binomial(k, total);
  return Math.min(1, sum);
};
const wilson = (right, total) => {
  const z = 1.96, p = right / total, d = 1 + z * z / total;
  const middle = (p + z * z / (2 * total)) / d, spread = (z / d) * Math.sqrt(p * (1 - p) / total + z * z / (4 * total * total));
  return [middle - spread, middle + spread].map((end) => `${Math.round(100 * end)} %`);
};
const quiz = document.getElementById("quiz");
if (quiz) {
  const items = JSON.parse(document.getElementById("quiz-items").textContent);
  let order = [], answers = [];
  const start = () => {
    order = items.map((item) => [Math.random(), item]).sort((a, b) => a[0] - b[0]).map((pair) => pair[1]);
    answers = [];
    ask();
  };
  const answer = (synthetic) => {
    answers.push(synthetic);
    if (answers.length < order.length) ask(); else result();
  };
  const ask = () => {
    const buttons = [["Real (R)", false], ["Synthetic (S)", true]].map(([textContent, value]) => {
      const button = make("button", { type: "button", textContent });
      button.addEventListener("click", () => answer(value));
      return button;
    });
    const ending = make("button", { type: "button", textContent: "Stop and count", hidden: answers.length < 2 });
    ending.addEventListener("click", result);
    const text = make("p", { textContent: `Image ${answers.length + 1} of ${order.length}` });
    quiz.replaceChildren(text, make("img", { className: "asked", src: order[answers.length].src, alt: "real or synthetic?" }),
      make("p", { className: "controls" }, ...buttons, ending));
    if (answers.length) buttons[0].focus({ preventScroll: true });
  };
  const result = () => {
    const done = order.slice(0, answers.length), hits = done.map((item, k) => item.synthetic === answers[k]);
    const right = hits.filter(Boolean).length, total = done.length;
    const of = (synthetic) => {
      const kind = done.map((item, k) => [item.synthetic, hits[k]]).filter((pair) => pair[0] === synthetic);
      return `${kind.filter((pair) => pair[1]).length} of ${kind.length} ${synthetic ? "synthetic" : "real"} ones`;
    };
    const [low, high] = wilson(right, total), p = chance(right, total);
    const verdict = p < 0.05 ? (right * 2 > total ? "You can tell them apart." : "You take one for the other.") : "Guessing would do as well.";
    const again = make("button", { type: "button", textContent: "Again" }), keep = make("button", { type: "button", textContent: "Save answers (CSV)" });
    again.addEventListener("click", start);
    keep.addEventListener("click", () => save("quiz_answers.csv", [["number", "truth", "answer"],
      ...done.map((item, k) => [items.indexOf(item) + 1, item.synthetic ? "synthetic" : "real", answers[k] ? "synthetic" : "real"])]));
    quiz.replaceChildren(
      make("p", { role: "status", textContent: `${right} of ${total} right (95 % interval ${low} to ${high}; guessing: 50 %; p = ${p.toPrecision(2)}). ${of(false)}, ${of(true)} were recognized. ${verdict}` }),
      make("div", { className: "tiles" }, ...done.map((item, k) => make("img", { src: item.src, className: hits[k] ? "" : "wrong", alt: `${item.synthetic ? "synthetic" : "real"}, ${hits[k] ? "recognized" : "not recognized"}` }))),
      make("p", { className: "controls" }, again, keep));
  };
  const begin = make("button", { type: "button", textContent: "Start" });
  begin.addEventListener("click", start);
  quiz.replaceChildren(make("p", { textContent: "Do not look at the other images of this page first." }), begin);
  quiz.addEventListener("keydown", (event) => {
    if (!quiz.querySelector(".asked") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.toLowerCase() === "r") answer(false);
    if (event.key.toLowerCase() === "s") answer(true);
  });
}

// Map: the image of the mark under the pointer, or of the next one by keyboard.
for (const map of all(".map")) {
  const tiles = JSON.parse(document.getElementById("map-tiles").textContent), tip = map.querySelector(".tip");
  const points = all(".point", map).sort((a, b) => a.getBBox().x - b.getBBox().x);
  let current = -1;
  const point = (mark) => {
    map.querySelector(".now")?.classList.remove("now");
    tip.hidden = !mark;
    if (!mark) return;
    mark.classList.add("now");
    const k = Number(mark.dataset.k), box = mark.getBoundingClientRect(), frame = map.getBoundingClientRect();
    tip.className = `tip ${mark.dataset.set}`;
    tip.firstElementChild.style.backgroundPosition = `${-(k % tiles.across) * tiles.columns}px ${-Math.floor(k / tiles.across) * tiles.rows}px`;
    tip.lastElementChild.textContent = mark.dataset.name;
    const left = box.left - frame.left;
    tip.style.left = left > frame.width / 2 ? "auto" : `${left + 14}px`;
    tip.style.right = left > frame.width / 2 ? `${frame.width - left + 6}px` : "auto";
    tip.style.top = `${Math.max(0, box.top - frame.top - 30)}px`;
    current = points.indexOf(mark);
  };
  map.addEventListener("pointerover", (event) => point(event.target.closest(".point")));
  map.addEventListener("pointerleave", () => point(null));
  map.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    point(points[(current + step + points.length) % points.length]);
  });
}

// Copy the methods.
for (const button of all(".copy-text")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.from), status = button.parentElement.querySelector("[role=status]");
    try {
      await navigator.clipboard.writeText(source.innerText);
      status.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(source);
      status.textContent = "Selected: press Ctrl+C.";
    }
  });
}
