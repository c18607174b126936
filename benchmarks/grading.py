"""How fast a class is graded beside nbgrader, and whether anything gets out: `python benchmarks/grading.py`.

A class is made up (see `tests/example_class.py`) and graded three times by the real command: once, once more, and once
killed half-way and resumed. nbgrader's autograde takes a sample of the same files. About ten minutes for 1,000.

    python benchmarks/grading.py                       # all
    python benchmarks/grading.py --n 10000 --once      # a long batch: how much memory it takes at 10, 50 and 100 %

For "files changed" and "processes left" the machine should be quiet: what others do at the time is counted, too.
"""

import argparse
import csv
import ctypes
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from example_attacks import MARK  # noqa: E402
from example_class import Made, make_class  # noqa: E402
from watching import Door, Run, files, grade, made_folder  # noqa: E402

from nanochat_helpers.checks.result import PASSED  # noqa: E402
from nanochat_helpers.checks.sheets import SHEETS, sheet_exercises  # noqa: E402

HARMLESS = ("right", "partly right", "misconception", "untouched")  # what nbgrader is asked to grade
NOT_FOR_NBGRADER = (
    "without the careless (a copied cell stops its batch), the broken (no notebooks), and the hostile "
    "(it would run them here, with nothing around them)"
)
BECOME_SUBREAPER = 36  # prctl: who is left without a parent becomes a child of this process
WORDS = {0: "all graded", 3: "some need review"}


def compare_points(sheet: str, made: Sequence[Made], table: Path) -> dict[str, list[str]]:
    """What the grades say beside what is known of each submission."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    found: dict[str, list[str]] = {"wrong with points": [], "right without": [], "another status": [], "no row": []}
    for each in made:
        row = rows.get(each.student)
        if row is None:
            found["no row"].append(f"{each.student} ({each.kind})")
            continue
        about = f"{each.student} ({each.kind}): {row['status']}, {row['notes']}"
        if each.status not in (None, row["status"]) or row["status"] == "infra_error":
            found["another status"].append(about)
        for exercise in sheet_exercises(sheet):
            expected, points = each.expected[exercise.id], float(row[exercise.id] or 0)
            if expected == PASSED and points != exercise.points:
                found["right without"].append(f"{exercise.id} of {about}")
            elif expected not in (None, PASSED) and points:
                found["wrong with points"].append(f"{exercise.id} of {about}")
    return found


def nbgrader_seconds(sheet: str, made: Sequence[Made], course: Path) -> list[float]:
    """Seconds that nbgrader's autograde takes for each of some submissions, without its start."""
    name = f"{sheet}_{SHEETS[sheet]}.ipynb"
    shutil.copy(ROOT / "solutions" / name, made_folder(course / "source" / "sheet") / name)
    (course / "nbgrader_config.py").write_text('c = get_config()\nc.CourseDirectory.course_id = "nanochat"\n')
    for each in made:
        shutil.copy(each.path, made_folder(course / "submitted" / each.student / "sheet") / name)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for verb in ("generate_assignment", "autograde"):
        command = [sys.executable, "-m", "nbgrader", verb, "sheet"]
        done = subprocess.run(
            command, cwd=course, capture_output=True, text=True, check=False, env=os.environ | {"PATH": path}
        )
        if done.returncode:
            sys.exit(f"nbgrader {verb}: {done.stdout}{done.stderr}")
    ends = sorted(path.stat().st_mtime for path in (course / "autograded").glob(f"*/sheet/{name}"))
    return [after - before for before, after in pairwise(ends)]


def show(what: str, value: object) -> None:
    """One line of the table."""
    print(f"{what:<58} {value}", flush=True)


def show_faults(title: str, faults: Sequence[str]) -> None:
    """How many there are, and the first of them."""
    show(title, len(faults))
    for each in faults[:5]:
        print(f"    {each[:200]}", flush=True)


def show_left(title: str, run: Run) -> None:
    """Which processes were left, and when the others were gone."""
    show_faults(f"{title} (the last other ended after {run.until_gone:.1f} s)", run.left)


def show_run(run: Run, n: int) -> None:
    """What one whole run took."""
    if run.code not in WORDS:
        sys.exit(f"nanochat grade ended with {run.code}: {run.said[-2000:]}")
    show(
        f"nanochat grade: {n:,} submissions ({WORDS[run.code]})", f"{run.seconds:.1f} s, {n / run.seconds:.1f} a second"
    )
    for name, series in (("the parent", run.watch.parent), ("its largest worker", run.watch.worker)):
        figures = [run.watch.at(series, part) for part in (0.1, 0.5, 1.0)]
        shown = ", ".join(f"{value:.0f}" for value in figures)
        show(f"MB of {name} at 10, 50, 100 %; its peak", f"{shown}; {max(series, default=0.0):.0f}")


def main() -> None:
    """Measure each part and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheet", default="04", help="the sheet's number; one without model")
    parser.add_argument("--n", type=int, default=1000, help="how many submissions")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many are graded at a time")
    parser.add_argument("--peer", type=int, default=16, help="how many of them nbgrader grades, 0 for none")
    parser.add_argument("--seed", type=int, default=0, help="which class, and when it is killed")
    parser.add_argument("--once", action="store_true", help="without the same again, killed and resumed")
    options = parser.parse_args()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(BECOME_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as folder:
        measure(options, Path(folder).resolve())


def measure(options: argparse.Namespace, folder: Path) -> None:
    """Grade one class in a folder, and say what came of it."""
    door, n = Door(), options.n
    made = make_class(folder / "class", options.sheet, n, options.seed, port=door.port)
    show("submissions: " + groups_of(made), f"{sum(each.path.stat().st_size for each in made) / 1e6:.0f} MB")
    places = dict.fromkeys(
        Path(each).resolve() for each in (Path.home(), ROOT, tempfile.gettempdir(), "/var/tmp", "/dev/shm")
    )
    folders = [each for each in places if each.is_dir() and not any(other in each.parents for other in places)]
    before, handed_in = files(folders, folder), files([folder / "class"], folder)

    def graded(name, *more, **options_of_run):
        return grade(options.sheet, folder / "class", folder / name, options.jobs, *more, **options_of_run)

    first = graded("first")
    show_run(first, n)
    after = files(folders, folder)
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    show_left("processes left", first)
    show_faults("files changed outside of its folder, by whomever", changed)
    show_faults("... by a submission", [path for path in changed if MARK in path])
    show("files left in the temporary folder", len(files([folder / "temporary"], folder)))
    show(
        "submissions changed",
        sum(files([folder / "class"], folder)[path] != about for path, about in handed_in.items()),
    )
    show("connections that got out; sockets that it opened", f"{door.knocks}; {first.watch.sockets}")
    for title, faults in compare_points(options.sheet, made, folder / "first" / "grades.csv").items():
        show_faults(f"exercises or rows: {title}", faults)
    if not options.once:
        repeat(graded, folder, first.seconds, random.Random(options.seed))
    if options.peer:
        compare_speed(options, made, folder, n / first.seconds)


def groups_of(made: Sequence[Made]) -> str:
    """What a class is made of, in a few words."""
    counts = Counter(each.kind.partition(":")[0] for each in made)
    return ", ".join(f"{count} {group}" for group, count in counts.most_common())


def repeat(graded: Callable[..., Run], folder: Path, seconds: float, rng: random.Random) -> None:
    """The same again, and once more, killed half-way and resumed: is the table the same?"""
    again = graded("again")
    show_same(f"the same batch again ({again.seconds:.0f} s)", folder / "first", folder / "again")
    killed = graded("killed", kill_after=seconds * rng.uniform(0.1, 0.9))
    done = killed.watch.done[-1] if killed.watch.done else 0
    show_left("processes left by the killed one", killed)
    resumed = graded("killed", "--resume")
    title = f"killed after {killed.seconds:.0f} s ({done} done), resumed ({resumed.seconds:.0f} s)"
    show_same(title, folder / "first", folder / "killed")


def show_same(title: str, one: Path, other: Path) -> None:
    """Whether two runs gave the same table, and if not, which lines differ."""
    tables = [path.read_bytes() for path in (one / "grades.csv", other / "grades.csv") if path.exists()]
    same = len(tables) == 2 and tables[0] == tables[1]
    show(title, "byte-identical" if same else "NOT the same")
    lines = [table.decode().splitlines() for table in tables]
    for pair in zip(*lines, strict=False) if len(lines) == 2 else ():
        if pair[0] != pair[1]:
            print(f"    - {pair[0][:400]}\n    + {pair[1][:400]}", flush=True)


def compare_speed(options: argparse.Namespace, made: Sequence[Made], folder: Path, ours: float) -> None:
    """How many submissions a second nbgrader takes, on some of the same files, and how many times as many we do."""
    sample = [each for each in made if each.kind in HARMLESS][: options.peer]
    times = nbgrader_seconds(options.sheet, sample, folder / "course")
    median = statistics.median(times)
    shown = f"{median:.2f} s ({min(times):.2f} to {max(times):.2f})"
    show(f"nbgrader autograde: {len(sample)} of them, median for one", shown)
    print(f"    {NOT_FOR_NBGRADER}", flush=True)
    show("times as many a second as nbgrader", f"{ours * median:.0f}")


if __name__ == "__main__":
    main()
