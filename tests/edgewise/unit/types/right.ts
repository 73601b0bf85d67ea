// What a Worker may do with Edgewise's methods.

import type {
  Answer,
  Edgewise,
  EdgewiseBinding,
  EdgewiseError,
  Generated,
  RunInputs,
} from "../../../../types/edgewise";

const MODEL = "@cf/meta/llama-3.1-8b-instruct";
const ASKED = {
  messages: [
    { role: "system", content: "Be brief." },
    { role: "user", content: [{ type: "text", text: "Is it cold in Oslo?" }] },
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "1", type: "function", function: { name: "weather", arguments: "{}" } }],
    },
    { role: "tool", tool_call_id: "1", content: "7 degrees" },
  ],
  tools: [{ name: "weather", parameters: { type: "object", properties: {} } }],
  tool_choice: { type: "function", function: { name: "weather" } },
  response_format: { type: "json_schema", json_schema: { type: "object" } },
  temperature: 0.5,
  seed: undefined,
  top_k: null,
} satisfies RunInputs;

export async function byService(text: Service<Edgewise>) {
  const generated: Generated = await text.generate({ ...ASKED, model: MODEL });
  const { response, truncated, usage } = await text.generate({ prompt: "Hello", max_tokens: 12 });
  const names: string[] = (await text.models({ search: "llama" })).map(({ name }) => name);
  const answer = await text.run(MODEL, { prompt: "Hello", raw: true });
  const page: Response = await text.fetch("https://edgewise/health");
  if (answer instanceof ReadableStream) {
    return new Response(answer);
  }
  if (answer instanceof Response) {
    return answer;
  }
  const counted: number | null | undefined = answer.usage?.total_tokens;
  return [generated, response?.length, truncated, usage?.prompt_tokens, names, page, counted];
}

export async function byBinding(text: EdgewiseBinding, stream: boolean) {
  const inputs = { prompt: "Hello", stream: true } as const;
  const events: ReadableStream<Uint8Array> = await text.run(MODEL, inputs);
  const whole: Response = await text.run(MODEL, inputs, { returnRawResponse: true });
  const answer: Answer = await text.run(MODEL, ASKED, { rejectIfBusy: true });
  const either: Answer | ReadableStream | Response = await text.run(MODEL, { ...ASKED, stream });
  const generated: Generated = await text.generate(ASKED);
  const called: string | undefined = generated.tool_calls?.[0]?.function?.name;
  const page: Response = await text.fetch("https://edgewise/health");
  return [events, whole, answer.response, either, called, (await text.models())[0]?.id, page];
}

export function statusOf(error: EdgewiseError): number {
  switch (error.code) {
    case "no_capacity":
    case "rate_limited":
      return 429;
    default:
      return error.name === "BadRequest" ? 400 : 502;
  }
}
