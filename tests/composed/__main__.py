"""Writes a composed lesson out: `python -m tests.composed --data DIR --out DIR`; prints its truth as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from .compose import compose_lesson


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.composed", description="Compose a lesson of known truth.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with det.tar")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for LESSON.json, recordings and truth.json"
    )
    parser.add_argument("--seconds", type=int, default=720, help="length of the lesson (default: 720)")
    parser.add_argument("--seed", type=int, default=0, help="another seed shows other children at other times")
    args = parser.parse_args()
    try:
        lesson = compose_lesson(args.data, args.out, seconds=args.seconds, seed=args.seed)
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    text = json.dumps(asdict(lesson.truth), default=str, indent=1)
    (args.out / "truth.json").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
