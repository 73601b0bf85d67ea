"""The minimal example made an endpoint: it hands on what it is asked, and checks nothing."""

from workers import Response, WorkerEntrypoint

MODEL = "@cf/meta/llama-3.1-8b-instruct-fast"


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        inputs = await request.json()
        answer = await self.env.AI.run(MODEL, inputs)
        return Response.json(answer)
