/** A field of the settings, made from its entry in the table of parameters. */

import { make, markWrong } from "./dom.js";
import { formatRange } from "./ranges.js";

/** @typedef {import("./parameters.js").Parameter} Parameter */
/** @typedef {import("./ranges.js").Range} Range */
/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Control */

const INPUT_MODES = { integer: "numeric", decimal: "decimal", text: "" };

export class Field {
  /** @type {Range | undefined} */
  #range;
  #hint = make("p", "range");
  #wrong = make("p", "wrong");

  /** @param {Parameter} parameter */
  constructor(parameter) {
    this.parameter = parameter;
    /** As the API names it. */
    this.name = parameter.sentAs ?? parameter.name;
    this.control = makeControl(parameter);
    this.#hint.id = `${parameter.name}-range`;
    this.#hint.textContent = parameter.hint ?? "";
    this.#wrong.id = `${parameter.name}-wrong`;
    const notes = parameter.hint === undefined ? [this.#wrong] : [this.#hint, this.#wrong];
    this.control.setAttribute("aria-describedby", notes.map(({ id }) => id).join(" "));
    this.element = lay(parameter, this.control, notes);
  }

  /** What is written or chosen: empty for nothing, and where it cannot be set. */
  get text() {
    const { control } = this;
    if (control.disabled || this.element.hidden) return "";
    return isCheckbox(control) && !control.checked ? "" : control.value;
  }

  /**
   * @returns {unknown} What to send.
   * @throws {RangeError} Something else was expected.
   */
  read() {
    return this.parameter.read(this.text, this.#range);
  }

  /** @param {Range} range */
  setRange(range) {
    this.#range = range;
    if (!this.control.disabled) this.#hint.textContent = formatRange(range);
    if (range.usual !== undefined) this.control.setAttribute("placeholder", String(range.usual));
  }

  /**
   * Offer it, or say why not.
   *
   * @param {string} lack Why not; empty when it can be set.
   * @param {boolean} isStreamed
   * @returns {boolean} Whether that has changed.
   */
  offer(lack, isStreamed) {
    const { hint = "", streamHint } = this.parameter;
    const usual = this.#range ? formatRange(this.#range) : hint;
    const shown = lack || (isStreamed && streamHint) || usual;
    this.control.disabled = lack !== "";
    const isChanged = shown !== this.#hint.textContent;
    this.#hint.textContent = shown;
    return isChanged;
  }

  /** @param {string} message What is wrong with it; empty for nothing. */
  mark(message) {
    markWrong(this.control, this.#wrong, message);
  }

  /** Set it as it was at first. */
  reset() {
    if (isCheckbox(this.control)) this.control.checked = this.control.defaultChecked;
    else this.control.value = "";
  }
}

/**
 * @param {Parameter} parameter
 * @returns {Control}
 */
function makeControl({ name, control, isOn = false, choices = [], rows = 0, placeholder = "" }) {
  /** @type {Control} */
  let made;
  switch (control) {
    case "checkbox":
      made = make("input", "");
      made.type = "checkbox";
      made.defaultChecked = isOn;
      break;
    case "choice":
      made = make("select", "", new Option("none", ""), ...choices.map((each) => new Option(each)));
      break;
    case "json":
      made = make("textarea", "");
      made.rows = rows;
      made.placeholder = placeholder;
      made.spellcheck = false;
      break;
    default:
      made = make("input", "");
      made.autocomplete = "off";
      made.inputMode = INPUT_MODES[control];
      made.placeholder = placeholder;
      made.spellcheck = false;
  }
  made.id = name;
  return made;
}

/**
 * @param {Parameter} parameter
 * @param {Control} made
 * @param {HTMLElement[]} notes
 */
function lay({ name, control, label: text = name }, made, notes) {
  if (control === "checkbox") {
    return make("div", "", make("label", "check", made, ` ${text}`), ...notes);
  }
  const label = make("label", "", text);
  label.htmlFor = name;
  return make("div", control === "json" ? "field wide" : "field", label, made, ...notes);
}

/**
 * @param {Control} control
 * @returns {control is HTMLInputElement}
 */
function isCheckbox(control) {
  return control.type === "checkbox";
}
