"""Properties of answers as models write them: their shape, and whether they run in circles."""

from typing import Literal

import pytest
from builders import a_response

from gate.scorers.properties import Format, answer_format, runs_in_circles, share_of

BULLETS = """Here are three ways to save energy:

- **Insulate the roof.** Most heat leaves through it.
- **Lower the thermostat** by one degree.
- Replace old bulbs with LEDs.
"""
STEPS = """1. Open *Settings* and choose **Billing**.
2. Click "Download invoice".
   The file is a PDF.
3. Save it.
"""
NESTED = """Fruit:
* apples
    * Elstar
    * Boskoop
* pears
"""
TABLE = """The plans compared:

| Plan  | Price | Users |
|:------|------:|:-----:|
| Basic | 9 EUR | 1     |
| Team  | 29 EUR | 10   |
"""
CODE = """You can use a comprehension:

```python
squares = [n * n for n in range(10)]
```

It builds the list at once.
"""
DASHES = """The bridge - built in 1931 - was closed for two years.
It carries about 60,000 cars a day - more than it was made for.
"""
DIALOGUE = """She asked him what he meant.

- Nothing, he said.

He went to the window and looked out for a long time. It had begun to snow, and the street was empty.
Then he took his coat and left without another word.
"""
CHINESE_LIST = """节约能源的方法：

1. 给屋顶做保温。
2. 把温度调低一度。
- 使用LED灯泡。
"""  # noqa: RUF001
CHINESE = "挪威的首都是奥斯陆。它位于奥斯陆峡湾的北端，是该国最大的城市。"  # noqa: RUF001
JAPANESE_TABLE = "| 都市 | 国 |\n|---|---|\n| オスロ | ノルウェー |\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(BULLETS, "list", id="bullets with an opening line"),
        pytest.param(STEPS, "list", id="numbered steps"),
        pytest.param("1) one\n2) two", "list", id="numbers with brackets"),
        pytest.param("• one\n• two\n• three", "list", id="typographic bullets"),
        pytest.param(NESTED, "list", id="nested"),
        pytest.param(CHINESE_LIST, "list", id="Chinese list"),
        pytest.param("- only one item", "prose", id="one item is no list"),
        pytest.param(TABLE, "table", id="table with alignment"),
        pytest.param("Plan | Price\n--- | ---\nBasic | 9", "table", id="table without outer bars"),
        pytest.param(JAPANESE_TABLE, "table", id="Japanese table"),
        pytest.param(CODE, "code", id="fenced code in prose"),
        pytest.param("```json\n{\"a\": 1}\n```", "code", id="fenced JSON"),
        pytest.param("~~~\nls -l\n~~~", "code", id="tildes"),
        pytest.param("```sh\ncut while wri", "code", id="a fence that was cut"),
        pytest.param("1. Install it:\n   ```sh\n   pip install x\n   ```\n2. Run it.", "code", id="code within a list"),
        pytest.param('{"name": "mia", "age": 31}', "json", id="object"),
        pytest.param('\n  [{"city": "oslo"}, {"city": "rom"}]\n', "json", id="array with white space around"),
        pytest.param('{"name": "mia", "age": 31', "prose", id="JSON that was cut"),
        pytest.param('{"a": 1} is the answer.', "prose", id="JSON with a tail"),
        pytest.param("[" * 5000, "prose", id="brackets without end"),
        pytest.param("42", "prose", id="a number"),
        pytest.param("[1] Smith et al., 1999", "prose", id="a citation"),
        pytest.param(DASHES, "prose", id="prose with dashes"),
        pytest.param(DIALOGUE, "prose", id="prose with one spoken line"),
        pytest.param("-40 degrees is the same in both.\n-20 is not.", "prose", id="negative numbers"),
        pytest.param("1999. It was a cold year.\n2001. It was not.", "prose", id="years"),
        pytest.param("# Title\n\nA paragraph.\n\n---\n\nAnother one.", "prose", id="headings and a rule"),
        pytest.param("Use `a | b` in the shell.", "prose", id="a bar in inline code"),
        pytest.param(CHINESE, "prose", id="Chinese prose"),
        pytest.param("", "empty", id="nothing"),
        pytest.param(" \n\t\u3000", "empty", id="white space only"),
    ],
)  # fmt: skip
def test_answer_format__of_real_looking_answers(text: str, expected: Format) -> None:
    assert answer_format(text) == expected


LOOP = "I am happy to help you with that. " * 8
COUNTING = "\n".join(f"{n}. The answer to question {n} is {n * n}." for n in range(1, 15))
POEM = """Row, row, row your boat gently down the stream.
Merrily, merrily, merrily, merrily, life is but a dream.
Row, row, row your boat gently down the brook.
If you see a little fish, catch it on a hook.
"""
WIDE_TABLE = "| Plan | Price | Users | Support |\n|---|---|---|---|\n" + "\n".join(
    f"| {name} | {price} EUR | {users} | {support} |"
    for name, price, users, support in (
        ("Basic", 9, 1, "mail"), ("Team", 29, 10, "mail"), ("Office", 59, 25, "phone"), ("Campus", 199, 250, "phone"),
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(LOOP, True, id="a sentence over and over"),
        pytest.param("no " * 40, True, id="a word over and over"),
        pytest.param("Oslo is the capital of Norway. " + LOOP, True, id="a loop behind an answer"),
        pytest.param("Ja, das ist richtig.\n\n" * 10, True, id="lines"),
        pytest.param("YES we can do that. yes We can do that. " * 4, True, id="upper and lower case"),
        pytest.param("no " * 19, False, id="too short to tell"),
        pytest.param(BULLETS + STEPS, False, id="lists"),
        pytest.param(COUNTING, False, id="items alike but not the same"),
        pytest.param(POEM, False, id="a refrain"),
        pytest.param(WIDE_TABLE, False, id="table"),
        pytest.param(CODE * 2, False, id="said twice is not in circles"),
        pytest.param(CHINESE, False, id="Chinese prose"),
        pytest.param("오슬로는 노르웨이의 수도입니다. " * 12, True, id="Korean loop"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_runs_in_circles__of_real_looking_answers(text: str, expected: bool) -> None:
    assert runs_in_circles(text) is expected


@pytest.mark.parametrize(
    "sentence", ["挪威的首都是奥斯陆。", "オスロはノルウェーの首都です。", "ออสโลเป็นเมืองหลวงของนอร์เวย์"]
)
def test_runs_in_circles__in_scripts_without_spaces(sentence: str) -> None:
    assert runs_in_circles(sentence * 40)


FEATURES = (
    "Mail",
    "Chat",
    "Calls",
    "Backup",
    "Search",
    "Export",
    "Audit",
    "Roles",
    "Reports",
    "Alerts",
    "Notes",
    "Forms",
)
CHECK_MARKS = "| Feature | Free | Basic | Team | Office |\n|---|---|---|---|---|\n" + "\n".join(
    f"| {name} | yes | yes | yes | yes |" for name in FEATURES
)


def test_runs_in_circles__a_table_of_check_marks_does_not() -> None:
    assert not runs_in_circles(CHECK_MARKS)


@pytest.mark.parametrize(
    ("measure", "text", "finish", "expected"),
    [
        ("refusal", "I'm sorry, but I can't help with that.", "stop", 1.0),
        ("refusal", "Es tut mir leid, aber dabei kann ich nicht helfen.", "stop", 1.0),
        ("refusal", CHINESE, "stop", 0.0),
        ("refusal", "", "stop", 0.0),
        ("repetition", LOOP, "length", 1.0),
        ("repetition", BULLETS, "stop", 0.0),
        ("truncation", "cut while wri", "length", 1.0),
        ("truncation", "done", "stop", 0.0),
    ],
)
def test_share_of__one_answer_has_a_property_or_not(
    measure: Literal["refusal", "repetition", "truncation"], text: str, finish: str, expected: float
) -> None:
    assert share_of(measure, a_response(text="<think>raw</think>", finish=finish), text) == expected
