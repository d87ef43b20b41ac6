"""Build the images with buildah, check what is inside, run a lesson through them with podman: `python -m tests.images --stand-in`.

As root on Linux, with buildah, podman, runc, catatonit and, for --stand-in, debootstrap. No Docker engine, no registry.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .containers import command_faults
from .contents import faults_of, packages_in
from .engine import LARGE_TEMPORARY, Engine, ImagesFault
from .standin import make_stand_in
from .table import BASE_TAG, IMAGES, ROOT, Image
from .weighing import parts_of


def main() -> int:
    """Exit code 0: everything that was tried is sound; 1: something is not, or could not be tried."""
    args = _arguments()
    work = Path(tempfile.mkdtemp(prefix="images-", dir=LARGE_TEMPORARY))
    engine = Engine(args.storage or work / "s", args.driver)
    try:
        return _all(args, engine, work)
    except ImagesFault as fault:
        print(f"tests.images: {fault}", file=sys.stderr)
        return 1
    finally:
        if args.storage is None:
            engine.remove()
        shutil.rmtree(work, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.images", description=__doc__)
    parser.add_argument("--stand-in", action="store_true", help="make a base of this machine's Debian mirror and this Python")
    parser.add_argument("--image", action="append", choices=[each.name for each in IMAGES], help="these only; default: all")
    parser.add_argument("--storage", type=Path, help="keep base, layers and images in this folder; default: nothing stays")
    parser.add_argument("--driver", default="overlay", choices=["overlay", "vfs"], help="how the storage stacks layers")
    parser.add_argument("--built", action="store_true", help="do not build: look at what --storage holds")
    parser.add_argument("--volume", action="append", default=[], metavar="HOST:INSIDE", help="for the build, like certificates")
    parser.add_argument("--uv", type=Path, metavar="FILE", help="uv.toml of the build, where packages come from elsewhere")
    parser.add_argument(
        "--uv-on-cpu", type=Path, metavar="FILE", help="uv.toml that names a CPU torch, where PyTorch's own index is out of reach"
    )
    parser.add_argument("--pip", type=Path, metavar="FILE", help="pip.conf of the build")
    parser.add_argument(
        "--lesson", choices=["stand_in", "released"], action="append", help="also run a lesson, with these models"
    )
    parser.add_argument(
        "--gpu-on-cpu",
        default="smilereel-gpu-on-cpu",
        choices=["smilereel-gpu-on-cpu", "smilereel-gpu"],
        help="the lesson's image for the service gpu-on-cpu; the one for cards runs on a processor as well",
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON an image")
    return parser.parse_args()


def _all(args: argparse.Namespace, engine: Engine, work: Path) -> int:
    engine.start()
    images = [each for each in IMAGES if not args.image or each.name in args.image]
    base = f"docker.io/library/python:{BASE_TAG}"
    if args.stand_in and engine.run("buildah", "inspect", "--type", "image", base, check=False).returncode:
        make_stand_in(engine, work)
    if not args.built:
        _take_context(engine.context)
    rows = [_one(image, args, engine) for image in images]
    if not args.json:
        _print_table(rows)
    sound = True
    for row in rows:
        sound = sound and not row["faults"]
        if args.json:
            print(json.dumps(row))
        for fault in [] if args.json else row["faults"]:
            print(f"{row['image']}: {fault}")
    for models in args.lesson or []:
        from .lesson import run_lesson

        sound = run_lesson(engine, models, args.gpu_on_cpu) and sound
    return 0 if sound else 1


def _print_table(rows: list[dict[str, Any]]) -> None:
    print(f"{'image':22} {'MB':>8} {'budget':>8} {'seconds':>8}")
    for row in rows:
        print(f"{row['image']:22} {row['size_mb']:>8} {row['budget_mb']:>8} {row['seconds']:>8}")
    for row in rows:
        print(f"{row['image']}: {', '.join(f'{name} {size}' for name, size in row['parts_mb'].items())}")


def _one(image: Image, args: argparse.Namespace, engine: Engine) -> dict[str, Any]:
    began = time.monotonic()
    if not args.built:
        _build(image, args, engine)
    seconds = time.monotonic() - began
    told = json.loads(engine.run("podman", "image", "inspect", f"localhost/{image.name}:try").stdout)[0]
    config = {**told["Config"], "Healthcheck": told.get("Healthcheck") or told["Config"].get("Healthcheck")}
    with engine.mounted(f"localhost/{image.name}:try") as root:
        faults = faults_of(image, engine.context, root, config, told["Size"])
        faults += command_faults(engine, f"localhost/{image.name}:try", image.loads)
        parts = parts_of(packages_in(root), told["Size"])
    row = {"image": image.name, "size_mb": round(told["Size"] / 1e6), "budget_mb": image.budget_mb, "seconds": round(seconds)}
    return {**row, "parts_mb": parts, "faults": faults}


def _take_context(folder: Path) -> None:
    """A copy of what the builds read, so that all images and the checks see the same files though somebody edits."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in (*{each.dockerfile for each in IMAGES}, ".dockerignore", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("shared", "workers"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def _build(image: Image, args: argparse.Namespace, engine: Engine) -> None:
    uv, build_args = args.uv, dict(image.build_args)
    if args.uv_on_cpu and "TORCH_BACKEND" in build_args:
        uv, build_args = args.uv_on_cpu, {}
    volumes = list(args.volume)
    volumes += [f"{uv.resolve()}:/etc/uv/uv.toml"] if uv else []
    volumes += [f"{args.pip.resolve()}:/etc/pip.conf"] if args.pip else []
    # The layers' cache does not see which files are mounted, so the two GPU images would be one.
    words = ["build", "--pull-never" if args.stand_in else "--pull", "--no-cache", "--format", "docker", "--network", "host"]
    words += ["--isolation", "chroot", "--file", str(engine.context / image.dockerfile), "--target", image.target]
    words += [word for volume in volumes for word in ("--volume", f"{volume}:ro")]
    words += [word for name, value in build_args.items() for word in ("--build-arg", f"{name}={value}")]
    log = engine.folder / f"{image.name}.log"
    with log.open("wb") as said:
        engine.run("buildah", *words, "--tag", f"localhost/{image.name}:try", str(engine.context), log=said)


if __name__ == "__main__":
    sys.exit(main())
