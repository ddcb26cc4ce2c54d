// The orders and what has been made; they are asked for again and again while one is not over.
import { names, title as formatTitle } from "./form.js";
import { planesOf } from "./planes.js";
import { ask, byId, make, send } from "./server.js";
import { canShowVolumes, showVolume } from "./volume.js";

const cards = new Map(); // by id: what is shown, and how it was described
const awaited = new Map(); // by id: what to do when an order is done
let model = null, wakened = () => {};

const over = (job) => ["done", "failed", "canceled"].includes(job.state);
const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

const heading = (job) => {
  const { order } = job, cells = Object.entries(order.cells || {}).map(([column, text]) => `${column} ${text}`);
  const parts = [counted(order.number || 1, "image"), order.class, ...cells, `seed ${order.seed}`];
  if (order.n_samples) parts.push(counted(order.n_samples, "draw"));
  if (order.format) parts.push(formatTitle(order.format));
  return parts.filter(Boolean).join(" · ");
};

const nearness = (facts) => {
  if (facts.nearest_training_image === undefined) return "";
  const again = facts.copies_refused ? `; ${counted(facts.copies_refused, "copy")} refused and made again`.replace("copys", "copies") : "";
  return `nearest training image: correlation ${facts.nearest_training_image.toFixed(3)}, no copy${again}`;
};

const caption = (image, place) => {
  const text = [`synthetic ${place + 1}`, image.facts.class].filter(Boolean).join(" · ");
  const near = nearness(image.facts);
  return make("figcaption", {}, text, ...(near ? [make("small", { className: "copy", textContent: near })] : []));
};

const givenTitle = ({ title }) => `given: ${names[title]?.toLowerCase() || title}`;

const addressIn = (job) => (name) => `v1/jobs/${job.id}/pictures/${encodeURIComponent(name)}`;

const tile = (address, text, described) => {
  const image = make("img", { src: address, alt: text });
  image.addEventListener("load", () => image.classList.toggle("pixelated", image.naturalWidth < 200));
  return make("li", {}, make("figure", {}, image, described));
};

const tiles = (job) => {
  const list = make("ul", { className: "tiles" }), address = addressIn(job);
  for (const given of job.given) for (const name of given.pictures) list.append(tile(address(name), given.title, make("figcaption", { textContent: givenTitle(given) })));
  job.images.forEach((image, place) => {
    for (const shown of image.shown) for (const name of shown.pictures || []) list.append(tile(address(name), `synthetic image ${place + 1}`, caption(image, place)));
  });
  for (const map of job.maps) for (const name of map.pictures || []) list.append(tile(address(name), map.title, make("figcaption", { textContent: map.title })));
  return list;
};

const viewer = (job) => {
  const address = addressIn(job), box = make("div"), deep = make("div", { className: "volume", hidden: true });
  const entries = [
    ...job.images.flatMap((image, place) => image.shown.map((shown) => ({ ...shown, described: caption(image, place), title: `synthetic ${place + 1} ${shown.title}`.trim() }))),
    ...job.maps.map((map) => ({ ...map, described: make("figcaption", { textContent: map.title }) })),
  ];
  const select = make("select", { ariaLabel: "Image" }, ...entries.map((entry, k) => make("option", { value: k, textContent: entry.title })));
  const turn = make("button", { type: "button", textContent: "3D view", disabled: !canShowVolumes() });
  const problem = make("span", { className: "soft", textContent: canShowVolumes() ? "" : "The 3D view needs WebGL 2; the slices do without." });
  problem.setAttribute("role", "status");
  const given = job.given.filter((each) => each.planes).map((each) => ({ ...each, title: givenTitle(each) }));
  const show = () => {
    const entry = entries[select.value];
    box.replaceChildren(entry.described, planesOf([entry, ...given], address));
    if (!deep.hidden) open();
  };
  const open = async () => {
    deep.hidden = false;
    problem.textContent = "Opening…";
    try {
      const entry = entries[select.value];
      await showVolume(deep, address(entry.volume), entry.title);
      problem.textContent = "";
    } catch (error) {
      deep.hidden = true;
      problem.textContent = `The 3D view does not run here (${error.message}); the slices do without.`;
    }
  };
  select.addEventListener("change", show);
  turn.addEventListener("click", open);
  show();
  return make("div", {}, make("div", { className: "row" }, ...(entries.length > 1 ? [select] : []), turn, problem), box, deep);
};

const save = (address) => make("a", { href: address, download: "" }).click();

const downloads = (job) => {
  const row = make("div", { className: "row" }), root = `v1/jobs/${job.id}`;
  row.append("Download:", make("a", { href: `${root}/archive.zip`, download: "", textContent: "all (.zip)" }));
  const files = [...job.images.flatMap((image) => image.files), ...job.maps.map((map) => map.file)];
  row.append(make("a", { href: `${root}/files/contact_sheet.png`, download: "", textContent: "picture (.png)" }));
  for (const format of model.formats.filter((name) => name !== job.format)) {
    const button = make("button", { type: "button", textContent: `as ${formatTitle(format)}` });
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const made = await send("v1/jobs", { ...job.order, format });
        awaited.set(made.id, () => { button.disabled = false; save(`v1/jobs/${made.id}/archive.zip`); });
        wakened();
      } catch (error) {
        byId("news").textContent = error.message;
        button.disabled = false;
      }
    });
    row.append(button);
  }
  const links = files.map((name) => make("li", {}, make("a", { href: `${root}/files/${encodeURIComponent(name)}`, download: name, textContent: name })));
  return make("div", {}, row, make("details", {}, make("summary", { textContent: counted(files.length, "file") }), make("ul", {}, ...links)));
};

const command = (job) => {
  const text = make("code", { textContent: job.command });
  const copy = make("button", { type: "button", textContent: "Copy" });
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(job.command);
    copy.textContent = "Copied";
  });
  return make("details", {}, make("summary", { textContent: "The command that makes these images again" }), make("pre", { tabIndex: 0 }, text), copy);
};

const content = (job) => {
  if (job.state === "failed") return [make("p", { className: "failed", textContent: job.error })];
  if (job.state === "canceled") return [make("p", { className: "soft", textContent: "Canceled." })];
  if (job.state !== "done") return [];
  const remarks = job.remarks.filter((text) => !text.startsWith("0 copies")).map((text) => make("p", { className: "remark", textContent: text }));
  const volumes = job.images.some((image) => image.shown.some((shown) => shown.planes));
  return [...remarks, volumes ? viewer(job) : tiles(job), downloads(job), command(job)];
};

const card = (job) => {
  const end = make("button", { type: "button", textContent: over(job) ? "Remove" : "Cancel" });
  end.ariaLabel = `${end.textContent}: ${heading(job)}`;
  end.addEventListener("click", async () => {
    end.disabled = true;
    await ask(`v1/jobs/${job.id}`, { method: "DELETE" }).catch(() => {});
    wakened();
  });
  const element = make("li", { className: "job" }, make("header", {}, make("h3", { textContent: heading(job) }), end), ...content(job));
  element.dataset.state = job.state;
  if (!over(job)) element.append(make("progress", { max: 1, ariaLabel: "Progress" }), make("p", { className: "soft stage" }));
  return element;
};

const advance = (element, job) => {
  element.querySelector("progress").value = job.share;
  const waits = job.ahead ? `waits for ${counted(job.ahead, "order")} before it` : "waits";
  element.querySelector(".stage").textContent = job.state === "waiting" ? waits : `${job.stage || "begins"}, ${Math.round(100 * job.share)} %`;
};

const announce = (job) => {
  const words = { done: `${counted(job.images?.length ?? 0, "image")} ready`, failed: `An order failed: ${job.error}`, canceled: "An order was canceled" };
  byId("news").textContent = `${words[job.state]}.`;
  if (job.state === "done") awaited.get(job.id)?.();
  awaited.delete(job.id);
};

const show = (jobs) => {
  for (const [id, shown] of cards) if (!jobs.some((job) => job.id === id)) { shown.element.remove(); cards.delete(id); }
  for (const job of jobs.toReversed()) {
    const shown = cards.get(job.id);
    if (shown?.state !== job.state) {
      const element = card(job);
      if (shown) shown.element.replaceWith(element);
      else byId("jobs").prepend(element);
      cards.set(job.id, { element, state: job.state });
      if (shown && over(job)) announce(job);
    }
    if (!over(job)) advance(cards.get(job.id).element, job);
  }
  byId("no-jobs").hidden = jobs.length > 0;
};

export const useModel = (described) => { model = described; };
export const wake = () => wakened();

// Asks for the orders for as long as the page is open, often while one is not over.
export const followJobs = async () => {
  for (;;) {
    let pause = 4000;
    try {
      const { jobs } = await ask("v1/jobs");
      if (model) show(jobs);
      if (jobs.some((job) => !over(job))) pause = 400;
      document.body.dataset.connected = "yes";
    } catch (error) {
      byId("news").textContent = `The program does not answer (${error.message}). Is it still running?`;
    }
    await new Promise((resolve) => { wakened = resolve; setTimeout(resolve, document.hidden ? 4000 : pause); });
  }
};
