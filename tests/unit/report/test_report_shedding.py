from gate.report.shedding import GENEROUS_STEPS, STEPS, Room, Size, shed, size


def part(name: str, *lengths: int):  # type: ignore[no-untyped-def]
    """A part that is so long in the first room, so long in the second, and so on."""
    by_room = dict(zip([id(step) for step in STEPS], [*lengths, *[lengths[-1]] * len(STEPS)], strict=False))

    def render(room: Room) -> str:
        return name * by_room[id(room)]

    return render


def shed_to(characters: int, *parts: object) -> list[int] | None:
    limit = Size(characters=characters, utf8_bytes=10**6)
    texts = shed(parts, frame=["f" * 8], steps=STEPS, limit=limit)  # type: ignore[arg-type]
    return None if texts is None else [len(text) for text in texts]


def test_size__counts_as_github_does_with_the_gaps() -> None:
    assert size(["ab", "é🚀"]) == Size(characters=2 + 2 + 3 + 2, utf8_bytes=2 + 2 + 6 + 2)
    assert size([]) == Size(characters=0, utf8_bytes=0)


def test_shed__leaves_what_fits() -> None:
    assert shed_to(34, part("a", 10, 1), part("b", 10, 1)) == [10, 10]


def test_shed__the_longest_is_cut_until_it_is_no_longer_the_longest() -> None:
    assert shed_to(150, part("a", 100, 90, 60, 5), part("b", 70, 5)) == [60, 70]
    assert shed_to(120, part("a", 100, 90, 60, 5), part("b", 70, 5)) == [60, 5]


def test_shed__nothing_where_not_even_the_least_fits() -> None:
    assert shed_to(20, part("a", 100, 10)) is None
    assert shed_to(22, part("a", 100, 10)) == [10]


def test_shed__either_limit_cuts() -> None:
    limit = Size(characters=10**6, utf8_bytes=100)
    assert shed([part("é", 90, 30)], frame=[], steps=STEPS, limit=limit) == ["é" * 30]


def test_steps__each_shows_less_and_says_so() -> None:
    for steps in (STEPS, GENEROUS_STEPS):
        assert [step.left_out is None for step in steps] == [True, *[False] * (len(steps) - 1)]
        assert steps[-1].verdict_only
