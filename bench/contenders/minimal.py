"""The shape of Cloudflare's minimal example: it asks the model and answers, and checks nothing."""

from workers import Response, WorkerEntrypoint

MODEL = "@cf/meta/llama-3.1-8b-instruct-fast"
QUESTION = {"prompt": "What is it that an edge network does for a web page?"}


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        answer = await self.env.AI.run(MODEL, QUESTION)
        return Response.json(answer)
