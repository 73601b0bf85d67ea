"""A Python Worker that answers always the same: what Python itself takes."""

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response("Hello")
