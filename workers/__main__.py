"""The command line. Heavy imports stay inside the commands' modules, and those are imported only when they are called."""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from workers import interruption

# Each command's module has `add_arguments(parser)` and `main(args) -> int`.
COMMANDS = {
    "demo": "render a two-camera lesson and run the main job on it",
    "run": "process a lesson: LESSON.json or recordings in, the reel out",
    "detect": "find and score the faces in a picture or a folder",
    "faces": "score pictures that already are face crops",
    "train": "train one of the four models",
    "evaluate": "score the models on the test split, beside the baselines that they replace",
    "prelabel": "write label files with the models' boxes and scores on new pictures, for a person to correct",
    "learning-curve": "tune on shares of the people, and say whether more labels would pay",
    "email": "send a lesson's reel to a parent, or show the e-mail",
    "export": "write what analysts may read of the lessons into a Parquet or CSV file",
    "enqueue": "hand a lesson in for the workers to process",
    "status": "show where a lesson stands, and its reel",
    "erase": "forget a lesson or a pupil, wherever they stand",
    "lessons": "show where the lessons stand",
    "report": "make a page of a finished lesson: cameras, people, moments, what was skipped",
    "quarantine": "show the lessons that were set aside, and why",
    "retry": "process lessons again that have ended",
    "retention": "show how long what is kept, and what is due to be purged",
    "webhooks": "show which ends of lessons the backend was told, and tell it again",
    "web": "serve a page over all lessons on this machine, behind a log-in",
    "flower": "watch workers and tasks in the browser, behind a password, read-only",
    "metrics": "serve what Flower does not show, for Prometheus",
    "doctor": "look whether everything that is needed is there and sound, and say what to do",
    "up": "run docker-compose.yml as processes of this machine, without Docker",
    "secrets": "make the password files that docker-compose.yml wants",
    "migrate": "bring the ledger's tables up to date",
    "restored": "bring ledger and store together again after the database was restored from a backup",
    "worker": "show the workers, and drain them",
    "simulate": "play a night in small: how many workers it takes, what holds it up, what gives way first",
    "chaos": "break real parts for a while, then count what is lost, double or left over",
    "schema": "print the JSON Schema of LESSON.json, of answers, messages or the webhook",
    "settings": "print every setting, its value and where it came from",
}

# What the images leave out, each the rooms of the others: .dockerignore and the Dockerfiles.
LEFT_OUT = ("workers.cpu", "workers.gpu", "workers.training", "workers.chaos", "workers.demo")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="smilereel", description="Online lessons' webcam recordings in, a GIF of the pupil's nine brightest smiles out."
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, help_text in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}.")
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error")
        try:
            _module(name).add_arguments(command)
        except ModuleNotFoundError as error:
            # An image carries its own room only: what it leaves out says so when it is called, and --help works all the same.
            command.set_defaults(left_out=_missing(error))
    return parser


def _module(command: str):  # type: ignore[no-untyped-def]
    return import_module(f"workers.commands.{command.replace('-', '_')}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 done, 3 no reel, 2 the input is at fault, 1 we are."""
    parser = build_parser()
    args, rest = parser.parse_known_args(arguments)
    if left_out := getattr(args, "left_out", None):
        _complain(_needs(args.command, left_out), debug=args.debug)
        return 1
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    interruption.install()
    from shared.errors import SmilereelError

    try:
        code: int = _module(args.command).main(args)
        return code
    except SmilereelError as error:
        _complain(error.message, debug=args.debug)
        return error.exit_code
    except ModuleNotFoundError as error:
        _complain(_needs(args.command, _missing(error)), debug=args.debug)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:  # noqa: BLE001  (the last place that can turn it into one sentence)
        _complain(f"smilereel failed: {type(error).__name__}: {error}; run again with --debug to see where.", debug=args.debug)
        return 1


def _missing(error: ModuleNotFoundError) -> str:
    name = error.name or ""
    # A module of ours that every image should carry is a fault of ours.
    if name.startswith(("shared", "workers")) and not name.startswith(LEFT_OUT):
        raise error
    return name


def _needs(command: str, module: str) -> str:
    if module.startswith("workers."):
        elsewhere = "run it in a full installation, or in the image of the other room"
        return f"`smilereel {command}` needs {module}, which this image leaves out: {elsewhere}."
    return f"`smilereel {command}` needs {module}, which is not installed: pip install 'smilereel[all]'."


def _complain(message: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(f"smilereel: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
