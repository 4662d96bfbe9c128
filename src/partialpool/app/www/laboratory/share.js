// Share what is shown: address, code, command, a frame for one's own page, the picture as a file.

import { escape } from "../picture.js";
import { html } from "./dom.js";

/** Properties that make a picture look in a file as it does on the page. */
const STYLE = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity",
  "font-family", "font-size", "font-weight", "text-anchor", "paint-order"];
/** Pixels of a PNG for each of the page's, sharp in print. */
const SHARP = 2;

/** A folded box at the end of a view. update({state, python, command, pictures, name}). */
export function shareBox(host, address) {
  const box = html('<details class="side"><summary>Share, save, or compute it yourself</summary><div></div></details>');
  host.append(box);
  let now = null;
  const fill = () => {
    if (!now || !box.open) return;
    const link = linkOf(address);
    const rows = link ? [["Address", link], ["A frame for your page", frameOf(link)]] : [];
    if (now.python) rows.push(["Python", now.python]);
    if (now.command) rows.push(["Command", now.command]);
    box.lastElementChild.innerHTML = '<div class="row files"></div>' + rows.map(([name, text]) =>
      `<div class="snippet"><div class="row"><b>${name}</b><button type="button" class="button">Copy</button></div>` +
      `<pre tabindex="0">${escape(text)}</pre></div>`).join("");
    const files = box.querySelector(".files");
    for (const kind of ["SVG", "PNG"]) {
      const save = html(`<button type="button" class="button">Picture as ${kind}</button>`);
      save.addEventListener("click", () => savePicture(kind, now, link ?? now.command ?? ""));
      files.append(save);
    }
    const print = html('<button type="button" class="button">Print</button>');
    print.addEventListener("click", () => window.print());
    files.append(print);
    box.querySelectorAll(".snippet").forEach((snippet, i) => {
      snippet.querySelector("button").addEventListener("click", (event) => copy(event.target, rows[i][1], snippet));
    });
  };
  box.addEventListener("toggle", fill);
  return {
    update(next) {
      now = next;
      fill();
    },
  };
}

/** The address of what is shown; a page inside a notebook has none. */
function linkOf(address) {
  return location.href.startsWith("about:") ? null : new URL(address.link({}), location.href).href;
}

function frameOf(link) {
  const frame = new URL(link);
  frame.searchParams.set("part", "laboratory");
  frame.searchParams.set("embed", "1");
  return `<iframe src="${frame.href}" width="100%" height="900" style="border:0" title="Partial pooling"></iframe>`;
}

async function copy(element, text, snippet) {
  try {
    await navigator.clipboard.writeText(text);
    element.textContent = "Copied";
  } catch {
    // without leave to write to the clipboard the text is selected, ready to be copied by hand
    getSelection().selectAllChildren(snippet.querySelector("pre"));
    element.textContent = "Selected";
  }
}

/** The main picture as SVG text that needs no style sheet, with title, source and date. */
export function pictureSvg(picture, source) {
  const { svg } = picture;
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const clone = svg.cloneNode(true);
  const drawn = svg.querySelectorAll("*");
  clone.querySelectorAll("*").forEach((element, i) => {
    const style = getComputedStyle(drawn[i]);
    element.setAttribute("style", STYLE.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
    element.removeAttribute("class");
  });
  const root = getComputedStyle(document.documentElement);
  const [paper, ink] = ["--paper", "--ink"].map((name) => root.getPropertyValue(name).trim());
  const font = getComputedStyle(svg).fontFamily.replaceAll('"', "'");
  const title = svg.closest(".picture")?.querySelector(".picture-title")?.textContent ?? "";
  const top = title ? 34 : 8;
  const total = height + top + 30;
  const line = (y, size, weight, text) =>
    `<text x="6" y="${y}" font-family="${font}" font-size="${size}" font-weight="${weight}" fill="${ink}">${escape(text)}</text>`;
  const day = new Date().toISOString().slice(0, 10);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${total}" width="${width}" height="${total}">` +
    `<rect width="100%" height="100%" fill="${paper}"/>${title ? line(22, 16, 650, title) : ""}` +
    `<g transform="translate(0 ${top})" font-family="${font}">${clone.innerHTML}</g>` +
    `${line(total - 10, 11, 400, `${source}, ${day}`)}</svg>`;
}

async function savePicture(kind, { pictures, name }, link) {
  const text = pictureSvg(pictures.estimates, `Partial pooling, ${link}`);
  let blob = new Blob([text], { type: "image/svg+xml" });
  if (kind === "PNG") blob = await toPng(text);
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = `${name}.${kind.toLowerCase()}`;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
}

/** The same picture as pixels. */
export async function toPng(text) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width * SHARP, image.height * SHARP];
  const pen = canvas.getContext("2d");
  pen.scale(SHARP, SHARP);
  pen.drawImage(image, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
