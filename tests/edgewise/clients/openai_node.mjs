// openai for Node: does one job with the Worker at an address, and prints as JSON what came of it.
import OpenAI from "openai";

const [address, apiKey, job, model, ...rest] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${address}/v1`, apiKey, maxRetries: 1 });
const messages = [{ role: "user", content: "How is the weather in Zürich?" }];
const prompt = "Once upon a time";

async function chunksOf(request) {
  const chunks = [];
  try {
    for await (const chunk of await request) {
      chunks.push(chunk);
    }
  } catch (error) {
    chunks.push({ name: error.constructor.name, code: error.code });
  }
  return chunks;
}

const jobs = {
  chat: () => client.chat.completions.create({ model, messages }),

  chatStream: () =>
    chunksOf(
      client.chat.completions.create({
        ...{ model, messages, stream: true },
        stream_options: { include_usage: true },
      }),
    ),

  toolStream: (tool) =>
    client.chat.completions
      .stream({ model, messages, tools: [JSON.parse(tool)] })
      .finalChatCompletion(),

  completion: () => client.completions.create({ model, prompt }),

  completionStream: () => chunksOf(client.completions.create({ model, prompt, stream: true })),

  models: async () => [
    (await Array.fromAsync(client.models.list())).map(({ id }) => id),
    (await client.models.retrieve(model)).id,
  ],

  async failure() {
    try {
      return await client.chat.completions.create({ model, messages });
    } catch (error) {
      return [error.constructor.name, error.status, error.code];
    }
  },
};
console.log(JSON.stringify(await jobs[job](...rest)));
