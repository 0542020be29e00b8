"""Takes topics off a broker that lives on without them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from sluice.errors import UnavailableError

__all__ = ["delete_topics"]


async def delete_topics(bootstrap: str, names: Sequence[str], timeout_s: float = 10.0) -> None:
    """Delete topics and their records for good; one that is not there is passed over.

    Raises:
        UnavailableError: the broker cannot be reached or does not answer in time; some may still be there.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        async with asyncio.timeout(timeout_s):
            await admin.start()
            there = set(await admin.list_topics())
            await admin.delete_topics([name for name in names if name in there])
    except (KafkaError, OSError, TimeoutError) as error:
        raise UnavailableError(f"topics could not be deleted on {bootstrap}: {error!r}") from error
    finally:
        await admin.close()
