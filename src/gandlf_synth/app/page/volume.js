// The volume itself in NiiVue, which is loaded when somebody wants it; needs WebGL 2.
import { make } from "./server.js";

let loading = null;
const load = () => {
  loading ??= new Promise((resolve, reject) => {
    const script = make("script", { src: "page/niivue.js" });
    script.onload = () => resolve(window.niivue);
    script.onerror = () => reject(new Error("the viewer could not be loaded"));
    document.head.append(script);
  });
  return loading;
};

export const canShowVolumes = () => Boolean(window.WebGL2RenderingContext);

const viewIn = async (box) => {
  const { Niivue } = await load();
  const canvas = make("canvas");
  canvas.setAttribute("role", "img");
  box.replaceChildren(canvas);
  const view = new Niivue({ isColorbar: false, loadingText: "", show3Dcrosshair: true, crosshairWidth: 0.5, multiplanarLayout: 2, logLevel: "silent", isNearestInterpolation: true });
  await view.attachToCanvas(canvas);
  return view;
};

const views = new WeakMap(); // by box: its viewer, because a browser allows few

export const showVolume = async (box, address, title) => {
  if (!views.has(box)) views.set(box, await viewIn(box));
  const view = views.get(box);
  const content = await (await fetch(address)).arrayBuffer();
  for (const volume of [...view.volumes]) view.removeVolume(volume);
  await view.loadFromArrayBuffer(content, "volume.nii.gz");
  box.firstChild.ariaLabel = `${title}: drag to turn, the wheel goes through slices`;
  box.dataset.volumes = view.volumes.length;
};
