/**
 * Reads server-sent events: bytes in any pieces to the data of each event.
 *
 * It obeys https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 * but for ids, names and delays, which nobody here asks for, and for a bare `[DONE]`, with which some
 * models end.
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
      if (line === "") {
        if (this.#data.length) found.push(this.#data.join("\n"));
        this.#data = [];
      } else if (line === DONE) {
        found.push(line);
      } else {
        const value = /^data(?:: ?(.*))?$/su.exec(line);
        if (value) this.#data.push(value[1] ?? "");
      }
    }
    return found;
  }
}

/**
 * Read a body as events. What follows the last empty line is not an event.
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
      if (done) return;
      const found = events.feed(decoder.decode(value, { stream: true }));
      if (found.length) yield found;
    }
  } finally {
    await reader.cancel().catch(() => undefined); // of one that broke there is nothing to cancel
  }
}
