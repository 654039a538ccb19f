"""Print the token ids of the prompts that the gate makes of a file of cases, as a JSON list of lists.

python benchmarks/prompt_ids.py MODEL CASES.jsonl
"""

import json
import sys
from pathlib import Path

from gate.domain import Message
from gate.engine.loading import load_tokenizer
from gate.engine.prompts import render
from gate.engine.session import Question


def main(arguments: list[str]) -> None:
    """Render and print."""
    model, cases = arguments
    rows = [json.loads(line) for line in Path(cases).read_text(encoding="utf-8").splitlines()]
    questions = [
        Question(
            suite="all",
            case=row["id"],
            messages=(Message(role="user", content=row["prompt"]),),
            max_new_tokens=1,
        )
        for row in rows
    ]
    prompts = render(questions, load_tokenizer(Path(model)), template="chat", template_kwargs={}, max_positions=None)
    json.dump([prompt.token_ids for prompt in prompts], sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
