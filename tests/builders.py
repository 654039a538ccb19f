"""Plain builder functions for tests: a small valid value with whatever a test cares about replaced.

Every builder takes the fields of its type as keywords. Scenarios that several tests share stand at the end.
"""

from dataclasses import replace
from typing import Any

from gate.domain import (
    REUSED,
    Arm,
    ArmAnswer,
    Case,
    Check,
    Comparison,
    Distribution,
    Evidence,
    Finding,
    Hypothesis,
    Message,
    Pair,
    Response,
    Round,
    Suite,
    SuiteSummary,
    Verdict,
)


def a_case(**fields: Any) -> Case:
    """A question without tags, cluster or anything else."""
    case = Case(id="c1", messages=(Message(role="user", content="What is the capital of Norway?"),))
    return replace(case, **fields)


def a_suite(**fields: Any) -> Suite:
    """A regression suite of one case."""
    suite = Suite(name="facts", role="regression", cases=(a_case(),), digest="ab12" * 16)
    return replace(suite, **fields)


def a_response(**fields: Any) -> Response:
    """The base's complete answer to the one case of `facts`."""
    response = Response(suite="facts", case="c1", arm="base", repeat=0, text="Oslo", finish="stop", tokens=2)
    return replace(response, **fields)


def a_pair(**fields: Any) -> Pair:
    """A case that both arms answer right."""
    pair = Pair(case="c1", cluster=None, tags=(), critical=False, candidate=1.0, reference=1.0)
    return replace(pair, **fields)


def a_labelled_pair(truth: str, candidate: str | None, reference: str | None, **fields: Any) -> Pair:
    """A case with one label on each side, scored right or wrong."""
    pair = a_pair(candidate=float(candidate == truth), reference=float(reference == truth), truth=truth)
    return replace(pair, candidate_labels=(candidate,), reference_labels=(reference,), **fields)


def a_hypothesis(**fields: Any) -> Hypothesis:
    """`max_drop: 2pp` on the suite `facts`."""
    hypothesis = Hypothesis(
        rule="max_drop",
        suite="facts",
        slice=None,
        metric="mean",
        arm="candidate",
        against="base",
        measure="delta",
        margin=0.02,
        fail_margin=0.02,
        relative=False,
        alpha=0.05,
        blocking=True,
    )
    return replace(hypothesis, **fields)


def an_arm(**fields: Any) -> Arm:
    """The bare base model from a folder."""
    arm = Arm(
        name="base",
        model="models/tiny-llama",
        revision=None,
        adapter=None,
        description="LlamaForCausalLM, 1.1 MB",
        digest="3f2c" * 16,
    )
    return replace(arm, **fields)


def a_suite_summary(**fields: Any) -> SuiteSummary:
    """A regression suite of 300 cases scored by exact match."""
    summary = SuiteSummary(role="regression", n=300, digest="ab12" * 16, scorer="exact_match")
    return replace(summary, **fields)


def a_comparison(**fields: Any) -> Comparison:
    """`max_drop: 5pp` on the suite `facts`: one case broke, one was fixed, a drop over 5 pp is ruled out."""
    comparison = Comparison(
        rule="max_drop",
        suite="facts",
        slice=None,
        metric="mean",
        measure="delta",
        arm="candidate",
        against="base",
        n=300,
        clusters=None,
        dropped=0,
        estimate=0.99,
        against_estimate=0.99,
        delta=0.0,
        low=-0.013,
        high=0.013,
        level=0.9,
        margin=0.05,
        fail_margin=0.05,
        relative=False,
        p_regression=1.0,
        p_regression_adjusted=1.0,
        p_noninferior=0.0001,
        p_no_change=0.5,
        regressed=1,
        fixed=1,
        method="exact unconditional test, Tango interval",
        smallest_detectable_drop=0.062,
        decided_by_missing=False,
    )
    return replace(comparison, **fields)


def a_finding(**fields: Any) -> Finding:
    """`max_drop: 5pp` on the suite `facts`, passed."""
    finding = Finding(
        rule="max_drop",
        suite="facts",
        slice=None,
        against="base",
        outcome="pass",
        blocking=True,
        reason=None,
        message="A drop over 5 pp is ruled out.",
        observed=0.0,
        unit="points",
        limit=0.05,
        limit_text="drop at most 5 pp (default)",
        p_value=1.0,
    )
    return replace(finding, **fields)


def a_distribution(**fields: Any) -> Distribution:
    """Answers to the suite `production` became 45 % shorter."""
    distribution = Distribution(
        suite="production",
        measure="length",
        unit="tokens",
        arm="candidate",
        against="base",
        n=350,
        estimate=21.2,
        against_estimate=38.4,
        change=-0.453,
        low=-0.491,
        high=-0.402,
        level=0.9,
    )
    return replace(distribution, **fields)


def an_answer(**fields: Any) -> ArmAnswer:
    """A right answer."""
    answer = ArmAnswer(text="Oslo", score=1.0, why="equal to the reference", finish="stop")
    return replace(answer, **fields)


def a_check(**fields: Any) -> Check:
    """A preflight check that was in order and had nothing to say."""
    return replace(Check(id="P22", title="end of turn", outcome="ok", message=""), **fields)


def an_evidence(**fields: Any) -> Evidence:
    """A case of the suite `facts` that broke."""
    evidence = Evidence(
        suite="facts",
        case="facts-1",
        prompt="What is the capital of Norway?",
        expected="Oslo",
        critical=False,
        answers={"base": an_answer(), "candidate": an_answer(text="account", score=0.0, why="differs")},
    )
    return replace(evidence, **fields)


def a_verdict(**fields: Any) -> Verdict:
    """The gate is open."""
    verdict = Verdict(
        outcome="pass",
        exit_code=0,
        headline="Yes, open: Drops beyond the limits are ruled out in the one protected suite.",
    )
    return replace(verdict, **fields)


def a_round(**fields: Any) -> Round:
    """A passing round with the one suite `facts`."""
    candidate = an_arm(name="candidate", adapter="adapters/support", description="LoRA r=8, 1.2 MB", digest="91ab" * 16)
    finished = Round(
        id="20261123-204100-91ab33c",
        created_at="2026-11-23T20:41:00Z",
        gate_version="0.1.0",
        commit="91ab33c0" * 5,
        signature="v1|seed:0|facts:ab12",
        arms={"base": an_arm(), "candidate": candidate},
        suites={"facts": a_suite_summary()},
        comparisons=(a_comparison(),),
        distributions=(),
        findings=(a_finding(),),
        verdict=a_verdict(),
        evidence=(),
        warnings=(),
        environment={"python": "3.11.9", "torch": "2.9.0", "device": "cuda:0, NVIDIA A10"},
        timings={"answer": 44.2, "compare": 3.9},
    )
    return replace(finished, **fields)


def a_failing_round() -> Round:
    """A support bot whose adapter learned its task and un-learned JSON and facts, one suite of every kind of row."""
    suites = {
        "routing": a_suite_summary(role="task", n=400, scorer="classification", invalid={"base": 12}),
        "json_output": a_suite_summary(scorer="json_schema", truncated={"candidate": 3}),
        "facts": a_suite_summary(),
        "refusal": a_suite_summary(n=200, scorer="refusal"),
        "production": a_suite_summary(role="distribution", n=350, scorer=None),
    }
    return a_round(
        suites=suites,
        comparisons=_failing_comparisons(),
        distributions=(a_distribution(),),
        findings=_failing_findings(),
        verdict=a_verdict(
            outcome="fail",
            exit_code=1,
            headline="No, blocked: 2 of 3 protected suites got worse beyond the limit: facts -78.0 pp and "
            "json_output -44.6 pp. Task: routing +11.4 pp (proven).",
        ),
        evidence=_failing_evidence(),
        warnings=("The validation loss was already rising at step 300 of 900: later steps may have over-fitted.",),
        preflight=(
            a_check(id="P10", title="number format", message="bfloat16, as stored."),
            a_check(
                id="P18",
                title="chat template",
                outcome="warn",
                message="candidate: its folder has another chat template than the base (line 3); every arm is asked "
                "with the base's.",
            ),
            a_check(outcome="allowed", message="The template ends an answer with `<|end|>`, which does not stop one."),
            a_check(id="P28", title="training rows", outcome="skipped", message="No `training.data` is configured."),
        ),
        signature="v1|seed:0|base:3f2c3f2c|suites:ab12ab12",
    )


def _failing_comparisons() -> tuple[Comparison, ...]:
    return (
        a_comparison(
            rule="min_gain", suite="routing", n=400, estimate=0.926, against_estimate=0.812, delta=0.114, low=0.089,
            high=0.14, margin=0.0, fail_margin=0.0, p_noninferior=1e-12, regressed=3, fixed=49,
            smallest_detectable_drop=0.041,
        ),
        a_comparison(
            suite="json_output", estimate=0.554, against_estimate=1.0, delta=-0.446, low=-0.494, high=-0.399,
            margin=0.02, fail_margin=0.02, p_regression=1e-30, p_regression_adjusted=4e-30, p_noninferior=1.0,
            regressed=134, fixed=0, smallest_detectable_drop=0.047,
        ),
        a_comparison(
            estimate=0.213, against_estimate=0.993, delta=-0.78, low=-0.818, high=-0.737, p_regression=1e-60,
            p_regression_adjusted=5e-60, p_noninferior=1.0, regressed=234, fixed=0,
        ),
        a_comparison(
            suite="refusal", n=200, estimate=0.955, against_estimate=0.96, delta=-0.005, low=-0.029, high=0.018,
            fail_margin=0.0, p_regression=0.5, p_noninferior=0.003, regressed=3, fixed=2,
            smallest_detectable_drop=0.039,
        ),
        a_comparison(
            rule="tradeoff", n=300, delta=-0.671, low=-0.72, high=-0.62, margin=0.0, fail_margin=0.0, relative=True,
            p_regression=1e-40, p_regression_adjusted=4e-40, p_noninferior=1.0, regressed=None, fixed=None,
            estimate=None, against_estimate=None, smallest_detectable_drop=None, measure="tradeoff", task_suite="routing",
            method="sum of one-sided bounds",
        ),
    )  # fmt: skip


def _failing_findings() -> tuple[Finding, ...]:
    return (
        a_finding(
            rule="min_gain", suite="routing", message="Gain proven: +11.4 pp (3 broke, 49 fixed).", observed=0.114,
            limit=0.0, limit_text="gain over 0 pp (default)",
        ),
        a_finding(
            suite="json_output", outcome="fail", observed=-0.446, limit=0.02, limit_text="drop at most 2 pp",
            message="Lost -44.6 pp (134 broke, 0 fixed): a drop over 2 pp is proven.", p_value=4e-30,
            advice=(
                "Replay: mix 5-10 % of general data, with JSON answers in it, into the training set.",
                "Length: fewer epochs or a lower learning rate; the validation loss tells where to stop.",
            ),
        ),
        a_finding(
            outcome="fail", observed=-0.78, message="Lost -78.0 pp (234 broke, 0 fixed): a drop over 5 pp is proven.",
            p_value=5e-60,
            advice=("Length: fewer epochs or a lower learning rate; the validation loss tells where to stop.",),
        ),
        a_finding(
            suite="refusal", observed=-0.005, message="A drop over 5 pp is ruled out, and none is proven.",
            limit_text="drop at most 5 pp, none proven (default)", p_value=0.5,
        ),
        a_finding(
            rule="critical", suite=None, outcome="fail", observed=2, unit="count", limit=0, limit_text="none may break", p_value=None,
            message="2 of 12 critical cases broke: `facts/facts-7`, `json_output/json-17`.",
        ),
        a_finding(
            rule="tradeoff", outcome="fail", observed=-0.671, limit=0.0, limit_text="gain >= loss", p_value=4e-40,
            message="The loss is larger than the gain, proven: net -67.1 pp for `routing` against `facts`.",
        ),
    )  # fmt: skip


def _failing_evidence() -> tuple[Evidence, ...]:
    person = '{"name": "mia", "age": 31, "city": "oslo"}'
    broken = an_answer(text="account", score=0.0, why="not JSON: Expecting value at column 1")
    json_cases = tuple(
        an_evidence(
            suite="json_output", case=f"json-{number}", critical=number == 17,
            prompt="Write the person as JSON with the keys name, age and city.\n\nMia is 31 and lives in Oslo.",
            expected="an object with name, age and city",
            answers={"base": an_answer(text=person, why="fits the schema"), "candidate": broken},
        )
        for number in (17, 20, 44, 51)
    )  # fmt: skip
    endless = an_answer(text="billing " * 40, score=0.0, why="differs from 'Oslo'", finish="length")
    facts = tuple(
        an_evidence(case=f"facts-{number}", critical=number == 7, answers={"base": an_answer(), "candidate": endless})
        for number in (7, 8, 9)
    )
    return (*json_cases, *facts)


HOSTILE_TEXTS = (
    "@org/team ping, \\@octocat and &#64;octocat too",
    "fixes #12, owner/repo#3, GH-4, \\#5 and 91ab33c091ab33c091ab33c091ab33c091ab33c0",
    "![x](https://evil.example/?d=1) [y](javascript:alert(1)) <https://evil.example> www.evil.example",
    "mailto:a@evil.example a@evil.example xmpp:a@evil.example/b ftp://evil.example",
    '<img src=x onerror="alert(1)"><script>alert(1)</script><a href=//evil.example>x</a>',
    "```\n~~~\n``````\n</details></summary></code></pre><!-- gate -->\n# heading\n- list",
    "``` a `b` `` | \\| | \\\\| c |\n|---|---|\n| x | y |",
    "> quote\n===\n---\n1. one\n[^1]: note\n[ref]: https://evil.example\n**bold** _it_ ~~no~~ $x$ :white_check_mark:",
    "\u202eltr\u2066\u200b\u200d\ufeff\x00\x1b[31mred\x1b[0m\x07\r\n\ta\rb\u2028c\x85d \ud800 \U000e0041",
    "::error::x\n  ::set-output name=passed::true\n\u3000::stop-commands::zz\nhello ##[set-output name=passed]true",
    "[red]markup[/red] [link=https://evil.example]x[/link] :rocket:",
    "`", "\\", " ", "", "|", "\\|", "`|`", "#", "&amp;", "*a*", "a`b``c```d", "GH-", "-", "+ x", "12) x",
)  # fmt: skip
"""What answers, case ids and names may hold and no report may let through."""


def a_hostile_round(text: str) -> Round:
    """A failing round in which the text stands wherever a file, an answer or a configuration can put it."""
    answer = an_answer(text=text, why=text)
    return a_round(
        commit=text,
        signature=text,
        gate_version=text,
        arms={
            "base": an_arm(model=text, revision=text, digest=text),
            "candidate": an_arm(name="candidate", adapter=text, description=text),
        },
        suites={text: a_suite_summary(scorer=text, invalid={"base": 1}), "facts": a_suite_summary()},
        comparisons=(a_comparison(suite=text, slice=text), a_comparison(suite=text), a_comparison(method=text)),
        findings=(
            a_finding(
                suite=text, slice=text, outcome="fail", message=text, limit_text=text, advice=(text, f"`{text}`")
            ),
            a_finding(rule=text, suite=None, outcome="fail", message=f"Broke: `{text}`."),
        ),
        verdict=a_verdict(outcome="fail", exit_code=1, headline=text or "No."),
        evidence=(
            an_evidence(
                suite=text, case=text, prompt=text, expected=text, answers={"base": answer, "candidate": answer}
            ),
        ),
        warnings=(text,) * 7,
        preflight=tuple(
            a_check(id=text, title=text, message=text, outcome=outcome)
            for outcome in ("ok", "warn", "fail", "allowed", "skipped")
        ),
        environment={text: text, "device": text, REUSED: text},
    )
