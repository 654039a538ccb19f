"""The recorded answers (`responses.jsonl`): one JSON object a line, written atomically, read with suspicion.

A row holds suite, case, arm, repeat, text, finish, tokens, error, score and why, in this order. `score` and `why`
are for people: whoever reads the file again computes them anew. This module must not know what an answer is worth.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gate.data.cases import Key
from gate.data.lines import BadLine, Row, complain, decode, json_rows, read_bytes, sentences, shown
from gate.domain import ArmName, Probe, Response, Score
from gate.errors import RecordsError

LARGEST_FILE_MIB = 1024
MOST_TOKENS = 100_000_000

_ARMS = frozenset(get_args(ArmName))


class ProbeRow(BaseModel):
    """A probe, as the file writes it; the fields mean what they mean in `gate.domain.Probe`."""

    model_config = ConfigDict(strict=True, extra="ignore")

    compared: Annotated[int, Field(ge=1, le=MOST_TOKENS)]
    agreed: Annotated[int, Field(ge=0, le=MOST_TOKENS)]
    first_divergence: Annotated[int, Field(ge=0, le=MOST_TOKENS)] | None = None
    mean_log_loss: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ResponseRow(BaseModel):
    """One answer, as the file writes it; the fields mean what they mean in `gate.domain.Response`."""

    model_config = ConfigDict(strict=True, extra="ignore")

    suite: str
    case: Key
    arm: ArmName
    repeat: Annotated[int, Field(ge=0)] = 0
    text: str | None = None
    finish: Literal["stop", "length", "error"] | None = None
    tokens: Annotated[int, Field(ge=0, le=MOST_TOKENS)] | None = None
    error: str | None = None
    scores: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
    probe: ProbeRow | None = None


_ROW = TypeAdapter(ResponseRow)


def read_responses(path: Path, *, torn_tail: bool = False) -> tuple[Response, ...]:
    """Read recorded answers; rows of other arms and keys that are not known are left aside.

    Args:
        path: A `responses.jsonl`.
        torn_tail: Whether to ignore a last line that does not end in a line feed, as an interrupted run leaves it.

    Returns:
        The answers in the order of the file; none if it is empty.

    Raises:
        RecordsError: The file cannot be read or has bad lines; all bad lines are listed.
    """
    label = str(path)
    data = read_bytes(path, label=label, largest_mib=LARGEST_FILE_MIB, error=RecordsError)
    if torn_tail:
        data = data[: data.rfind(b"\n") + 1]
    responses: list[Response] = []
    bad: list[BadLine] = []
    line_of: dict[tuple[str, str, str, int], int] = {}
    for row in json_rows(decode(data, label=label, error=RecordsError), allow_nul=True):
        if isinstance(row, BadLine):
            bad.append(row)
            continue
        try:
            response = _response(row.values)
        except ValidationError as refused:
            bad.append(BadLine(line=row.line, reason=sentences(refused)))
            continue
        except ValueError as refused:
            bad.append(BadLine(line=row.line, reason=str(refused)))
            continue
        if response is None:
            continue
        key = (response.suite, response.case, response.arm, response.repeat)
        if key in line_of:
            bad.append(BadLine(line=row.line, reason=f"answers the same as line {line_of[key]}: {_named(response)}"))
        else:
            line_of[key] = row.line
            responses.append(response)
    if bad:
        complain(bad, label=label, error=RecordsError)
    return tuple(responses)


def response_row(response: Response, score: Score | None) -> str:
    """Write one answer as one line of JSON, without the line feed.

    Args:
        response: The answer.
        score: What it is worth; None while that is not known, written as nulls.

    Returns:
        JSON in which half surrogate pairs, which UTF-8 cannot hold, are replaced.
    """
    row = {
        "suite": response.suite,
        "case": response.case,
        "arm": response.arm,
        "repeat": response.repeat,
        "text": response.text,
        "finish": response.finish,
        "tokens": response.tokens,
        "error": response.error,
        "score": None if score is None else score.value,
        "why": None if score is None else score.why,
    }
    if response.scores:  # what another tool said; without it the answer could not be scored again
        row["scores"] = dict(response.scores)
    if response.probe is not None:
        row["probe"] = asdict(response.probe)
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace").decode("utf-8")


def _response(values: Row) -> Response | None:
    """Turn one row into an answer; None if it belongs to an arm that is not compared here.

    Raises:
        ValueError: Something is missing, of the wrong type, or contradictory.
    """
    arm = values.get("arm")
    if isinstance(arm, str) and arm not in _ARMS:
        return None
    row = _ROW.validate_python({name: value for name, value in values.items() if value is not None})
    finish = row.finish or ("stop" if row.error is None else "error")
    if row.error is not None and finish != "error":
        raise ValueError(f"has an 'error' although 'finish' is '{finish}'")
    if row.text is None and finish != "error":
        raise ValueError("'text' is missing")
    return Response(
        suite=row.suite,
        case=row.case,
        arm=row.arm,
        repeat=row.repeat,
        text=row.text or "",
        finish=finish,
        tokens=row.tokens,
        error=row.error,
        scores=row.scores,
        probe=None if row.probe is None else Probe(**row.probe.model_dump()),
    )


def _named(response: Response) -> str:
    return f"case {shown(response.case)} of {shown(response.suite)}, arm {response.arm}, repeat {response.repeat}"
