"""How a cluster is divided among workers; no Ray takes part."""

import pytest

from gate.engine.ray_cluster import Node, Share, divide
from gate.errors import ConfigError


def nodes(*sizes: tuple[int, int]) -> list[Node]:
    return [Node(cpus=cpus, gpus=gpus) for cpus, gpus in sizes]


@pytest.mark.parametrize(
    ("machines", "device", "workers", "expected"),
    [
        (nodes((16, 4)), "auto", None, Share(workers=4, cpus=0, gpus=1)),
        (nodes((16, 4), (8, 2)), "cuda", 3, Share(workers=3, cpus=0, gpus=1)),
        (nodes((16, 4)), "cpu", None, Share(workers=1, cpus=16, gpus=0)),
        (nodes((2, 0)), "auto", 2, Share(workers=2, cpus=1, gpus=0)),
        (nodes((4, 0), (8, 0)), "auto", None, Share(workers=2, cpus=8 // 2, gpus=0)),
        (nodes((4, 0), (8, 0)), "auto", 5, Share(workers=5, cpus=2, gpus=0)),
        (nodes((0, 0), (8, 0)), "auto", None, Share(workers=1, cpus=8, gpus=0)),  # a head that computes nothing
    ],
)
def test_divide__one_worker_for_each_gpu_or_machine_unless_told(
    machines: list[Node], device: str, workers: int | None, expected: Share
) -> None:
    assert divide(machines, device=device, workers=workers) == expected


@pytest.mark.parametrize(
    ("machines", "device", "workers", "message"),
    [
        (nodes((16, 0)), "cuda", None, "no machine of the Ray cluster has a GPU"),
        (nodes((16, 2)), "auto", 3, "3 workers, but the Ray cluster has only 2 GPUs"),
        (nodes((1, 0), (1, 0)), "auto", 3, "3 workers, but the Ray cluster has only 2 CPUs"),
        (nodes((0, 0)), "auto", None, "1 workers, but the Ray cluster has only 0 CPUs"),
    ],
)
def test_divide__what_is_not_there_is_refused(
    machines: list[Node], device: str, workers: int | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        divide(machines, device=device, workers=workers)
