// Workers AI that answers at once, as the Ai class asks it: what is behind each contender.
//
// max_tokens says how many events a stream has, top_k how many of them come together. Each event
// has one "~", and nothing else has: the client counts by it.

const ENCODER = new TextEncoder();
const USAGE = { prompt_tokens: 60, completion_tokens: 200, total_tokens: 260 };
const ANSWER = JSON.stringify({
  response: "An edge network keeps copies of a page close to whoever asks for it. ".repeat(12),
  usage: USAGE,
});
const EVENT = 'data: {"response":" word~"}\n\n';
const REST = ENCODER.encode(
  `data: ${JSON.stringify({ response: "", usage: USAGE })}\n\ndata: [DONE]\n\n`,
);
const chunks = new Map();

function chunkOf(events) {
  if (!chunks.has(events)) {
    chunks.set(events, ENCODER.encode(EVENT.repeat(events)));
  }
  return chunks.get(events);
}

function stream(events, together) {
  let left = events;
  return new ReadableStream({
    pull(controller) {
      if (left === 0) {
        controller.enqueue(REST);
        controller.close();
        return;
      }
      const count = Math.min(left, together);
      left -= count;
      controller.enqueue(chunkOf(count));
    },
  });
}

export default {
  async fetch(request) {
    const { inputs } = await request.json();
    if (!inputs.stream) {
      return new Response(ANSWER, { headers: { "content-type": "application/json" } });
    }
    return new Response(stream(inputs.max_tokens, inputs.top_k ?? 1), {
      headers: { "content-type": "text/event-stream" },
    });
  },
};
