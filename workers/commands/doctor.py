"""`smilereel doctor`: look whether everything that smilereel needs is there and sound, and say what to do where it is not."""

from __future__ import annotations

import argparse

# As in `workers/doctor/roles.py`, which is imported only when the command runs.
ROLES = ("cpu", "gpu", "beat", "web", "metrics", "flower")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--role", choices=ROLES, help="look only at what this kind of process needs (default: everything)")
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object instead of lines; `smilereel schema doctor` describes it"
    )


def main(args: argparse.Namespace) -> int:
    """Look, and tell; 0 where nothing failed, else 1."""
    from shared.settings import load_settings
    from workers.doctor.embedded import nothing_is_configured
    from workers.doctor.examine import examine

    report = examine(load_settings(), args.role, embedded=nothing_is_configured())
    if args.json:
        print(report.model_dump_json(indent=2))  # noqa: T201
        return 0 if report.ok else 1
    if report.embedded:
        print("Nothing is configured: looking at the parts of an embedded run.")  # noqa: T201
    width = max(len(finding.check) for finding in report.findings)
    for finding in report.findings:
        print(f"{finding.verdict:8} {finding.check:{width}}  {finding.told}")  # noqa: T201
    counted = {verdict: sum(finding.verdict == verdict for finding in report.findings) for verdict in ("failure", "warning")}
    print(f"{counted['failure']} failure(s), {counted['warning']} warning(s).")  # noqa: T201
    return 0 if report.ok else 1
