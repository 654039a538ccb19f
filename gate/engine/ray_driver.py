"""The process that uses Ray: joins or starts the cluster, holds the pool, and hands answers through a pipe.

Run as `python -m gate.engine.ray_driver DESCRIPTOR FOLDER` by `ray_process`, which also says why. The pipe's other end
is ours too: what comes through it is trusted. When it is closed, nobody wants anything any more.
"""

import os
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from gate.engine.ray_cluster import cluster, divide
from gate.engine.ray_pool import WorkerPool
from gate.engine.ray_process import Job, Ready
from gate.engine.transformers_engine import TransformersEngine
from gate.errors import GateError


def main() -> None:
    """Serve one run."""
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # noqa: FBT003  # it has no name; nothing that is started may keep it open
    with Connection(descriptor) as pipe, suppress(EOFError, BrokenPipeError):
        try:
            _serve(pipe, pipe.recv(), folder=Path(sys.argv[2]))
        except GateError as problem:
            pipe.send(problem)


def _serve(pipe: Connection, job: Job, *, folder: Path) -> None:
    with cluster(job.address, folder=folder) as nodes:
        pipe.send(None)
        share = divide(nodes, device=job.device, workers=job.workers)
        engine = TransformersEngine(device="cuda" if share.gpus else "cpu", batch_tokens=job.batch_tokens)
        with WorkerPool(share, engine, job.base, request=job.request) as pool:
            pipe.send(Ready(first=pool.first, batches=pool.batches))
            while (works := pipe.recv()) is not None:
                for answers in pool.answer_many(iter(works)):
                    pipe.send(answers)
                pipe.send(None)


if __name__ == "__main__":
    main()
