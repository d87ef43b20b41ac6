"""`smilereel simulate`: how many workers a night takes, which queue holds it up, what it costs, and what gives way first."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workers.capacity.night import PROFILES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--lessons-per-night", type=int, metavar="N", help="how many lessons come")
    parser.add_argument("--cpu", type=int, metavar="N", help="CPU worker processes (default: as few as end by the morning)")
    parser.add_argument("--gpu", type=int, metavar="N", help="GPU worker processes (default: as few as end by the morning)")
    lessons = parser.add_argument_group("lessons")
    lessons.add_argument("--lesson-minutes", type=float, default=45, metavar="M", help="mean length (default: 45)")
    lessons.add_argument(
        "--lesson-spread", type=float, default=0.15, metavar="S", help="its deviation as a share (default: 0.15)"
    )
    lessons.add_argument("--segment-seconds", type=int, default=64, metavar="S", help="as in the setting (default: 64)")
    lessons.add_argument(
        "--bulk", type=float, default=0, metavar="SHARE", help="share that comes at the start, as bulk (default: 0)"
    )
    lessons.add_argument("--arrivals", choices=PROFILES, default="evening", help="how the others come (default: evening)")
    lessons.add_argument("--arrival-hours", type=float, default=7, metavar="H", help="for how long they come (default: 7)")
    lessons.add_argument("--hours", type=float, default=15, metavar="H", help="from the first to the morning (default: 15)")
    lessons.add_argument(
        "--analytics", type=float, default=1, metavar="SHARE", help="share with consent for analytics (default: 1)"
    )
    workers = parser.add_argument_group("workers")
    workers.add_argument(
        "--lessons-in-work", type=int, metavar="N", help="as in the setting (default: by the workers, at least 32)"
    )
    workers.add_argument("--cpu-speed", type=float, default=1, metavar="X", help="times as fast as measured (default: 1)")
    workers.add_argument(
        "--gpu-speed", type=float, default=1, metavar="X", help="of the models alone; a card, say, 10 (default: 1)"
    )
    workers.add_argument(
        "--deaths-a-day", type=float, default=1, metavar="D", help="how often a worker dies in a day (default: 1)"
    )
    workers.add_argument("--cpu-price", type=float, default=0.05, metavar="P", help="of a CPU worker's hour (default: 0.05)")
    workers.add_argument("--gpu-price", type=float, default=0.10, metavar="P", help="of a GPU worker's hour (default: 0.10)")
    parser.add_argument(
        "--fit", metavar="LEDGER_URL", help="fit stage times on this ledger's lessons, write them to --out, and end"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where --fit writes")
    parser.add_argument(
        "--with", dest="fit_file", type=Path, metavar="FILE", help="a fit of one's own (default: the shipped one)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of all chance (default: 1)")
    parser.add_argument("--exact", action="store_true", help="play every task, however long that takes")
    parser.add_argument("--check-part", type=int, metavar="K", help="play the night whole and its K-th part, and compare")
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def main(args: argparse.Namespace) -> int:
    """Play the night and print what it takes; 0 also where it does not end by the morning, which is an answer too."""
    from workers.capacity import report
    from workers.capacity.service import SHIPPED, CapacityInvalid, load_fit

    fit = load_fit(args.fit_file or SHIPPED)
    if args.fit is not None:
        return _fit(args)
    if args.lessons_per_night is None:
        raise CapacityInvalid("Say how many lessons come: --lessons-per-night N.")
    if args.check_part is not None:
        compared = report.compare(args, fit)
        print(json.dumps(compared) if args.json else report.comparison_text(compared))  # noqa: T201
        return 0
    answer = report.answer(args, fit)
    print(json.dumps(answer) if args.json else report.text(answer))  # noqa: T201
    return 0


def _fit(args: argparse.Namespace) -> int:
    from contextlib import closing

    from shared.ledger import open_ledger
    from shared.schema import check
    from workers.capacity.fitting import fit_ledger
    from workers.capacity.service import SHIPPED, CapacityInvalid, load_fit

    if args.out is None:
        raise CapacityInvalid("Say where the fit goes: --fit LEDGER_URL --out FILE.")
    with closing(open_ledger(args.fit)) as ledger:
        check(ledger.database)
        fit = fit_ledger(ledger, load_fit(args.fit_file or SHIPPED), "a ledger's own runs")
    try:
        args.out.write_text(fit.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise CapacityInvalid(f"The fit cannot be written to {args.out}: {error.strerror}.") from None
    print(f"{args.out}: " + ", ".join(f"{stage} {times.runs} runs" for stage, times in fit.stages.items()))  # noqa: T201
    return 0
