// What the compiler refuses: each line that ends in an error's number gets that error.

import type { Edgewise, EdgewiseBinding, EdgewiseError, Message } from "../../../../types/edgewise";

const M = "@cf/meta/llama-3.1-8b-instruct";

export async function byService(text: Service<Edgewise>, messages: Message[]) {
  text.generate({ prompt: "Hello", temperature: "hot" }); // TS2322
  text.generate({ prompt: "Hello", messages }); // TS2345
  text.generate({}); // TS2345
  text.generate({ messages: [{ role: "robot", content: "Hello" }] }); // TS2322
  text.generate({ messages, raw: true }); // TS2345
  text.generate({ prompt: "Hello", temprature: 1 }); // TS2561
  text.generate({ prompt: "Hello", stream: true }); // TS2322
  text.generate({ prompt: "Hello", tool_choice: "some" }); // TS2322
  text.generate("Hello"); // TS2345
  text.run({ prompt: "Hello" }); // TS2554
  text.run(M, { prompt: "Hello" }, { gateway: { id: "mine" } }); // TS2322
  text.run(M, { prompt: "Hello" }, { signal: new AbortController().signal }); // TS2353
  (await text.run(M, { prompt: "Hello" })).response; // TS2339
  (await text.generate({ prompt: "Hello" })).text; // TS2339
  (await text.generate({ prompt: "Hello" })).response.length; // TS2531
  (await text.models()).name; // TS2339
  text.models({ size: "8b" }); // TS2353
  text.embed("Hello"); // TS2339
  text.queue([]); // TS2339
}

export async function byBinding(text: EdgewiseBinding, messages: Message[]) {
  text.run(M, { prompt: "Hello", temperature: "hot" }); // TS2769
  text.run(M, { prompt: "Hello", messages }); // TS2769
  text.run(M, { messages: [{ role: "robot", content: "Hello" }] }); // TS2769
  text.run(M, { prompt: "Hello", temprature: 1 }); // TS2769
  text.run(M, { prompt: "Hello" }, { websocket: true }); // TS2769
  (await text.run(M, { prompt: "Hello", stream: true })).response; // TS2339
  (await text.run(M, { prompt: "Hello" })).getReader(); // TS2339
  (await text.run(M, { prompt: "Hello" }, { returnRawResponse: true })).response; // TS2339
  text.generate({ prompt: "Hello", stream: true }); // TS2322
  text.embed("Hello"); // TS2339
}

export function isBusy(error: EdgewiseError): boolean {
  return error.code === "busy"; // TS2367
}
