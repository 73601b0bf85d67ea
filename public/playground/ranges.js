/** The ranges of numbers, as openapi.json has them; until it is here, the API alone checks. */

import { fields, list } from "./frames.js";

/**
 * @typedef {object} Range
 * @property {string} expected In the API's words, such as "a number from 0 to 5".
 * @property {boolean} isInteger
 * @property {number} least
 * @property {number | undefined} most
 * @property {number | undefined} usual The deployment's default.
 */

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
  for (const [name, property] of Object.entries(properties)) {
    const type = fields(list(fields(property).anyOf)[0]);
    if (typeof type.minimum !== "number") continue;
    ranges.set(name, {
      expected: String(type.description ?? ""),
      isInteger: type.type === "integer",
      least: type.minimum,
      most: number(type.maximum),
      usual: number(type.default),
    });
  }
  return ranges;
}

/**
 * Format a range.
 *
 * @param {Range} range
 */
export function formatRange({ isInteger, least, most }) {
  const type = isInteger ? "integer, " : "";
  return most === undefined ? `${type}${least} or more` : `${type}${least} to ${most}`;
}

/** @param {unknown} value */
function number(value) {
  return typeof value === "number" ? value : undefined;
}
