export default {
  async fetch(request, env) {
    const asked = Object.fromEntries(new URL(request.url).searchParams);
    const { ask = "Hello", model = "@cf/meta/llama-3.1-8b-instruct-fast" } = asked;
    const inputs = { messages: [{ role: "user", content: ask }], stream: "stream" in asked };
    try {
      const answer = await env.AI.run(model, inputs);
      const headers = { "content-type": "text/event-stream" };
      return inputs.stream ? new Response(answer, { headers }) : Response.json(answer);
    } catch (error) {
      return new Response(`${error.name}: ${error.message}\n`, { status: 502 });
    }
  },
};
