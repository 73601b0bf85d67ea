/** Words values as code, so that no text of anybody's gets out of its quotes. */

const NAME = /^[A-Za-z_$][\w$]*$/;
const LONGEST_LINE = 72;

/**
 * @typedef {object} Language
 * @property {(name: string) => string} key
 * @property {Record<"true" | "false" | "null", string>} words
 * @property {string} space What stands inside the braces of an object on one line.
 * @property {string} step What a level is indented by.
 */

/** @type {Language} */
const JAVASCRIPT = {
  key: (name) => {
    if (name === "__proto__") return '["__proto__"]'; // else it is what the object inherits from
    return NAME.test(name) ? name : quote(name);
  },
  words: { true: "true", false: "false", null: "null" },
  space: " ",
  step: "  ",
};

/** @type {Language} */
const PYTHON = {
  key: quote,
  words: { true: "True", false: "False", null: "None" },
  space: "",
  step: "    ",
};

/**
 * Word a value of JSON as JavaScript.
 *
 * @param {unknown} value
 * @param {string} [indent] Of the line on which it begins.
 */
export function javascript(value, indent = "") {
  return lay(value, indent, JAVASCRIPT);
}

/**
 * Word a value of JSON as Python.
 *
 * @param {unknown} value
 * @param {string} [indent] Of the line on which it begins.
 */
export function python(value, indent = "") {
  return lay(value, indent, PYTHON);
}

/**
 * Word a text for a POSIX shell.
 *
 * @param {string} text
 */
export function shell(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Word a text for JavaScript and Python alike, also inside a script element of a page.
 *
 * @param {string} text
 */
function quote(text) {
  return json(text).replace(/<(?=[/!]|script)/giu, "\\u003c");
}

/**
 * Word a value as JSON in which no sign moves the text around it: some turn its direction, so that
 * code would read otherwise than it runs.
 *
 * @param {unknown} value
 * @param {number} [indent]
 */
export function json(value, indent) {
  return JSON.stringify(value, null, indent).replace(
    /[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * @param {unknown} value
 * @param {string} indent
 * @param {Language} language
 * @returns {string}
 */
function lay(value, indent, language) {
  if (typeof value === "string") return quote(value);
  if (typeof value === "number" && Number.isFinite(value)) return JSON.stringify(value);
  if (typeof value !== "object" || value === null) {
    return language.words[value === true ? "true" : value === false ? "false" : "null"];
  }
  const deeper = indent + language.step;
  const isList = Array.isArray(value);
  const parts = isList
    ? value.map((item) => lay(item, deeper, language))
    : Object.entries(value).map(
        ([name, item]) => `${language.key(name)}: ${lay(item, deeper, language)}`,
      );
  const [opening, closing] = isList ? "[]" : "{}";
  if (!parts.length) return `${opening}${closing}`;
  const space = isList ? "" : language.space;
  const line = `${opening}${space}${parts.join(", ")}${space}${closing}`;
  if (line.length <= LONGEST_LINE && !line.includes("\n")) return line;
  return `${opening}\n${parts.map((part) => `${deeper}${part},\n`).join("")}${indent}${closing}`;
}
