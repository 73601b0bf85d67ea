/** The form of the settings: reads it, marks what is wrong in it, and says what may be in it. */

import { find, markWrong } from "./dom.js";
import { Field } from "./field.js";
import { explainLack, PARAMETERS } from "./parameters.js";

/** @typedef {import("./catalogue.js").Model} Model */
/** @typedef {import("./parameters.js").Values} Values */
/** @typedef {import("./ranges.js").Range} Range */
/** @typedef {import("./body.js").Kind} Kind */

/** @typedef {{ name: string, message: string }} Problem By the name that the API has for the field. */

// The ids of what is set outside this form, by the names that the API has for it.
const OTHERS = new Map([
  ["key", "key"],
  ["messages", "message"],
  ["model", "model"],
  ["prompt", "message"],
  ["raw", "raw"],
]);

export class Settings {
  #fields = PARAMETERS.map((parameter) => new Field(parameter));
  /** @type {Model | undefined} */
  #model;
  /** @type {Kind} */
  #kind = "chat";

  constructor() {
    for (const { parameter, name, control, element } of this.#fields) {
      find(`${parameter.section}-fields`, HTMLElement).append(element);
      // What was said about it was about the value before.
      control.addEventListener("input", () => this.mark(name, ""));
      // What can be set may depend on it.
      control.addEventListener("change", () => this.#offer());
    }
  }

  /** @param {Map<string, Range>} ranges */
  setRanges(ranges) {
    for (const field of this.#fields) {
      const range = ranges.get(field.name);
      if (range) field.setRange(range);
    }
  }

  /**
   * Offer what the model and the kind of prompt can have, and say why not the rest.
   *
   * @param {Model | undefined} model
   * @param {Kind} kind
   */
  offer(model, kind) {
    this.#model = model;
    this.#kind = kind;
    this.#offer();
  }

  /**
   * Read what is set. What is empty or not offered is not there.
   *
   * @returns {{ values: Values, problems: Problem[] }}
   */
  read() {
    /** @type {Values} */
    const values = {};
    /** @type {Problem[]} */
    const problems = [];
    for (const field of this.#fields.filter((each) => this.#isSent(each))) {
      try {
        values[field.name] = field.read();
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        delete values[field.name];
        problems.push({ name: field.name, message: error.message });
      }
    }
    return { values, problems };
  }

  /** As it was at first. */
  reset() {
    for (const field of this.#fields) field.reset();
    this.unmark();
    this.#offer();
  }

  /**
   * Say what is wrong with a field.
   *
   * @param {string} name As the API names it.
   * @param {string} message Empty for nothing.
   */
  mark(name, message) {
    const marked = this.#fieldOf(name);
    for (const field of this.#fields) {
      if (field.name === name) field.mark(field === marked ? message : "");
    }
    const other = OTHERS.get(name);
    const shown = document.getElementById(`${name}-wrong`);
    if (other && shown) markWrong(find(other, HTMLElement), shown, message);
  }

  unmark() {
    for (const { name } of this.#fields) this.mark(name, "");
    for (const name of OTHERS.keys()) this.mark(name, "");
  }

  /**
   * Find the field that the API names so.
   *
   * @param {string} name
   * @returns {HTMLElement | null}
   */
  controlOf(name) {
    const other = OTHERS.get(name);
    return other ? find(other, HTMLElement) : (this.#fieldOf(name)?.control ?? null);
  }

  #offer() {
    const isStreamed = this.#text("stream") !== "";
    for (const field of this.#fields) {
      const lack = explainLack(field.parameter, this.#model, this.#kind);
      // What was said about it was about what could be set before.
      if (field.offer(lack, isStreamed)) this.mark(field.name, "");
    }
    for (const { parameter: { neededFor }, element } of this.#fields) {
      element.hidden = !!neededFor && this.#text(neededFor.name) !== neededFor.choice;
    }
  }

  /** @param {Field} field */
  #isSent({ parameter: { neededFor, sentWith }, element, text }) {
    if (neededFor) return !element.hidden;
    return text.trim() !== "" && (!sentWith || this.#text(sentWith).trim() !== "");
  }

  /**
   * @param {string} name The page's.
   * @returns {string} What is written in a field.
   */
  #text(name) {
    return this.#fields.find(({ parameter }) => parameter.name === name)?.text ?? "";
  }

  /**
   * Find a field. Of two that are sent as one, the second says more where it is shown.
   *
   * @param {string} name The API's.
   */
  #fieldOf(name) {
    return this.#fields.findLast((field) => field.name === name && !field.element.hidden);
  }
}
