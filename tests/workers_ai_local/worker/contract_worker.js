// Asks the real Ai class what a test wants asked, and tells all that came of it.

const bytes = () => new Blob(["pixels"]).stream();

const HOW = {
  run: (ai, { model, inputs, options }) => ai.run(model, inputs, options),
  "run with a stream": (ai, { model, inputs, options }) =>
    ai.run(model, { ...inputs, image: { body: bytes(), contentType: "image/png" } }, options),
  "run with an aborted signal": (ai, { model, inputs }) =>
    ai.run(model, inputs, { signal: AbortSignal.abort() }),
  "abort while it waits": (ai, { model, inputs }) => {
    const controller = new AbortController();
    const answer = ai.run(model, inputs, { signal: controller.signal });
    controller.abort();
    return answer;
  },
  "abort while it reads": async (ai, { model, inputs }) => {
    const controller = new AbortController();
    const stream = await ai.run(model, inputs, { signal: controller.signal });
    const reader = stream.getReader();
    await reader.read();
    controller.abort();
    return reader.read();
  },
  models: (ai, { inputs }) => ai.models(inputs),
  "get a gateway's log": (ai) => ai.gateway("a-gateway").getLog("a-log"),
};

async function came(answer) {
  if (answer instanceof Response) {
    const { status, headers } = answer;
    const body = await answer.text();
    return { response: { status, headers: Object.fromEntries(headers), body } };
  }
  if (answer instanceof ReadableStream) {
    return { stream: await new Response(answer).text() };
  }
  return { value: answer };
}

export default {
  async fetch(request, { AI }) {
    const asked = await request.json();
    let outcome;
    try {
      outcome = await came(await HOW[asked.how](AI, asked));
    } catch (error) {
      const { name, message } = error;
      outcome = { thrown: { name, message, keys: Object.getOwnPropertyNames(error) } };
    }
    const { lastRequestId, aiGatewayLogId } = AI;
    const { lastRequestHttpStatusCode, lastRequestInternalStatusCode } = AI;
    return Response.json({
      ...outcome,
      lastRequestId,
      aiGatewayLogId,
      lastRequestHttpStatusCode,
      lastRequestInternalStatusCode,
    });
  },
};
