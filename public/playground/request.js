/** A request to the model: sent, answered piece by piece, stopped, and described when it has ended. */

import { DONE, readEvents } from "./events.js";
import { Failure, fetchFrom } from "./failure.js";
import { knownReason, readAnswer, readFrame } from "./frames.js";

const LEAST_MS = 20; // a piece sooner than that came at once: it tells no speed

/** @typedef {import("./body.js").Body} Body */
/** @typedef {import("./frames.js").Piece} Piece */
/** @typedef {import("./frames.js").Usage} Usage */
/** @typedef {import("./turns.js").Turn} Turn */
/** @typedef {"finished" | "stopped" | "broken"} Ending */

/**
 * @typedef {object} Figures
 * @property {Ending} ending
 * @property {string} reason Why it ended; empty when nothing tells.
 * @property {boolean} isCut Whether it was cut at max_tokens.
 * @property {string} model The id that ran.
 * @property {string} requestId
 * @property {number | null} maxTokens The limit that it ran under.
 * @property {Usage | null} usage
 * @property {number | null} firstAfter Milliseconds until the first of it came.
 * @property {number} tookMs
 * @property {number | null} speed Tokens a second.
 * @property {string} failure What broke it.
 * @property {boolean} isStream Whether a stream was asked for.
 */

/** Sends requests, one at a time. */
export class Sender {
  /** @type {{ turn: Turn, controller: AbortController } | null} */
  #running = null;

  /** The turn that is being answered with; null while none is. */
  get answering() {
    return this.#running?.turn ?? null;
  }

  /** Stop the request that runs, if one does. */
  stop() {
    this.#running?.controller.abort();
  }

  /**
   * Send a request, and read the answer to its end.
   *
   * @param {Turn} turn The answer's.
   * @param {Body} body
   * @param {string} key
   * @param {(piece: Piece) => void} take Called with each piece of the answer.
   * @returns {Promise<Figures>}
   * @throws {Failure} It was refused: there is no answer.
   */
  async send(turn, body, key, take) {
    const controller = new AbortController();
    this.#running = { turn, controller };
    try {
      return await ask(body, key, controller.signal, take);
    } finally {
      this.#running = null;
    }
  }
}

/**
 * Describe how an answer ended.
 *
 * @param {Figures} figures
 */
export function describeEnd({ ending, isCut, usage }) {
  if (ending === "broken") return "The answer broke off";
  const tokens = usage?.completion ? `, ${usage.completion} tokens` : "";
  return `Answer ${isCut ? "cut at max_tokens" : ending}${tokens}`;
}

/**
 * @param {Body} body
 * @param {string} key
 * @param {AbortSignal} signal Stops it.
 * @param {(piece: Piece) => void} take
 * @returns {Promise<Figures>}
 */
async function ask(body, key, signal, take) {
  const begun = performance.now();
  const got = new Gathered();
  let isWhole = false;
  let headers = new Headers();

  /** @param {Piece} piece */
  const receive = (piece) => {
    got.add(piece);
    take(piece);
  };

  try {
    const response = await fetchFrom("run", key, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal,
    });
    headers = response.headers;
    isWhole = await readResponse(response, receive);
  } catch (error) {
    if (!signal.aborted && !headers.has("x-model")) {
      throw error instanceof Failure ? error : new Failure("The answer cannot be read.");
    }
  }

  const ended = performance.now();
  const maxTokens = Number(headers.get("x-max-tokens")) || null;
  const isStopped = signal.aborted && !isWhole;
  const ending = isStopped ? "stopped" : isWhole && !got.failure ? "finished" : "broken";
  const reason = ending === "finished" ? tellReason(got, maxTokens) : "";
  return {
    ending,
    reason,
    isCut: reason === "length",
    model: headers.get("x-model") ?? "",
    requestId: headers.get("x-request-id") ?? "",
    maxTokens,
    usage: got.usage,
    firstAfter: got.first === null ? null : got.first - begun,
    tookMs: ended - begun,
    speed: tellSpeed(got, begun, ended),
    failure: got.failure,
    isStream: body.stream === true,
  };
}

/** What has come of an answer, but for its words. */
class Gathered {
  /** @type {number | null} */
  first = null;
  /** @type {Usage | null} */
  usage = null;
  reason = "";
  failure = "";
  hasCalled = false;

  /** @param {Piece} piece */
  add({ text, reasoning, calls, usage, reason, failure }) {
    if (text || reasoning || calls.length) this.first ??= performance.now();
    this.usage = usage ?? this.usage;
    this.reason = reason || this.reason;
    this.failure ||= failure;
    this.hasCalled ||= calls.some(({ name, args }) => name || args);
  }
}

/**
 * @param {Response} response
 * @param {(piece: Piece) => void} receive
 * @returns {Promise<boolean>} Whether it came to its end: some models say why it ended, and no more.
 */
async function readResponse(response, receive) {
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  if (isStream && response.body) return readStream(response.body, receive);
  receive(readAnswer(await response.json()));
  return true;
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {(piece: Piece) => void} receive
 * @returns {Promise<boolean>} Whether it came to its end.
 */
async function readStream(body, receive) {
  let isEnded = false;
  for await (const events of readEvents(body)) {
    for (const data of events) {
      if (data.trim() === DONE) return true;
      const piece = readFrame(data);
      if (piece) receive(piece);
      if (piece?.failure) return false;
      isEnded ||= Boolean(piece?.reason);
    }
  }
  return isEnded;
}

/**
 * Find out why an answer ended. Workers AI's own stream does not; but it counts.
 *
 * @param {Gathered} got
 * @param {number | null} maxTokens
 */
function tellReason({ reason, usage, hasCalled }, maxTokens) {
  const used = usage?.completion ?? null;
  const known = knownReason(reason);
  if (used !== null && maxTokens !== null && used >= maxTokens) return "length";
  if (known === "length") return "length";
  if (hasCalled && known !== "content_filter") return "tool_calls";
  return known || (used === null ? "" : "stop");
}

/**
 * @param {Gathered} got
 * @param {number} begun
 * @param {number} ended
 */
function tellSpeed({ first, usage }, begun, ended) {
  if (!usage?.completion) return null;
  const isOneBurst = first === null || ended - first < LEAST_MS;
  return (usage.completion / Math.max(ended - (isOneBurst ? begun : first), 1)) * 1000;
}
