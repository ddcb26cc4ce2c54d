// Talks to the program that serves this page; every address is relative to the secret one of the page.
export const ask = async (path, options = {}) => {
  const response = await fetch(path, options);
  const content = await response.json().catch(() => ({ error: response.statusText }));
  if (!response.ok) throw new Error(content.error || response.statusText);
  return content;
};

export const send = (path, content) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });

// Uploads files that belong together, such as the slices of a series, and returns what they are known by.
export const upload = async (files, told) => {
  let id = "";
  for (const [place, file] of [...files].entries()) {
    told(`uploading ${place + 1} of ${files.length}`);
    const query = new URLSearchParams({ name: file.name, ...(id && { to: id }) });
    const headers = { "Content-Type": "application/octet-stream" };
    ({ id } = await ask(`v1/uploads?${query}`, { method: "POST", headers, body: file }));
  }
  return id;
};

export const make = (name, facts = {}, ...children) => {
  const element = Object.assign(document.createElement(name), facts);
  element.append(...children);
  return element;
};

export const byId = (id) => document.getElementById(id);
