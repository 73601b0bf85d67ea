// What people deploy who write JavaScript: a chat endpoint that checks nothing and hands on.

const MODEL = "@cf/meta/llama-3.1-8b-instruct-fast";
const INSTRUCTIONS = "You are a helpful assistant.";

export default {
  async fetch(request, env) {
    if (request.method !== "POST") {
      return new Response("Method not allowed", { status: 405 });
    }
    try {
      const inputs = await request.json();
      if (!inputs.messages.some((message) => message.role === "system")) {
        inputs.messages.unshift({ role: "system", content: INSTRUCTIONS });
      }
      const answer = await env.AI.run(MODEL, inputs);
      if (!inputs.stream) {
        return Response.json(answer);
      }
      return new Response(answer, {
        headers: { "content-type": "text/event-stream", "cache-control": "no-cache" },
      });
    } catch (error) {
      console.error("chat failed", error);
      return Response.json({ error: "Failed to process request" }, { status: 500 });
    }
  },
};
