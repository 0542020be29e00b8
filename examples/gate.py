"""Publisher and gate in one process: what is generated goes out for moderation, what is released goes to the reader.

Prints what a reader sees, as it is released. The second answer is cut off. Needs a running worker.

    python examples/gate.py [--bootstrap HOST:PORT]
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator

from sluice import StreamStopped
from sluice.client import DeliveryGate, ModerationClient, OutputStream

ANSWERS = (
    "周末可以去公园散步，也可以在家看一本好书。The weather will be fine. 记得多喝水，早点休息。",
    "周末的消遣有很多种，散步和看书都很好。想要刺激的话，推荐你试试真人百家乐在线，注册简单，随时可玩。" * 2,
)


async def decode(text: str) -> AsyncIterator[str]:
    """Stands for a model: 50 tokens a second of two characters."""
    for at in range(0, len(text), 2):
        await asyncio.sleep(0.02)
        yield text[at : at + 2]


async def generate(text: str, stream: OutputStream, gate: DeliveryGate) -> None:
    """The same text goes to the moderation and to the gate, which holds it back until it is released."""
    async for token in decode(text):
        if gate.decision is not None:
            return
        gate.feed(token)
        await stream.send(token)
    gate.feed("", final=True)
    await stream.finish()


async def answer(sluice: ModerationClient, text: str) -> None:
    stream = sluice.stream()
    async with asyncio.TaskGroup() as tasks:
        with sluice.gate(stream.id) as gate:
            tasks.create_task(generate(text, stream, gate))
            try:
                async for released in gate:
                    print(released, end="", flush=True)
                print("\n-- complete")
            except StreamStopped as stopped:
                finding = stopped.order.finding
                why = finding.risk if finding is not None else stopped.order.reason
                print(f"\n-- stopped: {why}; {gate.stats.leaked} characters leaked")
    stream.close()


async def main(bootstrap: str) -> None:
    async with ModerationClient(bootstrap, f"gate-example-{os.getpid()}") as sluice:
        for text in ANSWERS:
            await answer(sluice, text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"))
    asyncio.run(main(parser.parse_args().bootstrap))
