"""The Worker as it starts from its snapshot; `workerd test` runs `test`."""

from typing import Any

from workers import Request

import entry


class Default(entry.Default):
    async def test(self) -> None:
        health = await self.fetch(Request("http://edgewise/health"))
        assert health.status == 200, await health.text()

        refused = await self.run('{"prompt":"Hello","temperature":"hot"}')
        assert refused.status == 400, await refused.text()
        assert "temperature: expected a number from 0 to 5" in await refused.text()

        answer = await self.run('{"prompt":"Hello"}')
        assert answer.status == 200, await answer.text()
        assert "not a model" in await answer.text()

        stream = await self.run('{"prompt":"Hello","stream":true}')
        assert stream.headers.get("content-type") == "text/event-stream"
        assert (await stream.text()).endswith("data: [DONE]\n\n")
        print("answered from the snapshot")

    async def run(self, body: str) -> Any:
        return await self.fetch(Request("http://edgewise/run", method="POST", body=body))
