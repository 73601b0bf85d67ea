"""A Worker with a page of its own that has all of Edgewise below /ai."""

from typing import Any
from urllib.parse import urlsplit

from workers import Response, WorkerEntrypoint

from edgewise.errors import EdgewiseError
from edgewise.worker import generate, mount

PAGE = "<!doctype html><title>Notes</title><h1>Notes</h1><p>POST a note to /title.</p>\n"


class Default(WorkerEntrypoint):
    async def fetch(self, request: Any) -> Any:
        settings = {"API_KEYS": getattr(self.env, "TEXT_KEYS", ""), "MAX_TOKENS_CEILING": 512}
        if (answer := await mount(request, "/ai", settings=settings, ai=self.env.AI)) is not None:
            return answer
        if urlsplit(request.url).path == "/title":
            return await title(await request.text(), self.env.AI)
        return Response(PAGE, headers={"content-type": "text/html; charset=utf-8"})


async def title(note: str, ai: Any) -> Any:
    """Have a note's title made up; for this the visitors of the page need no key."""
    turns = [
        {"role": "system", "content": "Answer with a title of at most five words."},
        {"role": "user", "content": note},
    ]
    try:
        answer = await generate({"messages": turns, "max_tokens": 16}, ai=ai)
    except EdgewiseError as error:
        return Response.json({"error": error.code}, status=error.status)
    return Response.json({"title": answer["response"]})
