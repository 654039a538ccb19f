"""The server backend against a fake vLLM with every fault that a server is known for."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_server import Asked, Said, free_port, serving
from fake_vllm import BASE, FakeVllm, error, fake_vllm

from gate.domain import ArmName, Message, Response
from gate.engine import ServerEngine
from gate.engine.base_model import BaseFolder
from gate.engine.server_session import FAILURES_IN_A_ROW, ServerSession
from gate.engine.session import AdapterFiles, Prompt, Question, Request, Settings
from gate.errors import AdapterRefused, BrokenRun, CasesError, ConfigError
from gate.transport.http import Clock

KEY = "sk-very-secret-0123456789"
DIGEST = "0123456789abcdef" * 4
NAME = "gate-0123456789ab"
NO_PAUSES = Clock(sleep=lambda seconds: None)


@pytest.fixture
def vllm() -> Iterator[FakeVllm]:
    with fake_vllm() as fake:
        yield fake


def an_engine(vllm: FakeVllm | str, **options: Any) -> ServerEngine:
    url = vllm if isinstance(vllm, str) else f"{vllm.http.origin}/v1"
    return ServerEngine.model_validate({"kind": "server", "url": url, "timeout_seconds": 5, **options})


def a_request(
    cases: int = 6, *, template: str = "chat", incumbent: bool = False, prompted: bool = False, **changes: Any
) -> Request:
    questions = [
        Question(suite="s", case=f"c{index}", messages=(Message(role="user", content=f"Frage {index} ü"),), max_new_tokens=40)
        for index in range(cases)
    ]  # fmt: skip
    names: list[ArmName] = ["incumbent", "candidate"] if incumbent else ["candidate"]
    adapters = {
        name: AdapterFiles(
            path=Path("/models") / name, name=name, tensor_names=frozenset(), description="LoRA", digest=digest
        )
        for name, digest in zip(names, [DIGEST[::-1], DIGEST] if incumbent else [DIGEST], strict=True)
    }
    settings = {"dtype": "auto", "template": template, "template_kwargs": {}} | changes.pop("settings", {})
    around = [
        Question(suite=q.suite, case=q.case, max_new_tokens=40,
                 messages=(Message(role="system", content="Be kind."), *q.messages)) for q in questions
    ]  # fmt: skip
    parts: dict[str, Any] = {
        "adapters": adapters,
        "questions": questions,
        "prompted": around if prompted else None,
        "prompted_digest": "d" if prompted else None,
        "settings": Settings(**settings),  # type: ignore[arg-type]
        "base_name": BASE,
    }
    return Request(**parts | changes)


def a_session(vllm: FakeVllm | str, request: Request | None = None, **options: Any) -> ServerSession:
    return an_engine(vllm, **options).session(request or a_request(), clock=NO_PAUSES)


def ask(session: ServerSession, arm: ArmName = "base") -> list[Response]:
    return [one for batch in session.batches[arm] for one in session.answer(arm, batch, repeat=0)]


def faulty(vllm: FakeVllm, said: Said, *, case: str = "Frage 3 ü") -> None:
    """One case gets this reply, whenever it is asked for in full."""
    vllm.fault = lambda asked, model, prompt: said if prompt == case and not asked.content.get("logprobs") else None


def test_session__each_arm_is_what_it_is_called(vllm: FakeVllm) -> None:
    with a_session(vllm) as session:
        assert [one.text for one in ask(session, "base")] == [f"FRAGE {index} Ü" for index in range(6)]
        assert [one.text for one in ask(session, "candidate")] == [f"ü {index} egarF" for index in range(6)]
        assert [(one.case, one.finish, one.tokens) for one in ask(session)] == [(f"c{i}", "stop", 7) for i in range(6)]
        assert list(session.arms) == ["base", "candidate"]
        assert (session.arms["base"].digest, session.arms["candidate"].digest) == (None, DIGEST)
        assert session.arms["candidate"].adapter == "candidate"
        assert session.environment["server"] == vllm.http.origin.removeprefix("http://")
        assert session.environment["server_version"] == "0.19.1"
        assert session.environment["dtype"] == "unknown"
        assert [(one.id, one.outcome) for one in session.checks] == [("P12", "ok")]
        assert vllm.loaded == {NAME: "/models/candidate"}
    assert vllm.loaded == {}


def test_session__what_a_chat_request_says(vllm: FakeVllm) -> None:
    request = a_request(1, settings={"template_kwargs": {"enable_thinking": False}})
    with a_session(vllm, request, stop=["\n\n"], extra_body={"min_p": 0.0}) as session:
        ask(session)
    assert vllm.answers_of(BASE)[-1] == {
        "model": BASE,
        "messages": [{"role": "user", "content": "Frage 0 ü"}],
        "temperature": 0.0,
        "max_tokens": 40,
        "repetition_penalty": 1.0,
        "chat_template_kwargs": {"enable_thinking": False},
        "stop": ["\n\n"],
        "min_p": 0.0,
    }


def test_session__drawn_answers_have_the_seed_of_their_case_and_repeat(vllm: FakeVllm) -> None:
    request = a_request(2, settings={"temperature": 0.7, "repeats": 2})
    with a_session(vllm, request, max_tokens_field="max_completion_tokens") as session:
        began = len(vllm.http.asked)
        for arm in session.arms:
            for repeat in (0, 1):
                session.answer(arm, session.batches[arm][0], repeat=repeat)
    asked = [one.content for one in vllm.http.asked[began:] if "completions" in one.path]
    seeds = {name: sorted(one["seed"] for one in asked if one["model"] == name) for name in (BASE, NAME)}
    assert seeds[BASE] == seeds[NAME]
    assert len(set(seeds[BASE])) == 4
    assert {(one["temperature"], one["top_p"], one["max_completion_tokens"]) for one in asked} == {(0.7, 1.0, 40)}


def test_session__raw_prompts_go_to_completions(vllm: FakeVllm) -> None:
    with a_session(vllm, a_request(2, template="raw", prompted=True)) as session:
        assert [one.text for one in ask(session)] == ["FRAGE 0 Ü", "FRAGE 1 Ü"]
        assert [one.text for one in ask(session, "prompted")] == ["BE KIND.\n\nFRAGE 0 Ü", "BE KIND.\n\nFRAGE 1 Ü"]
    assert {one.path for one in vllm.http.asked if "completions" in one.path} == {"/v1/completions"}


def test_session__a_conversation_needs_a_template(vllm: FakeVllm) -> None:
    turns = (Message(role="user", content="a"), Message(role="assistant", content="b"))
    question = Question(suite="s", case="c", messages=turns, max_new_tokens=4)
    with pytest.raises(CasesError, match="2 messages"):
        a_session(vllm, a_request(template="raw", questions=[question]))
    assert vllm.was_loaded == []


def test_session__four_arms_two_adapters_each_under_its_digest(vllm: FakeVllm) -> None:
    with a_session(vllm, a_request(incumbent=True, prompted=True)) as session:
        assert list(session.arms) == ["base", "incumbent", "prompted", "candidate"]
        assert set(vllm.loaded) == {NAME, f"gate-{DIGEST[::-1][:12]}"}
        assert len(session.checks) == 2
        ask(session, "prompted")
        assert vllm.answers_of(BASE)[-1]["messages"][0] == {"role": "system", "content": "Be kind."}
    assert vllm.loaded == {}


def test_session__the_path_is_the_servers(vllm: FakeVllm) -> None:
    with a_session(vllm, paths={"/models": "/mnt/m", "/": "/host"}):
        assert vllm.loaded == {NAME: "/mnt/m/candidate"}


@pytest.mark.parametrize("knows_inplace", [True, False])
def test_session__an_adapter_that_a_crashed_run_left_is_no_obstacle(vllm: FakeVllm, knows_inplace: bool) -> None:
    vllm.loaded[NAME], vllm.knows_inplace = "/old", knows_inplace
    with a_session(vllm) as session:
        assert ask(session, "candidate")[0].text == "ü 0 egarF"
        assert vllm.was_loaded == ([NAME] if knows_inplace else [])
    assert vllm.loaded == {}


def test_session__an_adapter_that_somebody_unloads_is_loaded_again(vllm: FakeVllm) -> None:
    with a_session(vllm) as session:
        vllm.loaded.clear()
        assert {one.finish for one in ask(session, "candidate")} == {"stop"}
    assert vllm.loaded == {}


def test_session__an_adapter_that_is_gone_in_the_end_is_fine(vllm: FakeVllm, caplog: pytest.LogCaptureFixture) -> None:
    with a_session(vllm):
        vllm.loaded.clear()
    assert not caplog.records


def test_session__unloaded_when_something_breaks(vllm: FakeVllm) -> None:
    with pytest.raises(RuntimeError, match="elsewhere"), a_session(vllm):
        raise RuntimeError("elsewhere")
    assert vllm.loaded == {}


def test_session__unloaded_when_interrupted_in_an_answer(vllm: FakeVllm) -> None:
    release = threading.Event()

    def interrupt(asked: Asked, model: str, prompt: str) -> None:
        if prompt == "Frage 0 ü":
            signal.raise_signal(signal.SIGINT)
        release.wait(20)

    session = a_session(vllm)
    vllm.fault = interrupt
    with pytest.raises(KeyboardInterrupt), session:
        ask(session)
    release.set()
    assert vllm.loaded == {}


@pytest.mark.parametrize("template", ["chat", "raw"])
@pytest.mark.parametrize(("logprobs", "wobble"), [(True, 0.0), (True, 0.02), (False, 0.0)])
def test_session__a_server_that_serves_the_base_is_found_out(
    vllm: FakeVllm, template: str, logprobs: bool, wobble: float
) -> None:
    vllm.ignores_adapters, vllm.logprobs, vllm.wobble = True, logprobs, wobble
    with pytest.raises(AdapterRefused, match="answers with the base in place of the candidate"):
        a_session(vllm, a_request(template=template))
    assert vllm.was_loaded == [NAME]
    assert vllm.loaded == {}
    request = a_request(template=template, allow=frozenset({"P12"}))
    with a_session(vllm, request) as session:
        assert [one.outcome for one in session.checks] == ["allowed"]


def test_session__a_server_without_log_probabilities_is_judged_by_its_texts(vllm: FakeVllm) -> None:
    def no_logprobs(asked: Asked, model: str, prompt: str) -> Said | None:
        return error(400, "logprobs is not supported") if "logprobs" in asked.content else None

    vllm.fault = no_logprobs
    with a_session(vllm) as session:
        assert session.checks[0].outcome == "ok"
        assert "no log-probabilities" in session.checks[0].message


def test_session__a_prompt_that_cannot_be_probed_is_passed_over(vllm: FakeVllm) -> None:
    vllm.fault = lambda asked, model, prompt: error(400, "too long") if prompt == "Frage 0 ü" else None
    with a_session(vllm) as session:
        assert "on 5 prompts" in session.checks[0].message
        assert [one.finish for one in ask(session)] == ["error", *["stop"] * 5]
    vllm.fault = lambda asked, model, prompt: error(400, "too long")
    with pytest.raises(BrokenRun, match="answers none of the first prompts: HTTP 400: too long"):
        a_session(vllm)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (error(400, "maximum context length is 8"), "HTTP 400: maximum context length is 8"),
        (error(503, "warming up"), "HTTP 503: warming up"),
        (Said(raw=b'{"choices": [{"mess'), "the reply is not JSON"),
        (Said(raw=b"[" * 100_000), "the reply is not JSON"),
        (Said(raw=b"\xff\xfe"), "the reply is not JSON"),
        (Said(content=[]), "the reply has no `choices`"),
        (Said(content={"choices": []}), "the reply has no `choices`"),
        (Said(content={"choices": ["text"]}), "the reply has no `choices`"),
        (Said(content={"choices": [{"message": "text"}]}), "the reply has no `message`"),
        (Said(content={"choices": [{"message": {"content": ["a"]}}]}), "the answer is not a text"),
        (Said(content={"choices": [{"message": {"content": "x"}, "finish_reason": 7}]}), "an unknown reason (7)"),
        (Said(content={"choices": [{"message": {"content": "x"}}]}), "an unknown reason (None)"),
        (Said(content={"choices": [{"message": {"content": "x"}, "finish_reason": "content_filter"}]}), "content filter"),
        (Said(content={"choices": [{"message": {"content": "x"}, "finish_reason": "tool_calls"}]}), "tool call"),
        (Said(raw=b"x" * 17_000_000), "sent more than 16,777,216 bytes"),
        (Said(content={"choices": []}, cut=True), "broke off"),
        (Said(reset=True), "broke off"),
        (Said(302, headers={"location": "http://elsewhere.example/"}), "redirects"),
    ],
)  # fmt: skip
def test_answer__a_case_without_an_answer_says_why_and_the_run_goes_on(vllm: FakeVllm, said: Said, reason: str) -> None:
    with a_session(vllm) as session:
        faulty(vllm, said)
        answers = ask(session)
    assert [one.finish for one in answers] == ["stop", "stop", "stop", "error", "stop", "stop"]
    assert reason in str(answers[3].error)
    assert answers[3].text == ""


@pytest.mark.parametrize(
    ("content", "finish", "usage", "expected"),
    [
        ("half a", "length", {"completion_tokens": 40}, ("half a", "length", 40)),
        ("naïve 🦆 \u202e", "stop", {"completion_tokens": True}, ("naïve 🦆 \u202e", "stop", None)),
        ("a \ud800 b", "stop", {"completion_tokens": -1}, ("a \ufffd\ufffd\ufffd b", "stop", None)),
        (None, "length", "many", ("", "length", None)),
        ("one END two", "stop", {"completion_tokens": 3.5}, ("one ", "stop", None)),
    ],
)
def test_answer__what_a_server_may_say(
    vllm: FakeVllm, content: object, finish: str, usage: object, expected: tuple[str, str, int | None]
) -> None:
    with a_session(vllm, stop=["END"]) as session:
        vllm.fault = lambda asked, model, prompt: vllm.answer(asked, content, finish=finish, usage=usage)
        one = ask(session)[0]
    assert (one.text, one.finish, one.tokens) == expected


def test_answer__passing_troubles_leave_no_trace(vllm: FakeVllm) -> None:
    seen: set[str] = set()

    def first_time(asked: Asked, model: str, prompt: str) -> Said | None:
        if prompt in seen or asked.content.get("logprobs"):
            return None
        seen.add(prompt)
        troubles = [error(429, "slow down"), error(503, "busy"), Said(reset=True), Said(content={}, cut=True)]
        return troubles[int(prompt.split()[1]) % 4]

    with a_session(vllm) as session:
        vllm.fault = first_time
        assert [one.text for one in ask(session)] == [f"FRAGE {index} Ü" for index in range(6)]
    assert len(seen) == 6


def test_answer__a_case_that_takes_too_long_is_an_error_of_that_case(vllm: FakeVllm) -> None:
    done = threading.Event()

    def slow(asked: Asked, model: str, prompt: str) -> None:
        if prompt == "Frage 2 ü":
            done.wait(20)

    with a_session(vllm, timeout_seconds=0.3) as session:
        vllm.fault = slow
        answers = ask(session)
        done.set()
    assert [one.case for one in answers if one.finish == "error"] == ["c2"]
    assert "took longer than 0.3 s" in str(answers[2].error)


def test_answer__a_server_that_fails_again_and_again_ends_the_run(vllm: FakeVllm) -> None:
    session = a_session(vllm, a_request(20))
    vllm.fault = lambda asked, model, prompt: error(500, "out of memory")
    message = f"{FAILURES_IN_A_ROW} answers in a row could not be had; the last: HTTP 500"
    with pytest.raises(BrokenRun, match=message), session:
        ask(session)
    assert vllm.loaded == {}


def test_answer__a_server_that_is_gone_ends_the_run(caplog: pytest.LogCaptureFixture) -> None:
    with fake_vllm() as vllm:
        session = a_session(vllm)
        answers = ask(session)
    with pytest.raises(BrokenRun, match="cannot be reached: Connection refused") as raised, session:
        ask(session, "candidate")
    assert {one.finish for one in answers} == {"stop"}
    assert "the same command continues" in str(raised.value)
    assert "may still be loaded" in caplog.text


def test_answer__a_used_up_quota_ends_the_run_at_once(vllm: FakeVllm) -> None:
    used_up = Said(429, {"error": {"code": "insufficient_quota", "message": "You exceeded your quota"}})
    session = a_session(vllm, concurrency=1)
    began = len(vllm.http.asked)
    vllm.fault = lambda asked, model, prompt: used_up
    with pytest.raises(BrokenRun, match="quota is used up"), session:
        ask(session)
    assert len([one for one in vllm.http.asked[began:] if "completions" in one.path]) == 1


@pytest.mark.parametrize("width", [1, 3])
def test_answer__never_more_at_once_than_configured(vllm: FakeVllm, width: int) -> None:
    together = threading.Barrier(width)

    def wait_for_others(asked: Asked, model: str, prompt: str) -> None:
        together.wait(10)

    with a_session(vllm, a_request(12), concurrency=width) as session:
        assert vllm.http.most_at_once == 1
        vllm.fault = wait_for_others
        assert {one.finish for one in ask(session)} == {"stop"}
    assert vllm.http.most_at_once == width


def test_key__stands_in_the_header_and_nowhere_else(
    vllm: FakeVllm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("MY_KEY", KEY + "\n")
    with a_session(vllm, key_env="MY_KEY") as session:
        faulty(vllm, error(400, f"Incorrect API key provided: {KEY}"))
        answers = ask(session)
        shown = [session.environment, session.arms, session.warnings, session.checks, answers, session.batches]
    assert str(answers[3].error) == "HTTP 400: Incorrect API key provided: ***"
    assert {one.headers["authorization"] for one in vllm.http.asked} == {f"Bearer {KEY}"}
    others = [(one.path, one.content, {**one.headers, "authorization": ""}) for one in vllm.http.asked]
    assert KEY not in str(shown) + caplog.text + str(others)


@pytest.mark.parametrize("value", [None, "  ", "sk-secret\nX-Evil: 1", "schlüssel-secret"])
def test_key__one_that_cannot_be_sent_is_refused_unseen(
    vllm: FakeVllm, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.setenv("MY_KEY", value) if value is not None else monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ConfigError, match="MY_KEY") as raised:
        a_session(vllm, key_env="MY_KEY")
    assert "secret" not in str(raised.value)
    assert not vllm.http.asked


def test_session__a_wrong_key_is_a_wrong_request() -> None:
    refused = pytest.raises(ConfigError, match=r"does not let us in \(HTTP 401: no\)")
    with serving(lambda asked: error(401, "no")) as server, refused:
        a_session(f"{server.origin}/v1")


def test_session__nobody_there() -> None:
    with pytest.raises(BrokenRun, match="cannot be reached: Connection refused"):
        a_session(f"http://127.0.0.1:{free_port()}/v1")


def test_session__a_base_that_the_server_does_not_know(vllm: FakeVllm) -> None:
    with pytest.raises(ConfigError, match=r"knows no model org/other.*\n.*answers to: org/base, gate-"):
        a_session(vllm, model="org/other")
    assert vllm.loaded == {}


def test_session__a_server_without_runtime_loading_is_told_how_to_start(vllm: FakeVllm) -> None:
    vllm.runtime_loading = False
    with pytest.raises(ConfigError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
        a_session(vllm)


@pytest.mark.parametrize(
    "said",
    [
        error(404, "No adapter found for /models/candidate", "NotFoundError"),
        error(400, "LoRA rank 64 is greater than max_lora_rank 16."),
        error(500, "DoRA is not supported", "InternalServerError"),
        Said(404, {"object": "error", "message": "No adapter found", "type": "NotFoundError", "code": 404}),
    ],
)
def test_session__an_adapter_that_the_server_does_not_take_is_refused(vllm: FakeVllm, said: Said) -> None:
    real = vllm.said
    refused = pytest.raises(AdapterRefused, match="does not load the adapter at /models/candidate: HTTP")
    with serving(lambda asked: said if "/load" in asked.path else real(asked)) as server, refused:
        a_session(f"{server.origin}/v1")
    assert server.to("/v1/unload_lora_adapter")


def test_session__sglang_has_other_addresses_and_names() -> None:
    loaded: set[str] = set()

    def answer(asked: Asked) -> Said:
        if asked.path == "/load_lora_adapter":
            loaded.add(asked.content["lora_name"])
            return Said(content={"success": True, "error_message": "", "loaded_adapters": {}})
        if asked.path == "/unload_lora_adapter":
            loaded.discard(asked.content["lora_name"])
            return Said(content={"success": True})
        if asked.path == "/v1/chat/completions":
            text = {BASE: "base", f"{BASE}:{NAME}": "tuned"}[asked.content["model"]]
            return Said(content={"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})
        return Said(404, {"detail": "Not Found"})

    with serving(answer) as server, a_session(f"{server.origin}/v1/", load="sglang") as session:
        assert loaded == {NAME}
        assert ask(session, "candidate")[0].text == "tuned"
        assert session.environment["server_version"] == "unknown"
    assert not loaded


def test_session__a_name_that_is_there_already_is_neither_loaded_nor_unloaded(vllm: FakeVllm) -> None:
    vllm.loaded["mine:v2"] = "/there"
    with a_session(vllm, load="names", names={"candidate": "mine:v2"}) as session:
        assert ask(session, "candidate")[0].text == "ü 0 egarF"
        assert "candidate" in session.warnings[0]
    assert vllm.loaded == {"mine:v2": "/there"}
    assert not vllm.was_loaded
    with pytest.raises(ConfigError, match="the server must have the incumbent already"):
        a_session(vllm, a_request(incumbent=True), load="names", names={"candidate": "mine:v2"})


def test_session__a_full_fine_tune_must_be_served_under_a_name(vllm: FakeVllm) -> None:
    tuned = BaseFolder(path=Path("/tuned"), name="tuned", revision=None, description="Llama, 2 MB", digest=DIGEST)
    request = a_request(adapters={}, models={"candidate": tuned})
    with pytest.raises(ConfigError, match="the server must have the candidate already"):
        a_session(vllm, request)
    vllm.loaded["tuned-7b"] = "/there"
    with a_session(vllm, request, names={"candidate": "tuned-7b"}) as session:
        assert ask(session, "candidate")[0].text == "ü 0 egarF"
        assert session.arms["candidate"].digest == DIGEST
    assert vllm.loaded


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "127.0.0.1:8000"}, "not an address"),
        ({"url": "ftp://host/v1"}, "not an address"),
        ({"url": "http://host:port/v1"}, "not an address"),
        ({"url": "http://me:secret@host/v1"}, "key_env"),
        ({"url": "http://host/v1?api-key=1"}, "key_env"),
        ({"extra_body": {"n": 2}}, "extra_body: n follows"),
        ({"load": "names"}, "needs `names:"),
        ({"names": {"base": "x"}}, "names.base"),
        ({"concurrency": 0}, "concurrency"),
    ],
)
def test_server_engine__what_cannot_work_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        an_engine("http://127.0.0.1/v1", **options)


def test_batches__of_one_stage_in_the_order_of_the_cases(vllm: FakeVllm) -> None:
    def question(case: str, stage: int) -> Question:
        return Question(
            suite="s", case=case, messages=(Message(role="user", content=case),), max_new_tokens=4, stage=stage
        )

    questions = [question(f"{index}", index % 2) for index in range(12)]
    with a_session(vllm, a_request(questions=questions), concurrency=1) as session:
        batches = session.batches["base"]

    def cases(batch: tuple[Prompt, ...]) -> str:
        return " ".join(one.case for one in batch)

    assert [cases(batch) for batch in batches] == ["0 2 4 6", "8 10", "1 3 5 7", "9 11"]
