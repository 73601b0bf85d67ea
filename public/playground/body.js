/** Makes the body of a request from what was said and set. */

/** @typedef {"chat" | "prompt" | "raw"} Kind */
/** @typedef {import("./turns.js").Turn} Turn */
/** @typedef {import("./parameters.js").Values} Values */

/**
 * @typedef {Values & {
 *   model?: string,
 *   messages?: Values[],
 *   prompt?: string,
 *   stream?: boolean,
 *   options?: Values,
 * }} Body
 */

/** @typedef {Pick<Body, "messages" | "prompt"> & { raw?: unknown }} Asked What a body asks. */

// What a model is asked that was cut, where its template is not ours to leave open.
export const GO_ON = "Go on exactly where you stopped. Repeat nothing and say nothing else.";

/**
 * Make the body for the turns up to a user's.
 *
 * @param {Kind} kind
 * @param {string} system Left out when it is empty; of a chat only.
 * @param {Turn[]} turns The last one is the user's.
 * @param {Values} settings
 * @returns {Body}
 */
export function makeBody(kind, system, turns, settings) {
  const last = turns.at(-1)?.text ?? "";
  const { model, ...rest } = settings;
  const named = model ? { model: String(model) } : {};
  switch (kind) {
    case "chat":
      return { ...named, messages: messages(system, turns), ...rest };
    case "prompt":
      return { ...named, prompt: last, ...rest };
    case "raw":
      return { ...named, prompt: last, raw: true, ...rest };
  }
}

/**
 * Make the body that has the last answer go on.
 *
 * @param {Kind} kind
 * @param {string} system
 * @param {Turn[]} turns The last one is the answer, the one before the user's.
 * @param {Values} settings
 * @returns {Body}
 */
export function makeContinuation(kind, system, turns, settings) {
  const [asked, answered] = turns.slice(-2);
  if (kind === "raw") {
    const text = `${asked?.text ?? ""}${answered?.text ?? ""}`;
    return makeBody("raw", "", [{ role: "user", text, calls: [] }], settings);
  }
  const before = kind === "chat" ? turns : turns.slice(-2);
  /** @type {Turn} */
  const goOn = { role: "user", text: GO_ON, calls: [] };
  return makeBody("chat", kind === "chat" ? system : "", [...before, goOn], settings);
}

/**
 * Ask the same under other settings.
 *
 * @param {Asked} asked
 * @param {Values} settings
 * @returns {Body}
 */
export function setFor({ messages, prompt, raw }, settings) {
  const { model, ...rest } = settings;
  const said = messages ? { messages } : { prompt: prompt ?? "", ...(raw ? { raw } : {}) };
  return { ...(model ? { model: String(model) } : {}), ...said, ...rest };
}

/**
 * @param {string} system
 * @param {Turn[]} turns
 * @returns {Values[]}
 */
function messages(system, turns) {
  const instructed = system ? [{ role: "system", content: system }] : [];
  // An answer that failed before its first word is left out.
  const said = turns.filter(({ role, text, calls }) => role === "user" || text || calls.length);
  return [...instructed, ...said.map(message)];
}

/**
 * @param {Turn} turn
 * @returns {Values}
 */
function message({ role, text, calls }) {
  if (!calls.length) return { role, content: text };
  const called = calls.map(({ id, name, args }) => ({
    ...(id ? { id } : {}),
    type: "function",
    function: { name, arguments: args },
  }));
  return { role, content: text, tool_calls: called };
}
