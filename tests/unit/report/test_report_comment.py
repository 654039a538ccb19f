import re
from dataclasses import replace

import pytest
from builders import (
    a_failing_round,
    a_finding,
    a_round,
    a_suite_summary,
    a_verdict,
    an_answer,
    an_evidence,
)
from github_page import Page

from gate.domain import Round, VerdictOutcome
from gate.report import LIMIT_CHARACTERS, MARKER, Judged, Links, Problem, comment, markdown, summary, terminal

OURS = "<!-- gate: support-bot -->"
LINKS = Links(run="https://github.com/o/r/actions/runs/1", commit=f"https://github.com/o/r/commit/{'91ab33c0' * 5}")
BROKEN = Problem(step="answer", exit_code=4, message="the disk is full\n  Make room.")
REFUSED = Problem(step="answer", exit_code=3, message="gate.yaml:4:7: unknown key")
STOPPED = Problem(step="compare", exit_code=130, message="stopped")


def judged(*results: Round | Problem) -> list[Judged]:
    return [Judged(adapter=f"adapters/{name}", result=one) for name, one in zip("abcdefgh", results, strict=False)]


def with_verdict(outcome: VerdictOutcome) -> Round:
    return a_round(verdict=a_verdict(outcome=outcome, headline=f"It is {outcome}."))


def long_round(characters: int, **fields: object) -> Round:
    answer = an_answer(text="a" * characters, why="w" * characters)
    case = an_evidence(prompt="p" * characters, answers={"base": answer, "candidate": answer})
    return a_round(evidence=tuple(replace(case, case=f"c{number:02}") for number in range(30)), **fields)


def test_comment__one_round_reads_as_its_report() -> None:
    round_ = a_failing_round()
    assert comment(judged(round_), marker=MARKER) == markdown(round_)


def test_comment__the_marker_is_the_first_line() -> None:
    for rounds in ([], judged(a_round()), judged(a_round(), BROKEN), judged(BROKEN)):
        written = comment(rounds, marker=OURS)
        assert written.split("\n")[:2] == [OURS, ""]
        assert written.count(OURS) == 1


@pytest.mark.parametrize(
    "marker", ["", "gate", "<!-- a --> b", "<!-- a\nb -->", "<!-- a --><!-- b -->", "<!-- --> x -->"]
)
def test_comment__refuses_a_marker_that_would_show(marker: str) -> None:
    with pytest.raises(ValueError, match="is not what gate.report.marker writes"):
        comment([], marker=marker)


def test_comment__nothing_to_gate_is_short_and_neutral() -> None:
    written = comment([], marker=OURS, links=LINKS, notes=["`adapters/` is empty."])
    assert "> [!NOTE]\n> **Nothing to gate: no adapter was changed.**\n\n- 📌 `adapters/` is empty.\n" in written
    assert written.count("\n") < 12


def test_comment__notes_stand_between_headline_and_figures() -> None:
    written = comment(judged(a_round()), marker=OURS, notes=["This changes `gate.yaml`.", "Bootstrap mode."])
    assert "protected suite.**\n\n- 📌 This changes `gate.yaml`.\n- 📌 Bootstrap mode.\n\n|" in written


def test_comment__the_worst_adapter_comes_first() -> None:
    rounds = judged(
        a_round(), with_verdict("inconclusive"), with_verdict("fail"), with_verdict("error"), REFUSED, BROKEN
    )
    written = comment(rounds, marker=OURS)
    assert re.findall("^### (.+)$", written, re.MULTILINE) == [
        "🛑 `adapters/f`", "🛑 `adapters/e`", "🛑 `adapters/d`", "❌ `adapters/c`", "❔ `adapters/b`", "✅ `adapters/a`",
    ]  # fmt: skip
    assert "> [!IMPORTANT]\n> **No: of 6 adapters, 3 not judged, 1 blocked, 1 undecided and 1 open.**" in written


@pytest.mark.parametrize(
    ("outcome", "headline"),
    [
        ("pass", "> [!TIP]\n> **Yes: all 2 adapters are open.**"),
        ("fail", "> [!CAUTION]\n> **No: all 2 adapters are blocked.**"),
        ("inconclusive", "> [!WARNING]\n> **Cannot tell: all 2 adapters are undecided.**"),
    ],
)
def test_comment__several_that_agree_are_one_sentence(outcome: VerdictOutcome, headline: str) -> None:
    assert headline in comment(judged(with_verdict(outcome), with_verdict(outcome)), marker=OURS)


def test_comment__the_overview_says_what_did_not_pass() -> None:
    findings = [a_finding(rule=f"rule{number}", outcome="fail", observed=-0.1) for number in range(6)]
    free = a_finding(rule="free", outcome="fail", blocking=False)
    failed = replace(with_verdict("fail"), findings=(*findings, free))
    overview = comment(judged(failed, a_round(), BROKEN), marker=OURS).split("###")[0]
    assert "| 🛑 | `adapters/c` | not judged | answer, exit code 4 |" in overview
    assert "| ❌ | `adapters/a` | blocked | rule0: facts (-10.0 pp), rule1: facts (-10.0 pp), " in overview
    assert ", rule3: facts (-10.0 pp), 2 more |" in overview
    assert "| ✅ | `adapters/b` | open |  |" in overview


@pytest.mark.parametrize(
    ("problem", "why", "remedy"),
    [
        (
            BROKEN,
            "the step answer ended with exit code 4, the run broke.",
            "Run the job again; if it breaks in the same way",
        ),
        (
            REFUSED,
            "the step answer ended with exit code 3, the request is wrong.",
            "Mend what is named above, then push",
        ),
        (STOPPED, "the step compare ended with exit code 130, it was stopped.", "Run the job again: it was stopped"),
        (replace(STOPPED, exit_code=9), "ended with exit code 9, it did not end as it should.", "Run the job again; "),
    ],
)
def test_comment__a_problem_says_what_happened_and_what_to_do(problem: Problem, why: str, remedy: str) -> None:
    written = comment(judged(problem), marker=OURS)
    assert "> [!IMPORTANT]\n> **`adapters/a` could not be judged: " in written
    assert why in written
    assert f"**Next:** {remedy}" in written
    assert problem.message + "\n" in Page(written).code


def test_comment__a_problem_before_any_adapter_was_known() -> None:
    written = comment([Judged(adapter=None, result=REFUSED)], marker=OURS)
    assert "> **The candidate could not be judged: the step answer" in written


def test_comment__links_only_where_there_are_some() -> None:
    assert Page(comment(judged(a_round()), marker=OURS)).addresses == []
    page = Page(comment(judged(a_round()), marker=OURS, links=LINKS))
    assert page.addresses == [LINKS.run, LINKS.commit]
    assert "run and artifacts · commit  · gate 0.1.0 · 48 s" in page.text.replace("91ab33c", "")
    other = Page(comment(judged(a_round(commit="0" * 40)), marker=OURS, links=LINKS))
    assert other.addresses == [LINKS.run]


def test_comment__without_texts_only_ids_and_scores_are_shown() -> None:
    # The texts are still in this round, as in one that somebody edited.
    answer = an_answer(text="SECRET", why="SECRET")
    evidence = an_evidence(prompt="SECRET", expected="SECRET", answers={"base": answer, "candidate": answer})
    round_ = a_round(evidence=(evidence,), texts=False, verdict=a_verdict(outcome="fail"))
    for written in (comment(judged(round_), marker=OURS), summary(judged(round_)), markdown(round_), terminal(round_)):
        assert "SECRET" not in written
        assert "facts-1" in written
    assert "Read the case below; the texts are only in `responses.jsonl`" in markdown(round_)


def test_comment__too_long_a_round_does_not_silence_the_others() -> None:
    rounds = judged(*(long_round(4_000, warnings=("w" * 900,) * 30) for _ in range(4)), a_failing_round())
    written = comment(rounds, marker=OURS)
    assert len(written) <= LIMIT_CHARACTERS
    short = written[written.index("### ❌ `adapters/e`") : written.index("### ✅")]
    assert "would be too long" not in short
    assert "| answer | `{" in short
    assert written.count("would be too long for a comment") == 4


@pytest.mark.parametrize("limit", [60_000, 30_000, 12_000, 6_000, 3_000, 1_500, 900])
def test_comment__marker_and_verdicts_survive_every_limit(limit: int) -> None:
    rounds = judged(long_round(4_000), a_failing_round(), BROKEN)
    written = comment(rounds, marker=OURS, links=LINKS, limit=limit, notes=["This changes `gate.yaml`."])
    assert len(written) <= limit
    assert written.startswith(
        f"{OURS}\n\n> [!IMPORTANT]\n> **No: of 3 adapters, 1 not judged, 1 blocked and 1 open.**\n"
    )
    for name, state in (
        ("a", "✅ | `adapters/a` | open"),
        ("b", "❌ | `adapters/b` | blocked"),
        ("c", "🛑 | `adapters/c`"),
    ):
        assert state in written, name
    page = Page(written)
    assert page.tags.count("details") == page.tags.count("summary")


@pytest.mark.parametrize("notes", [1, 100])
@pytest.mark.parametrize("results", [[], [a_round()], [BROKEN], [a_round(), BROKEN]])
@pytest.mark.parametrize("limit", [60_000, 1_500])
def test_comment__no_note_pushes_out_what_the_publisher_must_say(
    notes: int, results: list[Round | Problem], limit: int
) -> None:
    caution = "The numbers come from a run of the fork."
    written = comment(
        judged(*results), marker=OURS, cautions=[caution], notes=["@" * 4_096] * notes, links=LINKS, limit=limit
    )
    assert len(written) <= limit
    assert caution in written
    if limit == LIMIT_CHARACTERS:
        assert ("And 90 more notes" in written) is (notes == 100)
        assert "would be too long" not in written


def test_comment__what_is_said_above_is_not_said_again_as_a_warning() -> None:
    said = ("Its own configuration.", "Changed here.")
    results = judged(a_round(warnings=(*said, "Something else.")), BROKEN)
    for rounds in (results, results[:1]):
        written = comment(rounds, marker=OURS, cautions=said[:1], notes=said[1:])
        assert [written.count(one) for one in (*said, "Something else.")] == [1, 1, 1]


def test_comment__so_many_adapters_that_not_even_their_names_fit() -> None:
    rounds = [Judged(adapter=f"adapters/{number:04}", result=a_round()) for number in range(1_500)]
    written = comment([*rounds, Judged(adapter="adapters/bad", result=BROKEN)], marker=OURS)
    assert len(written) <= LIMIT_CHARACTERS
    assert "of 1501 adapters, 1 not judged and 1500 open" in written
    assert "| 🛑 | `adapters/bad` |" in written
    shown = written.count("| open |")
    assert shown > 500
    assert f"And {1_500 - shown:,} adapters more, none of them worse." in written


def test_comment__bytes_are_limited_too() -> None:
    rounds = judged(*(a_round(warnings=("東" * 900,) * 8) for _ in range(8)), *(a_failing_round(),))
    written = comment([*rounds, *rounds, *rounds, *rounds], marker=OURS, limit=1_000_000)
    assert len(written.encode()) <= 262_144


def test_comment__same_rounds_same_text() -> None:
    assert comment(judged(a_failing_round(), BROKEN), marker=OURS) == comment(
        judged(a_failing_round(), BROKEN), marker=OURS
    )


def test_summary__shows_every_case_and_has_no_marker() -> None:
    written = summary(judged(long_round(10)))
    assert written.startswith("> [!TIP]")
    assert "<!--" not in written
    assert written.count("| answer |") == 30
    assert comment(judged(long_round(10)), marker=OURS).count("| answer |") == 10


def test_summary__stays_under_its_limit_in_bytes() -> None:
    rounds = judged(*(long_round(3_000) for _ in range(8)))
    assert 300_000 < len(summary(rounds).encode()) <= 1_000_000
    written = summary(rounds, limit=50_000)
    assert len(written.encode()) <= 50_000
    assert "too long for a job summary" in written


def test_summary__suites_of_several_adapters_stand_apart() -> None:
    other = a_round(suites={"lists": a_suite_summary()}, comparisons=(), findings=())
    written = summary(judged(a_round(), other))
    assert written.index("### ✅ `adapters/a`") < written.index("| facts ") < written.index("### ✅ `adapters/b`")
    assert written.index("### ✅ `adapters/b`") < written.index("| lists ")
