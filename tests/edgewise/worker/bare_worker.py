"""The Worker with a cap of 20 bytes and without a binding; `workerd test` runs `test`."""

from workers import Request

import entry


class Default(entry.Default):
    async def test(self) -> None:
        cases = {
            '{"prompt":"Hello, all"}': (413, "body: expected at most 20 bytes"),
            '{"prompt":"Hello"}': (500, "AI: expected the binding to Workers AI, got nothing"),
        }
        for body, (status, message) in cases.items():
            request = Request("http://edgewise/run", method="POST", body=body)
            reply = await self.fetch(request)
            text = await reply.text()
            assert (reply.status, message in text) == (status, True), text
        print("refused as it should")
