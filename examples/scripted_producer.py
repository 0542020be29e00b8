"""A producer that stops when it is told to.

Its decoder is a script that "generates" a text of a few tokens a step, as a language model would. One answer is
harmless; the other begins to advertise gambling, and its decoder is stopped in the middle. Needs a running worker.

    python examples/scripted_producer.py [--bootstrap HOST:PORT] [--tokens-per-second 50]
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator

from sluice.client import ModerationClient

HARMLESS = "周末可以去公园散步，也可以在家看一本好书。如果天气好，骑车去郊外也很不错。记得多喝水，早点休息。" * 2
VIOLATING = (
    "周末的消遣有很多种，散步和看书都很好。想要刺激的话，推荐你试试真人百家乐在线，" + "注册简单，随时可玩。" * 12
)


async def decode(text: str, tokens_per_second: float) -> AsyncIterator[str]:
    """Stands for a model: one token, here two characters, a step. It takes no step that nobody asks for."""
    for at in range(0, len(text), 2):
        await asyncio.sleep(1 / tokens_per_second)
        yield text[at : at + 2]


async def generate(sluice: ModerationClient, name: str, tokens: AsyncIterator[str]) -> None:
    stream = sluice.stream()
    count = 0
    with sluice.watch(stream.id) as watch:
        async for token in tokens:
            count += 1
            watch.decoded()
            if watch.stopped.is_set():
                break  # no further step is asked for: the decoder has stopped
            await stream.send(token)
        else:
            await stream.finish()
            print(f"{name}: {count} tokens, not stopped")
            return
        watch.raise_if_failed()
        await watch.acknowledge()
        stream.close()
        assert watch.order is not None
        finding = watch.order.finding
        why = finding.risk if finding is not None else watch.order.reason
        print(f"{name}: stopped at token {count} for {why}; {watch.tokens_after} tokens decoded after the order")


async def main(bootstrap: str, tokens_per_second: float) -> None:
    async with ModerationClient(bootstrap, f"scripted-producer-{os.getpid()}") as sluice, asyncio.TaskGroup() as tasks:
        for name, text in (("harmless", HARMLESS), ("violating", VIOLATING)):
            tasks.create_task(generate(sluice, name, decode(text, tokens_per_second)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"))
    parser.add_argument("--tokens-per-second", type=float, default=50.0)
    options = parser.parse_args()
    asyncio.run(main(options.bootstrap, options.tokens_per_second))
