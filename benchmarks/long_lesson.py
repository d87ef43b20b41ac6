"""How long a long lesson takes and how much memory all its processes have together, peak of their proportional set sizes (Linux).

    uv run python -m benchmarks.long_lesson CLIP [--minutes 45] [--out DIR]

The clip's packets are written again and again until the recording is long enough; then `smilereel run` gets it, start and stop
included. Prints a table and, as its last line, JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av

from tests.processes import processes_of, resident_bytes


def loop_clip(clip: Path, target: Path, seconds: float) -> None:
    """Write the clip's first video stream again and again, without decoding it."""
    with av.open(str(target), "w") as output:
        stream, shift, time_base = None, 0, None
        while time_base is None or shift * time_base < seconds:
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                if stream is None:
                    stream, time_base = output.add_stream_from_template(video), video.time_base
                end = 0
                for packet in source.demux(video):
                    if packet.pts is None or packet.dts is None:
                        continue
                    end = max(end, packet.pts + (packet.duration or 0))
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = stream
                    output.mux(packet)
                shift += end


def measure(recording: Path, out: Path, runtime_parent: Path) -> dict[str, float]:
    """Run the lesson and watch its processes once a second."""
    command = [
        sys.executable,
        "-m",
        "workers",
        "run",
        "--student",
        str(recording),
        "--subject",
        "anyone",
        "--out",
        str(out),
        "--quiet",
    ]
    started, peak = time.monotonic(), 0
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(runtime_parent)}) as run:
        while run.poll() is None:
            peak = max(peak, resident_bytes(processes_of(str(runtime_parent))))
            time.sleep(1)
    return {
        "exit_code": float(run.returncode),
        "seconds": round(time.monotonic() - started, 1),
        "peak_megabytes": round(peak / 1e6),
    }


def main() -> None:
    """Loop, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--out", type=Path, default=None, help="keep the outputs there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sr-") as folder:
        work = Path(folder)
        (work / "run").mkdir()
        recording = work / "long.mp4"
        loop_clip(args.clip, recording, args.minutes * 60)
        figures = measure(recording, args.out or work / "out", work / "run")
        left = len(list((work / "run").iterdir()))
    figures |= {"minutes": args.minutes, "times_real_time": round(args.minutes * 60 / figures["seconds"], 1), "left_behind": left}
    for name, value in figures.items():
        print(f"{name:16} {value:>10}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
