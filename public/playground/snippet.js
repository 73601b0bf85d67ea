/** The code for a request, as the page shows it. */

import { LANGUAGES } from "./code.js";
import { makeCopyButton } from "./copy.js";
import { find, make } from "./dom.js";
import { Tabs } from "./tabs.js";

/** @typedef {import("./body.js").Body} Body */
/** @typedef {import("./code.js").File} File */

/**
 * @typedef {object} Shown
 * @property {Body} body
 * @property {string} note About the request; empty for nothing.
 * @property {string} upstream The id of Workers AI that serves the model.
 * @property {boolean} hasKey Whether a key is sent.
 */

export class Snippet {
  #panel = find("code", HTMLElement);
  #element = find("snippet", HTMLElement);
  #languages = new Tabs(find("languages", HTMLElement), () => this.update());
  #isDue = false;

  /** @param {() => Shown} read Called when the code is drawn. */
  constructor(read) {
    this.read = read;
  }

  /** Draw it anew with the next frame, where it can be seen. */
  update() {
    if (this.#isDue || this.#panel.hidden) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw();
    });
  }

  #draw() {
    const tab = this.#languages.chosen;
    const language = LANGUAGES[tab?.dataset.language ?? ""];
    if (!tab || !language) return;
    const { note, ...request } = this.read();
    const code = language({
      ...request,
      url: new URL("run", document.baseURI).href,
      root: new URL(".", document.baseURI).href.replace(/\/$/u, ""),
    });
    this.#element.setAttribute("aria-labelledby", tab.id);
    const notes = [note, code.note].filter(Boolean).map((text) => make("p", "note", text));
    this.#element.replaceChildren(...notes, ...code.files.map(makeFile));
  }
}

/** @param {File} file */
function makeFile({ name, text }) {
  const pre = make("pre", "", text);
  pre.tabIndex = 0;
  pre.setAttribute("role", "region");
  pre.setAttribute("aria-label", `${name}, code`);
  const copyButton = makeCopyButton(() => text);
  return make("div", "file", make("div", "line", make("h4", "", name), copyButton), pre);
}
