"""A consumer that did not produce the text, e.g. an archive or a search index: sees only what is released.

Reads until `--streams` streams are complete or stopped, or nothing comes for `--seconds`. Needs a running worker, and
a producer: run `examples/scripted_producer.py` beside it, or use `--earliest` to read what is still in the log.

    python examples/downstream.py [--bootstrap HOST:PORT] [--earliest] [--streams 2] [--seconds 30]
"""

from __future__ import annotations

import argparse
import asyncio
import os

from sluice.client import ReleasedReader, ReleasedText


async def main(bootstrap: str, earliest: bool, streams: int, seconds: float) -> None:
    over = 0
    async with ReleasedReader(bootstrap, start="earliest" if earliest else "latest") as reader:
        print("reading", flush=True)
        while over < streams:
            try:
                async with asyncio.timeout(seconds):
                    event = await anext(reader)
            except TimeoutError:
                print(f"nothing for {seconds:g} s")
                break
            name = event.stream[:8]
            if isinstance(event, ReleasedText):
                if event.text:
                    print(f"{name} {event.channel} @{event.start}: {event.text}", flush=True)
                if event.final:
                    over += 1
                    print(f"{name} {event.channel}: complete", flush=True)
            else:
                over += 1
                finding = event.order.finding
                why = finding.risk if finding is not None else event.order.reason
                retract = "" if event.retract_from is None else f"; withdraw from character {event.retract_from}"
                print(f"{name}: stopped for {why}{retract}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"))
    parser.add_argument("--earliest", action="store_true", help="begin with the oldest record that is still there")
    parser.add_argument("--streams", type=int, default=2, help="end after so many streams")
    parser.add_argument("--seconds", type=float, default=30.0, help="end when nothing comes for so long")
    options = parser.parse_args()
    asyncio.run(main(options.bootstrap, options.earliest, options.streams, options.seconds))
