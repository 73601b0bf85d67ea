/**
 * What one frame of a stream says, or a whole answer, in every flavour that models send:
 * Workers AI's `response`, OpenAI's `choices`, or both at once.
 */

/** @typedef {Record<string, unknown>} Fields */

/**
 * @typedef {object} CallPiece A tool call, or a piece of one.
 * @property {number | null} index Which call it belongs to; null: one of its own.
 * @property {string} id
 * @property {string} name
 * @property {string} args JSON, or a piece of it.
 */

/**
 * @typedef {object} Usage Tokens, as they were counted.
 * @property {number | null} prompt
 * @property {number | null} completion
 * @property {number | null} total
 */

/**
 * @typedef {object} Piece
 * @property {string} text
 * @property {string} reasoning
 * @property {CallPiece[]} calls
 * @property {Usage | null} usage
 * @property {string} reason Why the answer ended; empty while nothing says so.
 * @property {string} failure What failed; empty when nothing did.
 */

/**
 * Read the data of an event.
 *
 * @param {string} data
 * @returns {Piece | null} null when it is not a frame, such as what keeps a connection alive.
 */
export function readFrame(data) {
  if (!data.startsWith("{")) return null;
  try {
    return readAnswer(JSON.parse(data));
  } catch {
    return { ...NOTHING, failure: "a part of it cannot be read" };
  }
}

/** @type {Piece} */
const NOTHING = { text: "", reasoning: "", calls: [], usage: null, reason: "", failure: "" };

/**
 * Read a frame, or an answer that is not a stream.
 *
 * @param {unknown} document
 * @returns {Piece}
 */
export function readAnswer(document) {
  const answer = fields(document);
  const choice = fields(list(answer.choices)[0]);
  const said = fields(choice.message ?? choice.delta);
  // Whoever sends both sends the same text twice.
  const text = word(answer.response) || word(said.content) || word(choice.text);
  const own = list(answer.tool_calls);
  const calls = own.length ? own : list(said.tool_calls);
  return {
    text,
    reasoning: word(answer.reasoning) || word(said.reasoning_content) || word(said.reasoning),
    calls: calls.map(readCall),
    usage: readUsage(answer.usage),
    reason: word(choice.finish_reason) || word(answer.finish_reason),
    failure: readFailure(answer, choice),
  };
}

/**
 * @param {unknown} call
 * @returns {CallPiece}
 */
function readCall(call) {
  const { index, id, function: called, ...flat } = fields(call);
  const { name, arguments: args } = called ? fields(called) : flat;
  return {
    index: typeof index === "number" ? index : null,
    id: word(id),
    name: word(name),
    args: word(args),
  };
}

/**
 * @param {unknown} usage
 * @returns {Usage | null}
 */
function readUsage(usage) {
  if (typeof usage !== "object" || usage === null) return null;
  const counted = fields(usage);
  return {
    prompt: count(counted.prompt_tokens),
    completion: count(counted.completion_tokens),
    total: count(counted.total_tokens),
  };
}

/**
 * Find what failed, by the signs of the errors of Workers AI, of its REST API, and of the servers
 * that models run in.
 *
 * @param {Fields} answer
 * @param {Fields} choice
 */
function readFailure(answer, choice) {
  const { error, errors, internalCode, httpCode, success, object, message } = answer;
  const listed = [error, errors, internalCode, httpCode].filter(isSomething);
  const failed = success === false || object === "error" || choice.finish_reason === "error";
  const isEmpty = !("response" in answer || "choices" in answer || "tool_calls" in answer);
  if (!listed.length && !failed && !(isEmpty && isSomething(message))) return "";
  const first = list(errors)[0] ?? error;
  const told = word(message) || word(fields(first).message);
  return told || word(listed[0]) || "it says no more";
}

/** @param {unknown} value */
function isSomething(value) {
  return value !== undefined && value !== null && !(Array.isArray(value) && !value.length);
}

/**
 * @param {unknown} value
 * @returns {Fields}
 */
export function fields(value) {
  return typeof value === "object" && value !== null ? /** @type {Fields} */ (value) : {};
}

/**
 * @param {unknown} value
 * @returns {unknown[]}
 */
export function list(value) {
  return Array.isArray(value) ? value : [];
}

/**
 * Turn a value into text: text as it is, anything else as JSON.
 *
 * @param {unknown} value
 * @returns {string}
 */
function word(value) {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** @param {unknown} value */
function count(value) {
  return typeof value === "number" ? value : null;
}
