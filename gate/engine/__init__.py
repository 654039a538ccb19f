"""From cases to answers. The only room that knows torch, and it imports it only when a model is needed."""

from typing import Annotated

from pydantic import Discriminator, Tag

from gate.engine.ray_engine import RayEngine
from gate.engine.replay_engine import ReplayEngine
from gate.engine.server import ServerEngine
from gate.engine.transformers_engine import TransformersEngine


def _kind(section: object) -> str:
    """The kind that a section of the configuration names; `transformers` where it names none."""
    kind = section.get("kind", "transformers") if isinstance(section, dict) else getattr(section, "kind", "")
    return str(kind)


AnyEngine = Annotated[
    Annotated[TransformersEngine, Tag("transformers")]
    | Annotated[ServerEngine, Tag("server")]
    | Annotated[RayEngine, Tag("ray")]
    | Annotated[ReplayEngine, Tag("replay")],
    Discriminator(_kind),
]
"""Every backend. Adding one is a class and its name here."""

__all__ = ["AnyEngine", "RayEngine", "ReplayEngine", "ServerEngine", "TransformersEngine"]
