"""The whole compose file under work: `python -m benchmarks.topology --lessons 60` runs it by `smilereel up --scale gpu=3 --scale cpu=2`,
hands lessons in as a backend does, adds, drains and kills workers meanwhile, and counts what became of the lessons.

With `--look FOLDER` pictures of web page and Flower are taken while they work.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from shared.client import enqueue_lesson, find_reel, lesson_status
from shared.settings import Settings
from tests.processes import wait_until
from tests.services.up import Up, running
from workers.chaos.lessons import document_of, render_films
from workers.chaos.plan import PlannedLesson

MOST_SECONDS = 900.0


def main() -> None:
    """Run, and print what happened."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lessons", type=int, default=60)
    parser.add_argument("--models", choices=["released", "stand_in"], default="released")
    parser.add_argument("--look", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        render_films(folder / "recordings", with_faces=args.models == "released")
        variables = {"RECORDINGS_FOLDER": str(folder / "recordings"), "SMILEREEL_MODELS": args.models}
        with running(folder / "run", "--scale", "gpu=3", "--scale", "cpu=2", **variables) as up:
            print(next(line for line in up.log.splitlines() if "all well after" in line))
            work(up, args.lessons, args.look)


def work(up: Up, n_lessons: int, look: Path | None) -> None:
    """Hand the lessons in, disturb the workers, wait, tell."""
    settings, began = up.client(), time.monotonic()
    names = [f"lesson-{number:02}" for number in range(n_lessons)]
    for number, name in enumerate(names):
        enqueue_lesson(document_of(PlannedLesson(name, "reel", 0.0, number)), settings=settings)
    print(f"{n_lessons} lessons handed in after {time.monotonic() - began:.1f} s")

    assert wait_until(lambda: ended(names, settings) >= n_lessons // 6, MOST_SECONDS)
    instances = up.instances()
    os.killpg(int(instances["gpu-on-cpu-1"]["pid"]), signal.SIGKILL)
    os.killpg(int(instances["cpu-1"]["pid"]), signal.SIGKILL)
    up.order("--scale", "gpu-on-cpu=4")
    print(
        f"{ended(names, settings)} ended: one worker of each room killed, one GPU worker added ({time.monotonic() - began:.0f} s)"
    )
    if look is not None:
        take_pictures(up, look, names)
    assert wait_until(lambda: ended(names, settings) >= n_lessons // 2, MOST_SECONDS)
    up.order("--scale", "gpu-on-cpu=2")
    print(f"{ended(names, settings)} ended: two GPU workers drained ({time.monotonic() - began:.0f} s)")
    assert wait_until(lambda: ended(names, settings) == n_lessons, MOST_SECONDS)
    seconds = time.monotonic() - began
    states = Counter(str(status.state) for name in names if (status := lesson_status(name, settings=settings)) is not None)
    reels = sum(find_reel(name, settings=settings) is not None for name in names)
    print(f"all ended after {seconds:.0f} s: {dict(states)}, {reels} reels")
    for name, each in sorted(up.instances().items()):
        print(f"  {name:14} {each['state']:10} started {each['starts']} times")


def ended(names: list[str], settings: Settings) -> int:
    """How many of the lessons have ended."""
    statuses = [lesson_status(name, settings=settings) for name in names]
    return sum(status is not None and status.state.final for status in statuses)


def take_pictures(up: Up, folder: Path, names: list[str]) -> None:
    """Flower's and the web page's pages as they are at this moment."""
    folder.mkdir(parents=True, exist_ok=True)
    flower, web = f"http://127.0.0.1:{up.ports['FLOWER']}", f"http://127.0.0.1:{up.ports['WEB']}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(
            viewport={"width": 1400, "height": 900}, http_credentials={"username": "flower", "password": up.secret("flower")}
        )
        page = context.new_page()
        for path, picture in (("/workers", "workers"), ("/tasks", "tasks"), ("/broker", "broker")):
            show(page, f"{flower}{path}", folder / f"flower-{picture}.png")
        page.goto(f"{flower}/tasks")
        page.wait_for_timeout(1500)
        page.locator('a[href*="/task/"]').first.click()
        page.wait_for_timeout(1000)
        page.screenshot(path=folder / "flower-task.png")
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        password = next(line.split("password: ")[1] for line in up.log.splitlines() if "| password: " in line)
        page.goto(f"{web}/login")
        page.get_by_label("Your name").fill("Ann")
        page.get_by_label("Password").fill(password)
        page.keyboard.press("Enter")
        page.wait_for_timeout(1500)
        page.screenshot(path=folder / "web.png")
        show(page, f"{web}/lessons/{names[0]}", folder / "web-lesson.png")
        browser.close()


def show(page: Page, address: str, path: Path) -> None:
    page.goto(address)
    page.wait_for_timeout(1500)
    page.screenshot(path=path)


if __name__ == "__main__":
    main()
