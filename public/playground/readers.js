/** Reads what was written into a field, or says what is wrong with it as the API would. */

/** @typedef {import("./ranges.js").Range} Range */

/**
 * Read a number.
 *
 * @param {string} name
 * @param {string} written Not empty.
 * @param {Range | undefined} range
 * @param {string} [ceiling] What sets the highest value, where the range does not tell.
 * @returns {number}
 * @throws {RangeError} It is not a number, or is out of range.
 */
export function readNumber(name, written, range, ceiling = "") {
  const text = written.trim();
  const value = Number(text);
  const expected = range?.expected || "a number";
  if (!Number.isFinite(value)) throw new RangeError(`${name}: expected ${expected}, got a string`);
  if (!range) return value;
  const isMisfit = range.isInteger && !Number.isSafeInteger(value);
  if (isMisfit || value < range.least) {
    throw new RangeError(`${name}: expected ${expected}, got ${text}`);
  }
  if (range.most !== undefined && value > range.most) {
    const most = ceiling && `at most ${range.most}, ${ceiling}`;
    throw new RangeError(`${name}: expected ${most || expected}, got ${text}`);
  }
  return value;
}

/**
 * Read JSON.
 *
 * @param {string} name
 * @param {string} text
 * @param {"an array" | "an object"} expected
 * @returns {unknown}
 * @throws {RangeError} It is something else.
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

/**
 * Read the choice of a tool: one of OpenAI's words, or a tool's name.
 *
 * @param {string} written
 */
export function readToolChoice(written) {
  const choice = written.trim();
  if (["auto", "none", "required"].includes(choice)) return choice;
  return { type: "function", function: { name: choice } };
}
