/** The form of the settings: reads it, marks what is wrong in it, and says what may be in it. */

import { find } from "./dom.js";
import { NUMBERS, readJson, readNumber, wordRange } from "./parameters.js";

/** @typedef {import("./catalogue.js").Model} Model */
/** @typedef {import("./parameters.js").Problem} Problem */
/** @typedef {import("./parameters.js").Range} Range */
/** @typedef {import("./parameters.js").Values} Values */
/** @typedef {import("./request.js").Kind} Kind */

/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Control */

const TEXTS = [...NUMBERS, "lora", "response_format", "json_schema", "tools", "tool_choice"];
const SCHEMA = '{\n  "type": "object",\n  "properties": {\n    "answer": { "type": "string" }\n  }\n}';
const TOOL = `[{ "name": "weather", "description": "Tells the weather",
  "parameters": { "type": "object", "properties": { "city": { "type": "string" } } } }]`;

export class Settings {
  /** @type {Map<string, Range>} */
  #ranges = new Map();
  #stream = find("stream", HTMLInputElement);
  #rejectIfBusy = find("rejectIfBusy", HTMLInputElement);
  #format = find("response_format", HTMLSelectElement);
  #schema = find("json_schema", HTMLTextAreaElement);
  #tools = find("tools", HTMLTextAreaElement);
  #toolChoice = find("tool_choice", HTMLInputElement);

  constructor() {
    this.#schema.placeholder = SCHEMA;
    this.#tools.placeholder = TOOL;
    this.#format.addEventListener("change", () => this.#showSchema());
    for (const name of TEXTS) {
      // What was said about it was about the value before.
      control(name).addEventListener("input", () => this.mark(name, ""));
    }
    this.#rejectIfBusy.addEventListener("change", () => this.mark("options", ""));
  }

  /** @param {Map<string, Range>} ranges */
  setRanges(ranges) {
    this.#ranges = ranges;
    for (const [name, range] of ranges) {
      find(`${name}-range`, HTMLElement).textContent = wordRange(range);
      const input = find(name, HTMLInputElement);
      if (range.usual !== undefined) input.placeholder = String(range.usual);
    }
  }

  /**
   * Offer what the model and the kind of prompt can have, and say why not the rest.
   *
   * @param {Model | undefined} model
   * @param {Kind} kind
   */
  offer(model, kind) {
    const lacks = (/** @type {string} */ capability) =>
      model && !model.capabilities.includes(capability) ? `not with this model: no ${capability}` : "";
    this.#allow("lora", lacks("lora"), "an adapter's name or id");
    const noStream = this.#stream.checked ? "of whole answers only: take Stream off" : "";
    this.#allow("response_format", lacks("json_mode"), noStream);
    const noTools = kind === "chat" ? lacks("tools") : "in a chat only";
    this.#allow("tools", noTools, "a JSON array");
    this.#allow("tool_choice", noTools, "auto, none, required, or a tool's name");
    this.#showSchema();
  }

  /**
   * Read what is set. What is empty or not offered is not there.
   *
   * @returns {{ values: Values, problems: Problem[] }}
   */
  read() {
    /** @type {Values} */
    const values = this.#stream.checked ? { stream: true } : {};
    /** @type {Problem[]} */
    const problems = [];
    /** @param {string} name @param {() => unknown} read */
    const take = (name, read) => {
      try {
        values[name] = read();
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        problems.push({ name, message: error.message });
      }
    };
    for (const name of NUMBERS) {
      const text = control(name).value.trim();
      if (text) take(name, () => readNumber(name, text, this.#ranges.get(name)));
    }
    const lora = find("lora", HTMLInputElement);
    if (lora.value && !lora.disabled) values.lora = lora.value;
    if (this.#wantsSchema) {
      take("response_format", () => ({
        type: "json_schema",
        json_schema: readJson("response_format.json_schema", this.#schema.value, "an object"),
      }));
    } else if (this.#format.value && !this.#format.disabled) {
      values.response_format = { type: this.#format.value };
    }
    if (this.#tools.value.trim() && !this.#tools.disabled) {
      take("tools", () => readJson("tools", this.#tools.value, "an array"));
      const choice = this.#toolChoice.value.trim();
      if (choice) values.tool_choice = wordChoice(choice);
    }
    if (this.#rejectIfBusy.checked) values.options = { rejectIfBusy: true };
    return { values, problems };
  }

  /** As it was at first. */
  reset() {
    for (const name of TEXTS) control(name).value = "";
    this.#stream.checked = true;
    this.#rejectIfBusy.checked = false;
    this.unmark();
    this.#showSchema();
  }

  /**
   * Say what is wrong with a field.
   *
   * @param {string} name As the API names it.
   * @param {string} message Empty for nothing.
   */
  mark(name, message) {
    const shown = document.getElementById(`${name}-wrong`);
    if (!shown) return;
    shown.textContent = message;
    const marked = this.controlOf(name);
    if (message) marked?.setAttribute("aria-invalid", "true");
    else marked?.removeAttribute("aria-invalid");
  }

  unmark() {
    for (const shown of document.querySelectorAll(".wrong")) {
      this.mark(shown.id.replace(/-wrong$/u, ""), "");
    }
  }

  /**
   * Find the field that the API names so.
   *
   * @param {string} name
   * @returns {HTMLElement | null}
   */
  controlOf(name) {
    if (name === "response_format" && this.#wantsSchema) return this.#schema;
    return document.getElementById(FIELDS.get(name) ?? name);
  }

  get #wantsSchema() {
    return this.#format.value === "json_schema" && !this.#format.disabled;
  }

  #showSchema() {
    find("schema-part", HTMLElement).hidden = !this.#wantsSchema;
    this.mark("response_format", "");
  }

  /**
   * @param {string} name
   * @param {string} reason Why it is not; empty when it is.
   * @param {string} otherwise What is said about it then.
   */
  #allow(name, reason, otherwise) {
    control(name).disabled = reason !== "";
    find(`${name}-range`, HTMLElement).textContent = reason || otherwise;
  }
}

/** @param {string} choice As it was written. */
function wordChoice(choice) {
  if (["auto", "none", "required"].includes(choice)) return choice;
  return { type: "function", function: { name: choice } };
}

// Where what the API names is found, where that has another name.
const FIELDS = new Map([
  ["options", "rejectIfBusy"],
  ["messages", "message"],
  ["prompt", "message"],
]);

/**
 * @param {string} name
 * @returns {Control}
 */
function control(name) {
  return /** @type {Control} */ (find(name, HTMLElement));
}
