/** The turns of a conversation, as the page shows them. */

import { announce, find } from "./dom.js";
import { TurnView } from "./turn.js";

/** @typedef {import("./body.js").Kind} Kind */
/** @typedef {import("./turns.js").Turn} Turn */

const EMPTY = {
  chat: "A chat. The system prompt and every turn go along with each message.",
  prompt: "A prompt on its own. Workers AI puts it into a chat; nothing said before goes along.",
  raw: "A raw prompt goes to the model as it is, so it carries the model's own template.",
};

export class Transcript {
  #element = find("turns", HTMLElement);
  #empty = find("empty", HTMLElement);
  /** @type {WeakMap<Turn, TurnView>} Kept, so that a turn that is brought back is what it was. */
  #views = new WeakMap();

  /** @param {import("./turn.js").Actions} actions */
  constructor(actions) {
    this.actions = actions;
  }

  /**
   * @param {Turn} turn
   * @returns {TurnView}
   */
  viewOf(turn) {
    const view = this.#views.get(turn) ?? new TurnView(turn, this.actions);
    this.#views.set(turn, view);
    return view;
  }

  /**
   * @param {readonly Turn[]} turns
   * @param {Kind} kind
   */
  show(turns, kind) {
    const elements = turns.map((turn) => this.viewOf(turn).element);
    const { children } = this.#element;
    // What stays in its place is left there: to move it would lose the focus and the selection.
    for (const child of [...children]) {
      if (!elements.some((element) => element === child)) child.remove();
    }
    elements.forEach((element, at) => {
      if (children[at] !== element) this.#element.insertBefore(element, children[at] ?? null);
    });
    this.#empty.textContent = turns.length ? "" : EMPTY[kind];
  }

  /** @param {boolean} isRunning Whether a turn is being answered: what would disturb that is hidden. */
  showRunning(isRunning) {
    this.#element.classList.toggle("running", isRunning);
  }

  /** Lead to the turn that is being edited. */
  leadToEdit() {
    const box = this.#element.querySelector(".editing");
    if (!(box instanceof HTMLElement)) return false;
    box.focus();
    announce("Save or cancel what you edit first");
    return true;
  }
}
