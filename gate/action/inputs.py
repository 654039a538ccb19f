"""The inputs of the Action as the launcher hands them over: variables, each checked, each named as in a workflow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gate.errors import UsageError
from gate.report.marker import marker

Text = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]*$")]
_LONGEST_MINUTES = 60 * 24 * 7
_SHOWN_CHARACTERS = 60


class _Inputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=lambda name: name.replace("_", "-"))

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read the inputs from variables such as `GATE_FAIL_ON`; an empty value is none.

        Raises:
            UsageError: An input cannot be what it says; named as in the workflow.
        """
        given: dict[str, Any] = {}
        for field in cls.model_fields:
            if value := environ.get(f"GATE_{field.upper()}", ""):
                given[field.replace("_", "-")] = value
        try:
            return cls.model_validate(given)
        except ValidationError as problem:
            lines = [
                f"input `{error['loc'][0]}`: {str(error['input'])[:_SHOWN_CHARACTERS]!r}: "
                f"{error['msg'][0].lower()}{error['msg'][1:]}"
                for error in problem.errors(include_url=False)
            ]
            raise UsageError("\n".join(lines)) from None


class Inputs(_Inputs):
    """What a workflow says `with:`, as far as the steps that judge need it."""

    config: Text = "gate.yaml"
    candidate_ref: Text | None = None
    config_ref: Text | None = None
    adapter: Text | None = None
    fail_on: Literal["regression", "inconclusive", "never"] | None = None
    gpus: Annotated[str, Field(pattern=r"^(all|none|[1-9][0-9]?|device=[A-Za-z0-9:/,_-]{1,200})$")] = "all"
    timeout_minutes: Annotated[float, Field(gt=0, le=_LONGEST_MINUTES, allow_inf_nan=False)] | None = None
    allow_pull_request_target: bool = False


class Telling(_Inputs):
    """What a workflow says `with:` about telling the result."""

    comment: Literal["sticky", "new", "off"] | None = None
    comment_id: Text | None = None
    pr_number: Annotated[int, Field(ge=1)] | None = None
    check_run: bool = False

    @field_validator("comment_id")
    @classmethod
    def _marks_a_comment(cls, comment_id: str | None) -> str | None:
        marker(comment_id)
        return comment_id


def folder_of(environ: Mapping[str, str], name: str) -> Path:
    """The folder that a variable names.

    Raises:
        UsageError: It names none.
    """
    value = environ.get(name, "")
    if not value or not Path(value).is_absolute():
        raise UsageError(f"{name} names no folder.", fix="The Action sets it; elsewhere, use gate run.")
    return Path(value)
