"""bertworks' side of the comparison: the bundle, over the same protocol as the peer."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bertworks.serving.runtime import Agent


def main(folder: Path) -> None:
    """Serves measurements of the bundle in `folder` until stdin ends."""
    agent = Agent.load(folder)
    rows: list = []
    for line in sys.stdin:
        command = json.loads(line)
        began = time.perf_counter()
        if isinstance(command, dict):
            rows = json.loads(Path(command["rows"]).read_text("utf-8"))
            rows = [(row["a"], row["b"]) if isinstance(row, dict) else row for row in rows]
            rows.sort(key=lambda row: len(str(row)))
            agent.predict(rows[:32])
            answer: dict = {"ready": len(rows)}
        elif command == "throughput":
            agent.predict(rows)
            answer = {"seconds": time.perf_counter() - began}
        else:
            times = []
            for row in rows[:: max(1, len(rows) // 200)][:200]:
                start_one = time.perf_counter()
                agent.predict([row])
                times.append(time.perf_counter() - start_one)
            answer = {"latency": times}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
