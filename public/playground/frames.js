/**
 * What one frame of a stream says, or a whole answer, in every flavour that models send:
 * Workers AI's `response`, OpenAI's `choices`, or both at once, and the `output` or the events of
 * OpenAI's Responses.
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
 * @property {string} reason Why the answer ended, as it came; empty while nothing says so.
 * @property {string} failure What failed; empty when nothing did.
 */

/**
 * Read the data of an event.
 *
 * @param {string} data
 * @returns {Piece | null} null when it is not a frame, such as what keeps a connection alive.
 */
export function readFrame(data) {
  if (!data.trim().startsWith("{")) return null;
  try {
    return read(fields(JSON.parse(data)));
  } catch {
    return { ...NOTHING, failure: "a part of it cannot be read" };
  }
}

/** @type {Piece} */
const NOTHING = { text: "", reasoning: "", calls: [], usage: null, reason: "", failure: "" };

// Source: src/edgewise/heard/endings.py
const REASONS = new Map([
  ["stop", "stop"],
  ["length", "length"],
  ["model_length", "length"],
  ["max_output_tokens", "length"],
  ["tool_calls", "tool_calls"],
  ["content_filter", "content_filter"],
]);

/**
 * Find out what a reason means.
 *
 * @param {string} reason As it came.
 * @returns {string} Empty for one that is unknown.
 */
export function knownReason(reason) {
  return REASONS.get(reason) ?? "";
}

/**
 * Read an answer that is not a stream.
 *
 * @param {unknown} document
 * @returns {Piece}
 */
export function readAnswer(document) {
  const answer = fields(document);
  return isEmpty(answer) ? fail(answer) : read(answer);
}

/** @param {Fields} answer */
function isEmpty({ response, choices, tool_calls: calls, output }) {
  return response === undefined && ![choices, calls, output].some((each) => list(each).length);
}

/**
 * @param {Fields} answer
 * @returns {Piece}
 */
function read(answer) {
  const type = text(answer.type);
  if (Array.isArray(answer.output)) return readOutput(answer);
  if (type.startsWith(EVENT) || type === "error") return readEvent(answer, type);
  const choice = fields(list(answer.choices)[0]);
  const said = fields(choice.message ?? choice.delta);
  const reasons = [text(choice.finish_reason), text(answer.finish_reason)];
  if (reasons.includes("error") || hasFailed(answer)) return fail(answer);
  const own = list(answer.tool_calls);
  const calls = own.length ? own : list(said.tool_calls);
  return {
    // Whoever sends both sends the same text twice.
    text: word(answer.response) || word(said.content) || word(choice.text),
    reasoning: text(said.reasoning_content) || text(said.reasoning) || text(answer.reasoning),
    calls: calls.map(readCall),
    usage: readUsage(answer.usage),
    reason: reasons.find(Boolean) ?? "",
    failure: "",
  };
}

const EVENT = "response.";

/**
 * Read the `output` of OpenAI's Responses.
 *
 * @param {Fields} answer
 * @returns {Piece}
 */
function readOutput(answer) {
  if (answer.status === "failed" || hasFailed(answer)) return fail(answer);
  const items = list(answer.output).map(fields);
  /** @param {string} type */
  const those = (type) => items.filter((item) => item.type === type);
  return {
    ...NOTHING,
    text: those("message").map(({ content }) => join(content)).join(""),
    reasoning: those("reasoning").map((item) => join(item.content) || join(item.summary)).join(""),
    calls: those("function_call").map((item) => readItem(item, null)),
    ...readEnd(answer),
  };
}

/**
 * Read an event of OpenAI's Responses; most of them say nothing that others do not.
 *
 * @param {Fields} event
 * @param {string} type
 * @returns {Piece}
 */
function readEvent(event, type) {
  const { delta, item, output_index: index, response } = event;
  switch (type.replace(EVENT, "")) {
    case "output_text.delta":
      return { ...NOTHING, text: text(delta) };
    case "reasoning_text.delta":
    case "reasoning_summary_text.delta":
      return { ...NOTHING, reasoning: text(delta) };
    case "output_item.added":
      if (fields(item).type !== "function_call") return NOTHING;
      return { ...NOTHING, calls: [readItem(fields(item), index)] };
    case "function_call_arguments.delta":
      return { ...NOTHING, calls: [readCall({ index, arguments: delta })] };
    case "completed":
    case "incomplete":
      return { ...NOTHING, ...readEnd(fields(response)) };
    case "failed":
    case "error":
      return fail(response ? fields(response) : event);
    default:
      return NOTHING;
  }
}

/**
 * @param {Fields} item
 * @param {unknown} index
 */
function readItem({ call_id: id, name, arguments: args }, index) {
  return readCall({ index, id, name, arguments: args });
}

/** @param {Fields} response */
function readEnd({ usage, incomplete_details: details }) {
  return { usage: readUsage(usage), reason: text(fields(details).reason) || "stop" };
}

/** @param {unknown} parts */
function join(parts) {
  return list(parts).map((part) => text(fields(part).text)).join("");
}

/**
 * @param {unknown} call
 * @returns {CallPiece}
 * @throws {TypeError} It is not a tool call: something was lost.
 */
function readCall(call) {
  if (typeof call !== "object" || call === null) throw new TypeError("not a tool call");
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
  if (typeof usage !== "object" || usage === null || Array.isArray(usage)) return null;
  const counted = fields(usage);
  return {
    prompt: count(counted.prompt_tokens) ?? count(counted.input_tokens),
    completion: count(counted.completion_tokens) ?? count(counted.output_tokens),
    total: count(counted.total_tokens),
  };
}

/**
 * Find out whether something failed, by the signs of the errors of Workers AI, of its REST API, and
 * of the servers that models run in.
 *
 * @param {Fields} answer
 */
function hasFailed(answer) {
  const { error, errors, internalCode, httpCode, success, object, message } = answer;
  if (success === false || object === "error") return true;
  if ([error, errors, internalCode, httpCode].some(isSomething)) return true;
  return isEmpty(answer) && isSomething(message);
}

/**
 * Say what failed, with Workers AI's own code where there is one.
 *
 * @param {Fields} answer
 * @returns {Piece}
 */
function fail({ error, errors, internalCode, message, description }) {
  const parts = [errors, error].map((named) => fields(list(named)[0] ?? named));
  const texts = [message, ...parts.map((part) => part.message), error, description];
  const codes = [internalCode, ...parts.map((part) => part.code)];
  const code = codes.find((each) => /^\d+$/u.test(word(each)));
  const told = texts.map(text).find(Boolean);
  if (code !== undefined) return { ...NOTHING, failure: `${told ?? "it says no more"} (${word(code)})` };
  const unknown = [error, errors].find(isSomething);
  return { ...NOTHING, failure: told ?? (unknown ? word(unknown) : "it says no more") };
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
function text(value) {
  return typeof value === "string" ? value : "";
}

/** @param {unknown} value */
function count(value) {
  return typeof value === "number" ? value : null;
}
