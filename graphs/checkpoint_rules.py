"""When a checkpoint is written, and which: the same wherever it is kept."""

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)

from elenchus.ledger import Ledger


class Rules(BaseCheckpointSaver[str]):
    """Writes each checkpoint of the outer graph once the ledger has safely what it speaks of.

    Checkpoints wait for the disk, the ledger's records do not: after a power failure there could be
    a state without its records, which no resume could go on from.

    Steps of an inner graph are passed over. They hold texts, and to keep them makes a fan-out three
    times as slow and the file forty times as large, for a resume that repeats no call either way.
    (LangGraph 1.2.22 fails with a subgraph compiled without a checkpointer where the outer graph's
    durability is "sync", and does not draw it.)
    """

    _begun = False

    def follow(self, ledger: Ledger) -> None:
        """Write nothing before the ledger is safe."""
        self._ledger, self._gate = ledger, asyncio.Lock()

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return None if _is_inner(config) else await super().aget_tuple(config)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        if _is_inner(config):
            return config
        await self._safe()
        put = await super().aput(config, checkpoint, metadata, new_versions)
        if not self._begun:
            self._ledger.mark_begun()
            self._begun = True
        return put

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        if _is_inner(config):
            return
        await self._safe()
        await super().aput_writes(config, writes, task_id, task_path)

    async def _safe(self) -> None:
        # One waits for the disk for all who come meanwhile: for them there is nothing left to do.
        async with self._gate:
            await asyncio.to_thread(self._ledger.make_safe)


def _is_inner(config: RunnableConfig) -> bool:
    return bool(config["configurable"].get("checkpoint_ns"))
