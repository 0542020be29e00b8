"""`sluice topics`: the topics that Sluice needs, on a real broker."""

from __future__ import annotations

import asyncio

import click

__all__ = ["topics"]


@click.group()
def topics() -> None:
    """The Kafka topics that Sluice needs."""


@topics.command()
@click.option("--bootstrap", envvar="KAFKA_BOOTSTRAP_SERVERS", default="localhost:9092", show_default=True)
@click.option("--partitions", type=click.IntRange(1, 10_000), default=4, show_default=True)
@click.option("--replication", type=click.IntRange(1, 7), default=1, show_default=True, help="3 on a real cluster.")
@click.option("--app-id", default="sluice", show_default=True, help="As given to the workers.")
@click.option("--topics-prefix", default="", help="In front of every topic name, e.g. `staging.`.")
def create(bootstrap: str, partitions: int, replication: int, app_id: str, topics_prefix: str) -> None:
    """Create the topics that are not there yet. Existing ones are left as they are."""
    from sluice.contract import Topics
    from sluice.local.topics import create_topics
    from sluice.worker.table import changelog_topic

    asyncio.run(
        create_topics(
            bootstrap,
            Topics.prefixed(topics_prefix),
            partitions,
            changelog=changelog_topic(app_id),
            replication=replication,
        )
    )
    click.echo(f"topics are ready on {bootstrap}, {partitions} partitions")
