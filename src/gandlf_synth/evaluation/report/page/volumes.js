"use strict";
{
  const box = document.getElementById("volume-views"), button = document.getElementById("open-volumes");
  const status = button.parentElement.querySelector("[role=status]");
  const unpacked = async (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  };
  const open = async () => {
    const volumes = JSON.parse(document.getElementById("volume-data").textContent);
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(await unpacked(document.getElementById("niivue").textContent));
    document.head.append(script);
    const views = [];
    for (const part of [...box.children]) {
      const canvas = part.querySelector("canvas"), choice = part.querySelector("select");
      canvas.parentElement.hidden = false;
      const view = new niivue.Niivue({ isColorbar: false, loadingText: "", show3Dcrosshair: true, crosshairWidth: 0.5, multiplanarLayout: 2, logLevel: "silent", isNearestInterpolation: true });
      await view.attachToCanvas(canvas);
      const load = async () => {
        for (const volume of [...view.volumes]) view.removeVolume(volume);
        await view.loadFromArrayBuffer(await unpacked(volumes[choice.value].nifti), `${choice.value}.nii`);
        canvas.ariaLabel = `volume ${volumes[choice.value].name}`;
        canvas.role = "img";
      };
      choice.addEventListener("change", load);
      await load();
      views.push(view);
    }
    views[0].broadcastTo([views[1]], { "2d": true, "3d": true });
    views[1].broadcastTo([views[0]], { "2d": true, "3d": true });
    box.dataset.open = views.map((view) => view.volumes.length).join();
  };
  if (window.WebGL2RenderingContext && window.DecompressionStream) {
    button.hidden = false;
    status.textContent = "";
    button.addEventListener("click", async () => {
      button.disabled = true;
      status.textContent = "Opening…";
      try {
        await open();
        button.hidden = true;
        status.textContent = "";
      } catch (error) {
        status.textContent = `The viewer does not run here (${error.message}); the slices on this page do without.`;
      }
    });
  }
}
