"""One comment that is always current, on a GitHub that has others too."""

import pytest
from fake_github import ClientFor, FakeGitHub, Paused, Trouble, fake_github

from gate.errors import BrokenRun
from gate.github.client import Refused
from gate.github.sticky import StickyComment
from gate.report import marker

pytest_plugins = ["github_fixtures"]

MARKER = marker(None)
BODY = f"{MARKER}\nopen\n"


def put(client_for: ClientFor, fake: FakeGitHub, body: str = BODY, **more: bool) -> str | None:
    return StickyComment(client_for(fake), 2, marker=body.split("\n", maxsplit=1)[0]).put(body, **more)


def test_put__makes_changes_and_leaves_alone(fake: FakeGitHub, client_for: ClientFor) -> None:
    url = put(client_for, fake)
    assert url == put(client_for, fake)
    assert fake.methods() == ["POST"]
    assert put(client_for, fake, f"{MARKER}\nblocked\n") == url
    assert fake.methods() == ["POST", "PATCH"]
    assert fake.bodies() == [f"{MARKER}\nblocked\n"]


def test_put__finds_ours_on_a_late_page_and_removes_its_doubles(fake: FakeGitHub, client_for: ClientFor) -> None:
    for index in range(5):
        fake.add_comment(f"comment {index}", login="octocat")
    first = fake.add_comment(f"{MARKER}\r\nold")
    fake.add_comment(f"{MARKER}\nolder still")
    fake.page_size = 2
    assert put(client_for, fake) == fake.comments[first]["html_url"]
    assert fake.bodies() == [*[f"comment {index}" for index in range(5)], BODY]


def test_put__nobody_elses_comment_is_touched(fake: FakeGitHub, client_for: ClientFor) -> None:
    others = [
        fake.add_comment(f"{MARKER}\nblocked, says a person", login="octocat"),
        fake.add_comment(f"{MARKER}\nsays somebody who is gone", ghost=True),
        fake.add_comment(f"> quoted:\n{MARKER}\nby another step of a workflow"),
        fake.add_comment(f"{marker('other')}\nof another gate"),
        fake.add_comment(f"{MARKER}\non another pull request", issue=22),
    ]
    before = [fake.comments[one]["body"] for one in others]
    put(client_for, fake)
    put(client_for, fake, f"{MARKER}\nblocked\n")
    assert [fake.comments[one]["body"] for one in others] == before
    assert len(fake.comments) == len(others) + 1


def test_put__several_gates_have_a_comment_each(fake: FakeGitHub, client_for: ClientFor) -> None:
    for name in ("a", "b", "a", "b"):
        put(client_for, fake, f"{marker(name)}\n{name}")
    assert fake.bodies() == [f"{marker('a')}\na", f"{marker('b')}\nb"]


def test_put__a_comment_that_somebody_has_just_removed_is_made_again(fake: FakeGitHub, client_for: ClientFor) -> None:
    fake.add_comment(f"{MARKER}\nold")
    fake.troubles = [Trouble("PATCH", status=404)]
    put(client_for, fake)
    assert fake.methods() == ["PATCH", "POST", "DELETE"]
    assert fake.bodies() == [BODY]


def test_put__may_change_but_not_make(fake: FakeGitHub, client_for: ClientFor) -> None:
    assert put(client_for, fake, only_update=True) is None
    assert fake.methods() == []
    fake.add_comment(f"{MARKER}\nold")
    assert put(client_for, fake, only_update=True) is not None
    assert fake.bodies() == [BODY]


def test_put__a_person_is_known_by_the_token(fake: FakeGitHub, client_for: ClientFor) -> None:
    fake.login = "Octocat"
    put(client_for, fake)
    put(client_for, fake, f"{MARKER}\nblocked")
    assert fake.bodies() == [f"{MARKER}\nblocked"]


def test_put__an_app_that_cannot_ask_for_its_name_leaves_one_comment(fake: FakeGitHub, client_for: ClientFor) -> None:
    fake.writer = "our-gate[bot]"
    fake.add_comment(f"{MARKER}\nby a person", login="octocat")
    put(client_for, fake)
    put(client_for, fake, f"{MARKER}\nblocked")
    assert fake.bodies() == [f"{MARKER}\nby a person", f"{MARKER}\nblocked"]


def test_put__a_comment_that_arrived_unseen_does_not_appear_twice(
    fake: FakeGitHub, client_for: ClientFor, paused: Paused
) -> None:
    fake.troubles = [Trouble("POST", stored=True)]
    assert put(client_for, fake) == next(iter(fake.comments.values()))["html_url"]
    assert fake.methods() == ["POST"]
    assert paused.seconds == [2.0]


@pytest.mark.parametrize("said", [b"{}", b"thanks", b"[]"])
def test_put__an_accepted_comment_whose_answer_cannot_be_read_does_not_appear_twice(
    fake: FakeGitHub, client_for: ClientFor, said: bytes
) -> None:
    fake.troubles = [Trouble("POST", status=201, raw=said, stored=True)]
    assert put(client_for, fake) == next(iter(fake.comments.values()))["html_url"]
    assert fake.methods() == ["POST"]


@pytest.mark.parametrize("trouble", [Trouble("POST"), Trouble("POST", status=502)])
def test_put__a_comment_that_did_not_arrive_is_sent_again(
    fake: FakeGitHub, client_for: ClientFor, trouble: Trouble
) -> None:
    fake.troubles = [trouble]
    put(client_for, fake)
    assert fake.bodies() == [BODY]
    fake.comments.clear()
    fake.troubles = [trouble] * 3
    with pytest.raises(BrokenRun, match="does not say whether it has the comment"):
        put(client_for, fake)
    assert not fake.comments


def test_add__makes_one_for_each_run(fake: FakeGitHub, client_for: ClientFor) -> None:
    sticky = StickyComment(client_for(fake), 2, marker=MARKER)
    sticky.add(BODY)
    fake.troubles = [Trouble("POST", stored=True)]
    assert sticky.add(BODY).endswith(f"issuecomment-{fake.numbers}")
    assert fake.bodies() == [BODY, BODY]


def test_put__doubles_that_may_not_be_removed_are_no_failure(fake: FakeGitHub, client_for: ClientFor) -> None:
    fake.add_comment(f"{MARKER}\nold")
    fake.add_comment(f"{MARKER}\nold")
    fake.troubles = [Trouble("DELETE", status=403)]
    assert put(client_for, fake) is not None
    assert fake.bodies() == [BODY, f"{MARKER}\nold"]


def test_put__doubles_that_github_fails_to_remove_are_no_failure(fake: FakeGitHub, client_for: ClientFor) -> None:
    kept = fake.add_comment(f"{MARKER}\nold")
    fake.add_comment(f"{MARKER}\nold")
    fake.troubles = [Trouble("DELETE", status=500)] * 6
    assert put(client_for, fake) == fake.comments[kept]["html_url"]
    assert fake.bodies() == [BODY, f"{MARKER}\nold"]
    put(client_for, fake)
    assert fake.bodies() == [BODY]


def test_put__a_read_only_token_is_refused(client_for: ClientFor) -> None:
    with fake_github() as fake:
        fake.read_only = True
        with pytest.raises(Refused, match="issues: write or pull-requests: write"):
            put(client_for, fake)
