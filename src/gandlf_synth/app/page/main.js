// Starts the page: the tabs, the model, the orders.
import { listenToForm, showForm } from "./form.js";
import { followJobs, useModel, wake } from "./jobs.js";
import { showReports } from "./reports.js";
import { ask, byId } from "./server.js";
import { showTraining } from "./training.js";

const tabs = [...document.querySelectorAll("[role=tab]")];
const opened = { "tab-evaluation": showReports, "tab-training": showTraining };
const chosen = () => tabs.find((tab) => tab.ariaSelected === "true");
const tell = (error) => { byId("news").textContent = error.message; };

const choose = (tab) => {
  for (const other of tabs) {
    other.ariaSelected = String(other === tab);
    other.tabIndex = other === tab ? 0 : -1;
    byId(other.getAttribute("aria-controls")).hidden = other !== tab;
  }
  opened[tab.id]?.().catch(tell);
};

for (const [place, tab] of tabs.entries()) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(place + step + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
}
setInterval(() => { if (!document.hidden && chosen().id === "tab-training") showTraining().catch(tell); }, 3000);

const describe = (model) => {
  const size = model.shape.join(" × "), spacing = model.spacing.length ? `, ${model.spacing.map((mm) => Number(mm.toFixed(2))).join(" × ")} mm` : "";
  const channels = model.channels.length > 1 ? `, ${model.channels.join(", ")}` : "";
  const parent = model.init_from ? ` · started from ${model.init_from.source}${model.init_from.license ? `, licence ${model.init_from.license}` : ""}` : "";
  return `${model.family} · ${size}${model.spatial_dims === 3 ? " voxels" : " pixels"}${spacing}${channels} · ${model.checkpoint}${parent}`;
};

const copies = (model) => {
  if (model.checks_copies) return "Copies of training images are refused and made again; each image says how near it is to them.";
  if (model.shows_patient) return "An image resembles the one that it is made from, on purpose: it shows that person.";
  return "New images are not compared with the training images. For that, start the app with --refuse-copies and the CSV of the training images.";
};

const followModel = async () => {
  for (;;) {
    let pause = 5000;
    try {
      const model = await ask("v1/model");
      byId("model-name").textContent = model.model_dir.split(/[/\\]/).filter(Boolean).at(-1);
      byId("model-name").title = model.model_dir;
      if (model.state === "ready") {
        byId("model-facts").textContent = `${describe(model)}. ${copies(model)}`;
        showForm(model);
        useModel(model);
        wake();
      } else {
        byId("model-facts").textContent = model.message;
        byId("model-facts").className = model.state === "unusable" ? "error" : "soft";
        pause = 700;
      }
      document.body.dataset.model = model.state;
    } catch (error) { tell(error); }
    await new Promise((resolve) => { setTimeout(resolve, document.hidden ? 10000 : pause); });
  }
};

listenToForm(wake);
followModel();
followJobs();
