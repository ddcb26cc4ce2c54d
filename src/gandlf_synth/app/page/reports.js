// The evaluation reports that lie beside the model; each is shown as it is, shut off from this page.
import { ask, byId, make } from "./server.js";

const none = "No report lies beside this model. gandlf-synth evaluate -m-dir MODEL -o MODEL/evaluation … makes one.";

export const showReports = async () => {
  const { reports } = await ask("v1/reports");
  const select = byId("report"), frame = byId("report-page");
  const paths = reports.map((report) => report.path).join("\n");
  if (select.dataset.paths === paths) return;
  select.dataset.paths = paths;
  select.replaceChildren(...reports.map((report, k) => make("option", { value: k, textContent: report.path })));
  select.parentElement.hidden = frame.hidden = !reports.length;
  const show = () => {
    const report = reports[select.value];
    const verdicts = report.verdicts.map(([question, outcome]) => `${question}: ${outcome}`).join("; ");
    const caution = report.of_this_model ? "" : "The report does not say which model it is of. ";
    byId("report-about").textContent = caution + verdicts;
    frame.src = `v1/reports/${select.value}`;
  };
  select.onchange = show;
  if (reports.length) show();
  else byId("report-about").textContent = none;
};
