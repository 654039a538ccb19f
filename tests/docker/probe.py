#!/opt/gate/venv/bin/python
"""Stands in the place of `gate` in a copy of the image, and prints what it sees from there."""

import json
import os
import signal
import sys
import time
from pathlib import Path


def proc(name: str) -> str:
    """A line of what the kernel says of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(name))


def mounts() -> dict[str, str]:
    """Where something is mounted, `ro` or `rw`."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split(" ")
        found[fields[4].replace("\\040", " ")] = fields[5].split(",")[0]
    return found


def sleep() -> None:
    """Stay until somebody interrupts."""
    try:
        print("asleep", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        sys.exit(130)


step = sys.argv[2]
wish, _, where = os.environ.get("GATE_CONFIG", "").partition(" ")
if wish in ("sleep", "stubborn") and where in ("", step):
    if wish == "stubborn":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleep()
if (step, wish) == ("fetch", "elsewhere"):
    Path(os.environ["GATE_NEEDS_NETWORK"]).touch()
Path(os.environ["GATE_WORK"], f"by-{step}").write_text(step)
for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
    if name in os.environ:
        with Path(os.environ[name]).open("a") as file:
            file.write(f"{step}=seen\n")
print(
    json.dumps(
        {
            "arguments": sys.argv[1:],
            "environment": dict(os.environ),
            "user": [os.getuid(), os.getgid()],
            "folder": str(Path.cwd()),
            "capabilities": proc("CapEff"),
            "no_new_privileges": proc("NoNewPrivs"),
            "mounts": mounts(),
            "networks": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        }
    )
)
sys.exit(int(wish) if wish.isdigit() and step != "fetch" else 0)
