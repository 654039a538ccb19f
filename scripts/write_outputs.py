"""Hand a finished round to the workflow: step outputs and the job summary.

Usage: write_outputs.py FOLDER EXIT_CODE. A missing round is no error: the run broke, and its exit code says so.
"""

import json
import os
import sys
from pathlib import Path


def outputs(folder: Path, exit_code: int) -> dict[str, str]:
    """Collect the outputs; without a round only the exit code is known."""
    known = {"exit-code": str(exit_code), "passed": str(exit_code == 0).lower()}
    path = folder / "round.json"
    if not path.is_file():
        return known
    content = json.loads(path.read_text(encoding="utf-8"))
    outcomes = [finding["outcome"] for finding in content["findings"] if finding["blocking"]]
    return known | {
        "verdict": content["verdict"]["outcome"],
        "regressions": str(outcomes.count("fail")),
        "inconclusive": str(outcomes.count("inconclusive")),
        "round-path": str(path),
        "report-path": str(folder / "report.md"),
    }


def main() -> None:
    """Append to the files that the runner names."""
    folder, exit_code = Path(sys.argv[1]), int(sys.argv[2])
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in outputs(folder, exit_code).items())
    report = folder / "report.md"
    if report.is_file():
        with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("ab") as file:
            file.write(report.read_bytes())


if __name__ == "__main__":
    main()
