// What people write to have OpenAI's chunks from Workers AI's stream, in JavaScript.

const MODEL = "@cf/meta/llama-3.1-8b-instruct-fast";

function rewrite(id, created) {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let rest = "";
  let begun = false;
  const word = (choices) => {
    const chunk = { id, object: "chat.completion.chunk", created, model: MODEL, choices };
    return `data: ${JSON.stringify(chunk)}\n\n`;
  };
  return new TransformStream({
    transform(bytes, controller) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop();
      let said = "";
      for (const line of lines) {
        if (!line.startsWith("data:")) {
          continue;
        }
        const data = line.slice(5).trim();
        if (data === "[DONE]") {
          said += word([{ index: 0, delta: {}, finish_reason: "stop" }]) + "data: [DONE]\n\n";
          continue;
        }
        const { response } = JSON.parse(data);
        if (!response) {
          continue;
        }
        if (!begun) {
          begun = true;
          const delta = { role: "assistant", content: "" };
          said += word([{ index: 0, delta, finish_reason: null }]);
        }
        said += word([{ index: 0, delta: { content: response }, finish_reason: null }]);
      }
      if (said) {
        controller.enqueue(encoder.encode(said));
      }
    },
  });
}

export default {
  async fetch(request, env) {
    const { messages, max_tokens, stream, top_k } = await request.json();
    const inputs = { messages, max_tokens, stream, top_k };
    const answer = await env.AI.run(MODEL, inputs);
    const id = `chatcmpl-${crypto.randomUUID()}`;
    const created = Math.floor(Date.now() / 1000);
    if (stream) {
      return new Response(answer.pipeThrough(rewrite(id, created)), {
        headers: { "content-type": "text/event-stream", "cache-control": "no-cache" },
      });
    }
    const message = { role: "assistant", content: answer.response };
    const choices = [{ index: 0, message, finish_reason: "stop" }];
    const { usage } = answer;
    return Response.json({ id, object: "chat.completion", created, model: MODEL, choices, usage });
  },
};
