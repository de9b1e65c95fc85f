"""Readers who write to the book bot whenever they like: an open loop, so that a slow answer delays no other message.

    python benchmarks/skill_client.py ADDRESS PLAN

`PLAN` is a JSON file with `messages` (when, in seconds from the start; who; what) and the `secret`. Prints a JSON list
of one entry a message: milliseconds from when it was due, its status, and the first words of the answer.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import aiohttp


async def write_all(address: str, plan: dict) -> list:
    """Send each message when it is due, and wait for all answers."""
    headers = {"X-Maeari-Skill-Secret": plan["secret"]}
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(
        headers=headers, connector=aiohttp.TCPConnector(limit=0), timeout=timeout
    ) as session:
        start = time.perf_counter() + 0.5

        async def write(due: float, reader: str, said: str) -> tuple[float, int, str]:
            await asyncio.sleep(start + due - time.perf_counter())
            body = {
                "userRequest": {
                    "utterance": said,
                    "user": {"id": reader, "type": "botUserKey"},
                    "timezone": "Asia/Seoul",
                },
                "bot": {"id": "benchmark"},
                "action": {"params": {}, "detailParams": {}},
            }
            try:
                async with session.post(f"{address}/kakao/skill", json=body) as response:
                    answer, status = await response.read(), response.status
            except (aiohttp.ClientError, TimeoutError) as error:
                return 1_000 * (time.perf_counter() - start - due), 0, type(error).__name__
            taken = 1_000 * (time.perf_counter() - start - due)
            return taken, status, _first_words(answer) if status == 200 else answer[:200].decode(errors="replace")

        return await asyncio.gather(*(write(*message) for message in plan["messages"]))


def _first_words(answer: bytes) -> str:
    template = json.loads(answer)["template"]
    return next((one["simpleText"]["text"] for one in template["outputs"] if "simpleText" in one), "")


if __name__ == "__main__":
    print(json.dumps(asyncio.run(write_all(sys.argv[1], json.loads(Path(sys.argv[2]).read_text())))))
