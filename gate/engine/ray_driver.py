"""The process that uses Ray: joins or starts the cluster, holds the pool, and hands answers through a pipe.

Run as `python -m gate.engine.ray_driver DESCRIPTOR FOLDER` by `ray_process`, which also says why. The pipe's other end
is ours too: what comes through it is trusted. When it is closed, nobody wants anything any more.
"""

import os
import shutil
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from gate.engine.ray_cluster import cluster, divide, first_line
from gate.engine.ray_pool import WorkerPool
from gate.engine.ray_process import Job, Ready
from gate.engine.transformers_engine import TransformersEngine
from gate.errors import BrokenRun, GateError

_FIX = "Finished answers are kept: once the cluster is back, the same command continues."


def main() -> None:
    """Serve one run."""
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # noqa: FBT003  # it has no name; nothing that is started may keep it open
    from ray.exceptions import RayError

    folder = Path(sys.argv[2])
    with Connection(descriptor) as pipe:
        try:
            _serve(pipe, pipe.recv(), folder=folder)
        except GateError as problem:
            pipe.send(problem)
        except RayError as problem:
            pipe.send(BrokenRun(f"the Ray cluster was lost: {first_line(problem)}", fix=_FIX))
        except (EOFError, BrokenPipeError):  # whoever would clear up is dead
            shutil.rmtree(folder, ignore_errors=True)


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
