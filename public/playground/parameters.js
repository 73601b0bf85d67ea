/**
 * The parameters of a request, apart from the prompt and the model. A new one is one entry in the
 * table: the page makes its field from the entry, and offers, reads, sends and resets it.
 */

import { readJson, readNumber, readToolChoice } from "./readers.js";

/** @typedef {import("./catalogue.js").Model} Model */
/** @typedef {import("./ranges.js").Range} Range */
/** @typedef {import("./body.js").Kind} Kind */
/** @typedef {Record<string, unknown>} Values By parameter, as they are sent. */

/**
 * @typedef {object} Parameter
 * @property {string} name Also the id of its field.
 * @property {string} [label] Shown in place of the name.
 * @property {string} [sentAs] The API's name for it, if that is another.
 * @property {"answer" | "format"} section Of the settings.
 * @property {"checkbox" | "integer" | "decimal" | "text" | "choice" | "json"} control
 * @property {boolean} [isOn] Whether a checkbox is on at first.
 * @property {string[]} [choices]
 * @property {number} [rows] Of JSON.
 * @property {string} [placeholder]
 * @property {string} [hint] Empty where there is one at times, such as the range of a number.
 * @property {string} [streamHint] In place of it while Stream is on.
 * @property {Kind[]} [kinds] The kinds of prompts that it is for; without them, all.
 * @property {string} [capability] What the model has to be capable of.
 * @property {{ name: string, choice: string }} [neededFor] Another parameter's choice: the field is
 *   hidden without it, and must be filled in with it.
 * @property {string} [sentWith] A parameter without which this one is not sent.
 * @property {(text: string, range: Range | undefined) => unknown} read Makes the value to send from
 *   what was written, or throws a RangeError. A checkbox that is on has the text "on".
 */

const SCHEMA = '{\n  "type": "object",\n  "properties": {\n    "answer": { "type": "string" }\n  }\n}';
const TOOL = `[{ "name": "weather", "description": "Tells the weather",
  "parameters": { "type": "object", "properties": { "city": { "type": "string" } } } }]`;

/** @type {Parameter[]} Each section of the settings has its own in this order. */
export const PARAMETERS = [
  {
    name: "stream",
    label: "Stream",
    section: "answer",
    control: "checkbox",
    isOn: true,
    read: () => true,
  },
  number("max_tokens", "integer", { ceiling: "the ceiling of this deployment" }),
  number("temperature", "decimal", { placeholder: "0.6" }),
  number("top_p", "decimal"),
  number("top_k", "integer"),
  number("seed", "integer"),
  number("repetition_penalty", "decimal"),
  number("frequency_penalty", "decimal"),
  number("presence_penalty", "decimal"),
  {
    name: "lora",
    section: "answer",
    control: "text",
    placeholder: "none",
    hint: "an adapter's name or id",
    capability: "lora",
    read: (text) => text,
  },
  {
    name: "response_format",
    section: "format",
    control: "choice",
    choices: ["json_object", "json_schema"],
    hint: "",
    streamHint: "of whole answers only: take Stream off",
    capability: "json_mode",
    read: (type) => ({ type }),
  },
  {
    name: "json_schema",
    label: "JSON schema",
    sentAs: "response_format",
    section: "format",
    control: "json",
    rows: 6,
    placeholder: SCHEMA,
    neededFor: { name: "response_format", choice: "json_schema" },
    read: (text) => ({
      type: "json_schema",
      json_schema: readJson("response_format.json_schema", text, "an object"),
    }),
  },
  {
    name: "tools",
    section: "format",
    control: "json",
    rows: 3,
    placeholder: TOOL,
    hint: "a JSON array",
    kinds: ["chat"],
    capability: "tools",
    read: (text) => readJson("tools", text, "an array"),
  },
  {
    name: "tool_choice",
    section: "format",
    control: "text",
    placeholder: "auto",
    hint: "auto, none, required, or a tool's name",
    kinds: ["chat"],
    capability: "tools",
    sentWith: "tools",
    read: readToolChoice,
  },
  {
    name: "rejectIfBusy",
    sentAs: "options",
    section: "answer",
    control: "checkbox",
    hint: "Rather be refused than wait for capacity.",
    read: () => ({ rejectIfBusy: true }),
  },
];

/** How the page names a kind of prompt that a parameter is for. */
const KINDS = { chat: "a chat", prompt: "a prompt", raw: "a raw prompt" };

/**
 * Say why a parameter cannot be set.
 *
 * @param {Parameter} parameter
 * @param {Model | undefined} model
 * @param {Kind} kind
 * @returns {string} Empty when it can.
 */
export function explainLack({ kinds, capability }, model, kind) {
  if (kinds && !kinds.includes(kind)) {
    return `in ${kinds.map((each) => KINDS[each]).join(" or ")} only`;
  }
  if (capability && model && !model.capabilities.includes(capability)) {
    return `not with this model: no ${capability}`;
  }
  return "";
}

/**
 * Make the entry of a number.
 *
 * @param {string} name
 * @param {"integer" | "decimal"} control
 * @param {{ placeholder?: string, ceiling?: string }} [more] The ceiling is what `readNumber` has.
 * @returns {Parameter}
 */
function number(name, control, { placeholder = "model's own", ceiling } = {}) {
  return {
    name,
    section: "answer",
    control,
    placeholder,
    hint: "",
    read: (text, range) => readNumber(name, text, range, ceiling),
  };
}
