# ruff: noqa: T201
# %% [markdown]
# # What happened in the lessons
#
# A notebook in the percent format: run it cell by cell in an editor, or as a whole with
# `python docs/analysis.py --from 2026-11-01 --to 2026-12-01 --out analysis`. It exports the analysts' views of the database in
# `SMILEREEL_DATABASE_URL` as Parquet, then reads nothing but those files. It needs the extras `analytics` and `report`.
#
# Only lessons whose family agreed to analytics are in there. Nothing here grades a pupil or a teacher, and a smile is no mood.

# %%
import argparse
import sys
from pathlib import Path

import altair as alt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from workers.__main__ import main as smilereel

parser = argparse.ArgumentParser(description="Tables and figures of the lessons that began in a range of time.")
parser.add_argument("--from", dest="from_", default="2026-11-01", metavar="DATE")
parser.add_argument("--to", default="2026-12-01", metavar="DATE")
parser.add_argument("--out", type=Path, default=Path("analysis"), metavar="DIR", help="where the exports and figures go")
# In a notebook the command line is the kernel's: change the defaults above instead.
args = parser.parse_args([] if "ipykernel" in sys.modules else None)


# %%
def exported(view: str) -> pa.Table:
    """All rows of one view in the range, from a file beside the figures."""
    path = args.out / f"{view}.parquet"
    code = smilereel(["export", view, "--from", args.from_, "--to", args.to, "--out", str(path), "--force"])
    if code:
        sys.exit(code)
    return parquet.read_table(path)


def show(title: str, table: pa.Table) -> None:
    """A small table, printed."""
    print(f"\n{title}")
    print("  " + "  ".join(f"{name:>20}" for name in table.column_names))
    for row in table.to_pylist():
        cells = [f"{cell:.2f}" if isinstance(cell, float) else "" if cell is None else str(cell) for cell in row.values()]
        print("  " + "  ".join(f"{cell:>20}" for cell in cells))


args.out.mkdir(parents=True, exist_ok=True)
lessons, seconds, disconnects, presence = map(exported, ("lesson", "frame_score", "disconnect", "pupil_presence"))
if not presence.num_rows:
    sys.exit(f"No lesson between {args.from_} and {args.to} was processed with consent for analytics.")

# %% [markdown]
# ## Where the lessons stand

# %%
show("Lessons by state", lessons.group_by(["state", "no_reel_reason"]).aggregate([([], "count_all")]))
show("Disconnects by side", disconnects.group_by("side").aggregate([("seconds", "count"), ("seconds", "sum")]))

# %% [markdown]
# ## Who was there
#
# The kinds overlap: a parent beside the child and the child's face are counted each for itself.

# %%
KINDS = ("seen", "child", "child_alone", "adult_face", "parent_shoulder", "nobody")
minutes = pa.table({"who": list(KINDS), "minutes": [pc.sum(presence[f"{kind}_minutes"]).as_py() for kind in KINDS]})
show("Minutes of all lessons", minutes)
figure = alt.Chart(minutes).mark_bar(color="#4c78a8").encode(x="minutes:Q", y=alt.Y("who:N", sort=list(KINDS), title=None))
figure.properties(title="Minutes of all lessons", width=500).save(args.out / "presence.svg")

# %% [markdown]
# ## A parent beside the child, and an adult who looks into the camera
#
# The course of the longest lesson, as means of fifteen seconds. Gaps are times of which no picture was looked at.

# %%
STRETCH_SECONDS = 15
longest = presence["lesson_id"][pc.index(presence["lesson_minutes"], pc.max(presence["lesson_minutes"])).as_py()].as_py()
course = seconds.filter(pc.equal(seconds["lesson_id"], longest))
course = course.append_column("stretch", pc.divide(course["second"], STRETCH_SECONDS))
# No face is no adult's face; no picture is nothing known.
looked = pc.is_valid(course["faces"])
course = course.append_column("adult", pc.if_else(looked, pc.fill_null(course["p_adult_face"], 0.0), None))
means = course.group_by("stretch").aggregate([("p_parent_shoulder", "mean"), ("adult", "mean")]).sort_by("stretch")
lines = {"p_parent_shoulder_mean": "somebody beside the child", "adult_mean": "an adult looks into the camera"}
minute = pc.divide(pc.cast(pc.multiply(means["stretch"], STRETCH_SECONDS), pa.float64()), 60.0)
long = pa.concat_tables(
    pa.table({"minute": minute, "probability": means[name], "what": [words] * means.num_rows}) for name, words in lines.items()
)
figure = alt.Chart(long).mark_line(point=True).encode(
    x=alt.X("minute:Q", title="minute of the lesson"),
    y=alt.Y("probability:Q", scale=alt.Scale(domain=[0, 1])),
    row=alt.Row("what:N", title=None, sort=list(lines.values())),
)  # fmt: skip
figure.properties(width=600, height=120).save(args.out / "course.svg")

# %% [markdown]
# ## Smiles by part of the lesson
#
# Of the face taken for the pupil's. Empty unless mood analytics were on when the lessons were published.

# %%
scored = seconds.filter(pc.is_valid(seconds["p_smile"])).select(["lesson_id", "second", "p_smile"])
if scored.num_rows:
    lengths = lessons.select(["lesson_id", "lesson_seconds"])
    scored = scored.join(lengths, "lesson_id")
    third = pc.add(pc.divide(pc.multiply(scored["second"], 3), scored["lesson_seconds"]), 1)
    thirds = scored.append_column("third", third).group_by("third").aggregate([("p_smile", "mean"), ("p_smile", "count")])
    show("Smiles by third of the lesson", thirds.sort_by("third"))
else:
    print("\nNo smile scores were kept: mood analytics are off.")
print(f"\nFigures and exports are in {args.out}.")
