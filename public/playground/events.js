/**
 * Reads server-sent events: bytes in any pieces to the data of each event.
 *
 * It obeys https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 * but for ids, names and delays, which nobody here asks for, and for what some models do: they end
 * with a bare `[DONE]`, or leave out empty lines.
 */

export const DONE = "[DONE]";

export class Events {
  #rest = "";
  /** @type {string[]} */
  #data = [];
  #endedInReturn = false;

  /**
   * Take some text of the stream.
   *
   * @param {string} text
   * @returns {string[]} The data of the events that are whole now.
   */
  feed(text) {
    if (text === "") return [];
    // A line feed after a carriage return belongs to it, though it came with the next piece.
    if (this.#endedInReturn && text.startsWith("\n")) text = text.slice(1);
    this.#endedInReturn = text === "" ? false : text.endsWith("\r");
    const lines = (this.#rest + text).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() ?? "";
    /** @type {string[]} */
    const found = [];
    for (const line of lines) {
      if (line === "" || line === DONE) {
        found.push(...this.#dispatch());
        if (line) found.push(line);
      } else {
        const value = /^data(?:: ?(.*))?$/su.exec(line);
        if (value) this.#data.push(value[1] ?? "");
      }
    }
    return found;
  }

  /**
   * Take the end of the stream.
   *
   * @returns {string[]} The data of the event that it left without an empty line.
   */
  close() {
    return this.feed("\n\n\n"); // one may belong to a carriage return, one ends the last line
  }

  /** Take the data of an event: without the empty lines between them, several became one. */
  #dispatch() {
    const lines = this.#data;
    this.#data = [];
    if (lines.length < 2) return lines;
    const joined = lines.join("\n");
    return isJson(joined) ? [joined] : lines;
  }
}

/** @param {string} text */
function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Read a body as events.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<string[], void, void>} The data of those that came together.
 */
export async function* readEvents(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const events = new Events();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        yield events.close();
        return;
      }
      const found = events.feed(decoder.decode(value, { stream: true }));
      if (found.length) yield found;
    }
  } finally {
    await reader.cancel().catch(() => undefined); // of one that broke there is nothing to cancel
  }
}
