// The slices of volumes in three directions, drawn from pictures that hold all slices of a plane; needs no WebGL.
import { make } from "./server.js";

const height = 320;

const picture = (address) => new Promise((resolve, reject) => {
  const image = new Image();
  image.onload = () => resolve(image);
  image.onerror = () => reject(new Error("a picture cannot be shown"));
  image.src = address;
});

const draw = async (screen, share) => {
  screen.share = share;
  screen.image ??= picture(screen.address);
  const image = await screen.image, { canvas } = screen;
  const { width, height: rows, columns, count, aspect } = screen.plane;
  const slice = Math.min(count - 1, Math.round(screen.share * (count - 1)));
  canvas.height = height;
  canvas.width = Math.max(1, Math.round(height * aspect));
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(image, (slice % columns) * width, Math.floor(slice / columns) * rows, width, rows, 0, 0, canvas.width, canvas.height);
  canvas.setAttribute("aria-label", `${screen.title || "synthetic"}, ${screen.name} slice ${slice + 1} of ${count}`);
};

// Returns a box with three planes of each volume; one slider moves the same plane of all of them.
// volumes: [{title, planes}], addressOf: picture name → address.
export const planesOf = (volumes, addressOf) => {
  const box = make("div", { className: "planes" });
  for (const plane of ["axial", "coronal", "sagittal"]) {
    const screens = volumes.map((volume) => {
      const canvas = make("canvas");
      canvas.setAttribute("role", "img");
      return { canvas, name: plane, plane: volume.planes[plane], address: addressOf(volume.planes[plane].file), title: volume.title };
    });
    const most = Math.max(...screens.map((screen) => screen.plane.count));
    const slider = make("input", { type: "range", min: 0, max: most - 1, value: Math.floor(most / 2) });
    const output = make("output", { textContent: `${Math.floor(most / 2) + 1}` });
    const show = () => {
      output.textContent = `${slider.valueAsNumber + 1}`;
      for (const screen of screens) draw(screen, most > 1 ? slider.valueAsNumber / (most - 1) : 0);
    };
    slider.addEventListener("input", show);
    const figures = screens.map((screen) => make("figure", {}, make("div", { className: "screen" }, screen.canvas), make("figcaption", { textContent: volumes.length > 1 ? screen.title : "" })));
    box.append(make("div", {}, ...figures, make("label", {}, `${plane} `, output, ` of ${most}`, slider)));
    show();
  }
  return box;
};
