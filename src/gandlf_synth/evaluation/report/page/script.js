"use strict";
for (const box of document.querySelectorAll(".slices")) {
  const slider = box.querySelector("input");
  const show = () => {
    for (const stack of box.querySelectorAll(".stack")) {
      [...stack.children].forEach((image, k) => { image.hidden = k + 1 !== Number(slider.value); });
    }
    box.querySelector("output").textContent = slider.value;
  };
  slider.addEventListener("input", show);
  show();
}
