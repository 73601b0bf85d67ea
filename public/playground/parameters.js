/**
 * The settings of a request: which there are, what they may be, and what was written for them.
 * The ranges come from openapi.json; until it has come, the API alone checks.
 */

import { fields, list } from "./frames.js";

/** @typedef {{ name: string, message: string }} Problem */
/** @typedef {Record<string, unknown>} Values */

/**
 * @typedef {object} Range
 * @property {string} expected In the API's words, such as "a number from 0 to 5".
 * @property {boolean} isInteger
 * @property {number} least
 * @property {number | undefined} most
 * @property {number | undefined} usual The deployment's default.
 */

export const NUMBERS = [
  "max_tokens",
  "temperature",
  "top_p",
  "top_k",
  "seed",
  "repetition_penalty",
  "frequency_penalty",
  "presence_penalty",
];

/**
 * Read the ranges.
 *
 * @param {unknown} description Of the API, in OpenAPI.
 * @returns {Map<string, Range>} By parameter.
 */
export function readRanges(description) {
  const { schemas } = fields(fields(description).components);
  const properties = fields(fields(fields(schemas).Inputs).properties);
  /** @type {Map<string, Range>} */
  const ranges = new Map();
  for (const name of NUMBERS) {
    const kind = fields(list(fields(properties[name]).anyOf)[0]);
    if (typeof kind.minimum !== "number") continue; // an API that tells none
    ranges.set(name, {
      expected: String(kind.description ?? ""),
      isInteger: kind.type === "integer",
      least: kind.minimum,
      most: number(kind.maximum),
      usual: number(kind.default),
    });
  }
  return ranges;
}

/**
 * Word a range.
 *
 * @param {Range} range
 */
export function wordRange({ isInteger, least, most }) {
  const kind = isInteger ? "integer, " : "";
  return most === undefined ? `${kind}${least} or more` : `${kind}${least} to ${most}`;
}

/**
 * Read what was written for a number.
 *
 * @param {string} name
 * @param {string} text Not empty.
 * @param {Range | undefined} range
 * @returns {number}
 * @throws {RangeError} It does not fit; in the API's words.
 */
export function readNumber(name, text, range) {
  const value = Number(text);
  const expected = range?.expected || "a number";
  if (!Number.isFinite(value)) throw new RangeError(`${name}: expected ${expected}, got a string`);
  if (!range) return value;
  const isMisfit = range.isInteger && !Number.isSafeInteger(value);
  if (isMisfit || value < range.least) {
    throw new RangeError(`${name}: expected ${expected}, got ${text}`);
  }
  if (range.most !== undefined && value > range.most) {
    const most = name === "max_tokens" ? `at most ${range.most}, the ceiling of this deployment` : "";
    throw new RangeError(`${name}: expected ${most || expected}, got ${text}`);
  }
  return value;
}

/**
 * Read what was written as JSON.
 *
 * @param {string} name
 * @param {string} text
 * @param {"an array" | "an object"} expected
 * @returns {unknown}
 * @throws {RangeError} It is something else; in the API's words.
 */
export function readJson(name, text, expected) {
  const message = `${name}: expected ${expected}`;
  if (!text.trim()) throw new RangeError(`${message}, got nothing`);
  /** @type {unknown} */
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RangeError(`${name}: expected valid JSON: ${/** @type {Error} */ (error).message}`);
  }
  const isFit =
    expected === "an array"
      ? Array.isArray(value)
      : typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isFit) throw new RangeError(message);
  return value;
}

/** @param {unknown} value */
function number(value) {
  return typeof value === "number" ? value : undefined;
}
