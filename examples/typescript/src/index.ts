import {
  APICallError,
  createUIMessageStreamResponse,
  generateText,
  isStepCount,
  Output,
  RetryError,
  streamText,
  tool,
  toUIMessageStream,
} from "ai";
import { createWorkersAI } from "workers-ai-provider";
import { z } from "zod";
import type { EdgewiseBinding, ErrorCode } from "../../../types/edgewise";

interface Env {
  TEXT: EdgewiseBinding;
}

const MODEL = "@cf/meta/llama-3.1-8b-instruct";

export default {
  async fetch(request, env): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname.startsWith("/ai/")) {
      url.pathname = url.pathname.slice("/ai".length);
      return env.TEXT.fetch(new Request(url, request));
    }
    const route = ROUTES[url.pathname];
    if (!route || request.method !== "POST") {
      return new Response("Not found\n", { status: 404 });
    }
    try {
      return await route(await request.text(), env);
    } catch (error) {
      return refuse(error);
    }
  },
} satisfies ExportedHandler<Env>;

/** Each takes the body of a POST as a prompt. */
const ROUTES: Record<string, (prompt: string, env: Env) => Promise<Response>> = {
  "/generate": async (prompt, env) => {
    const { response, truncated, usage } = await env.TEXT.generate({ prompt, max_tokens: 64 });
    return Response.json({ text: response, truncated, tokens: usage?.total_tokens });
  },

  "/stream": async (prompt, env) => {
    const events = await env.TEXT.run(MODEL, { prompt, stream: true });
    return new Response(events, { headers: { "content-type": "text/event-stream" } });
  },

  "/chat": async (prompt, env) => {
    const { stream } = streamText({ model: model(env), prompt, onError: () => {} });
    return createUIMessageStreamResponse({ stream: toUIMessageStream({ stream, onError: codeOf }) });
  },

  "/text": async (prompt, env) => {
    const { text } = await generateText({ model: model(env), prompt });
    return Response.json({ text });
  },

  "/weather": async (prompt, env) => {
    const weather = tool({
      description: "The weather in a city",
      inputSchema: z.object({ city: z.string().describe("Its name") }),
      execute: async ({ city }) => ({ city, celsius: 7, sky: "clear" }),
    });
    const { text, steps } = await generateText({
      model: model(env),
      prompt,
      tools: { weather },
      stopWhen: isStepCount(2),
    });
    return Response.json({ text, looked: steps[0]?.toolResults.map(({ output }) => output) });
  },

  "/recipe": async (prompt, env) => {
    const schema = z.object({ name: z.string(), ingredients: z.array(z.string()) });
    const { output } = await generateText({
      model: model(env),
      prompt,
      output: Output.object({ schema }),
    });
    return Response.json(output);
  },
};

/** The provider calls nothing but `run`, which Edgewise has in the shape of env.AI. */
function model(env: Env) {
  return createWorkersAI({ binding: env.TEXT as unknown as Ai })(MODEL);
}

/** What this app answers, where it is not 502. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  invalid_request: 400,
  context_length_exceeded: 413,
  rate_limited: 429,
  no_capacity: 503,
};

function refuse(error: unknown): Response {
  const code = codeOf(error);
  return Response.json({ error: code }, { status: STATUS[code as ErrorCode] ?? 502 });
}

/** Find Edgewise's code, also in the errors that the AI SDK makes of its errors. */
function codeOf(error: unknown): string {
  if (RetryError.isInstance(error)) {
    return codeOf(error.lastError);
  }
  if (APICallError.isInstance(error)) {
    return codeOf(error.cause);
  }
  return (error as { code?: string } | undefined)?.code ?? "unknown";
}
