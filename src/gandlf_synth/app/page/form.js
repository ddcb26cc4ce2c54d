// The fields of the form follow from what the model was conditioned on.
import { byId, make, send, upload } from "./server.js";

let model = null;
const uploads = new Map(); // by column: what the files that were given are known by, and what they are called

const field = (id, title, required, input, hint) => {
  const label = make("label", { htmlFor: id, textContent: title, className: required ? "required" : "" });
  const box = make("div", { className: "field" }, label, input);
  if (hint) {
    box.append(make("small", { id: `${id}-hint`, textContent: hint }));
    (input.matches("input, select") ? input : input.querySelector("input")).setAttribute("aria-describedby", `${id}-hint`);
  }
  return box;
};

const choice = (id, words, first) =>
  make("select", { id }, make("option", { value: "", textContent: first }), ...words.map((word) => make("option", { value: word, textContent: word })));

const take = async (cell, files, state, remove, named) => {
  const largest = Math.max(0, ...[...files].map((file) => file.size));
  if (largest > model.largest_file) {
    state.textContent = `too large: at most ${Math.round(model.largest_file / 2 ** 20)} MB`;
    return;
  }
  if (!files.length || files.length > model.most_files) {
    state.textContent = files.length ? `too many files: at most ${model.most_files}` : "no files in it";
    return;
  }
  try {
    const id = await upload(files, (text) => { state.textContent = text; });
    uploads.set(cell.column, id);
    state.textContent = named ? "Received." : files.length === 1 ? files[0].name : `${files.length} files`;
    remove.hidden = false;
  } catch (error) {
    state.textContent = error.message;
  }
};

// All files of what was dropped, those in folders too: a DICOM series is often a folder of folders.
const filesIn = async (transfer) => {
  const files = [];
  const walk = async (entry) => {
    if (files.length > model.most_files) return;
    if (entry.isFile) {
      files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
      return;
    }
    const reader = entry.createReader(), next = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    for (let some = await next(); some.length; some = await next()) for (const each of some) await walk(each);
  };
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean); // gone after the first wait
  const given = [...transfer.files];
  if (!entries.some((entry) => entry.isDirectory)) return given;
  for (const entry of entries) await walk(entry);
  return files.filter((file) => !file.name.startsWith(".") && file.name !== "DICOMDIR");
};

const fileField = (cell, id, title) => {
  const ask = cell.kind === "image" ? "Choose or drop a file; of a DICOM series its files, folder or ZIP." : "Choose a file, or drop it here.";
  const input = make("input", { type: "file", id, multiple: cell.kind === "image" });
  const state = make("span", { textContent: ask });
  state.setAttribute("role", "status");
  const remove = make("button", { type: "button", textContent: "Remove", hidden: true, ariaLabel: `Remove ${title}` });
  const box = make("div", { className: "drop" }, input, state, " ", remove);
  input.addEventListener("change", () => input.files.length && take(cell, input.files, state, remove, true));
  remove.addEventListener("click", () => {
    uploads.delete(cell.column);
    input.value = "";
    state.textContent = ask;
    remove.hidden = true;
  });
  box.addEventListener("dragover", (event) => { event.preventDefault(); box.classList.add("over"); });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", async (event) => {
    event.preventDefault();
    box.classList.remove("over");
    take(cell, await filesIn(event.dataTransfer), state, remove, false);
  });
  return field(id, title, cell.required, box, cell.hint);
};

// What people call the columns.
export const names = { Source_0: "Source image", Mask: "Mask", Region: "Region", Channel_0: "Image" };

const cellField = (cell) => {
  const id = `cell-${cell.column}`, title = cell.title || names[cell.column] || cell.column;
  if (cell.kind === "image" || cell.kind === "file") return fileField(cell, id, title);
  if (cell.kind === "choice") return field(id, title, cell.required, choice(id, cell.choices, cell.required ? "choose" : "not known"), cell.hint);
  const number = cell.kind === "number";
  const input = make("input", { id, type: number ? "number" : "text", ...(number && { step: "any" }), placeholder: cell.required ? "" : "not known" });
  return field(id, cell.unit ? `${title} (${cell.unit})` : title, cell.required, input, cell.hint);
};

const option = (value, textContent) => make("option", { value, textContent });

// Shows the fields of a model; what a person has filled in already is lost only where the model has changed.
export const showForm = (described) => {
  if (model && JSON.stringify(model.fields) === JSON.stringify(described.fields) && `${model.classes}` === `${described.classes}`) {
    model = described;
    return;
  }
  model = described;
  uploads.clear();
  const fields = model.fields.filter((cell) => !cell.group).map(cellField);
  if (model.classes.length) fields.unshift(field("class", "Class", false, choice("class", model.classes, "each in turn")));
  const remarks = model.remarks.map((text) => make("p", { className: "soft", textContent: text }));
  byId("fields").replaceChildren(...fields, ...remarks);
  byId("conditions").hidden = !fields.length && !remarks.length;
  const further = model.fields.filter((cell) => cell.group);
  byId("further").hidden = !further.length;
  byId("further").replaceChildren(make("summary", { textContent: further[0]?.group }), ...further.map(cellField));
  const { sampling } = model;
  byId("sampling").hidden = !Object.keys(sampling).length;
  byId("steps").placeholder = sampling.num_inference_steps ?? "";
  byId("steps-field").hidden = !("num_inference_steps" in sampling);
  byId("guidance").placeholder = sampling.guidance_scale ?? "";
  byId("guidance-field").hidden = !model.guided;
  byId("sampler").replaceChildren(option("", `${sampling.sampler} (as the model was set)`), ...model.samplers.filter((name) => name !== sampling.sampler).map((name) => option(name, name)));
  byId("sampler-field").hidden = !model.samplers.length;
  byId("format").replaceChildren(option("", `${title(model.format)} (as the model was set)`), ...model.formats.filter((name) => name !== model.format).map((name) => option(name, title(name))));
  byId("seed").value = model.seed;
  byId("draws-field").hidden = !model.fields.length;
  byId("number").max = model.most_images;
  byId("submit").disabled = false;
};

export const title = (format) => ({ nifti: "NIfTI", png: "PNG", tiff: "TIFF", dicom: "DICOM", dicom_mr: "DICOM as MR", dicom_ct: "DICOM as CT" })[format] || format;

const order = () => {
  const given = { number: byId("number").valueAsNumber, seed: byId("seed").valueAsNumber, cells: {}, files: Object.fromEntries(uploads) };
  const chosen = byId("class")?.value;
  if (chosen) given.class = chosen;
  for (const cell of model.fields) {
    const text = cell.kind === "image" || cell.kind === "file" ? "" : byId(`cell-${cell.column}`).value.trim();
    if (text) given.cells[cell.column] = text;
  }
  if (!byId("draws-field").hidden && byId("draws").valueAsNumber > 1) given.n_samples = byId("draws").valueAsNumber;
  if (byId("steps").value) given.steps = byId("steps").valueAsNumber;
  if (byId("guidance").value) given.guidance_scale = byId("guidance").valueAsNumber;
  if (byId("format").value) given.format = byId("format").value;
  if (byId("sampler").value) given.sampler = byId("sampler").value;
  return given;
};

const missing = () =>
  model.fields.find((cell) => cell.required && !(uploads.has(cell.column) || byId(`cell-${cell.column}`).value?.trim()) );

export const listenToForm = (ordered) => {
  byId("other-seed").addEventListener("click", () => { byId("seed").value = crypto.getRandomValues(new Uint32Array(1))[0]; });
  byId("order").addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = byId("form-error"), lacking = missing();
    problem.hidden = true;
    try {
      if (lacking) {
        byId(`cell-${lacking.column}`).focus();
        throw new Error(`${lacking.title || names[lacking.column] || lacking.column} is needed: this model makes no image without it`);
      }
      await send("v1/jobs", order());
      ordered();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  });
};
