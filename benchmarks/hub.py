"""Ten students on one hub: what each takes and how long each waits: `python benchmarks/hub.py` (about four minutes).

A real JupyterHub on this machine, with the settings of teaching/hub/. Every student runs lesson 04 with all its cells,
at the same time, and then all ten let the model write at once, five times. `--plain` leaves out warm_kernels.py.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from hub_class import Student, lesson_cells, running_hub, together
from hub_room import STUDENTS

GENERATE = """
settings = GenerationSettings(seed={0}, max_new_tokens=20)
for step in stream(backbone, tokenizer.encode("Question {0}: the best thing about the sea is"), settings):
    print(step.text, end="", flush=True)
"""


def timed(title: str, work, students: list[Student]) -> list:
    """Let all do the same at once, and say how long it took until the last was done."""
    started = time.monotonic()
    results = together(work, students)
    print(f"{title:<44} {time.monotonic() - started:7.1f} s", flush=True)
    return results


def show_memory(title: str, students: list[Student]) -> None:
    """Say how much memory would be free if one of them left."""
    own = [student.own_megabytes() for student in students]
    print(f"{title:<44} {statistics.median(own):7.0f} MB (most: {max(own):.0f})", flush=True)


def run_all(student: Student, cells: list[str]) -> None:
    """Run cells one after the other, as a student does."""
    for cell in cells:
        student.run(cell)


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plain", action="store_true", help="kernels that share nothing, for comparison")
    parser.add_argument("--students", type=int, default=len(STUDENTS), choices=range(1, len(STUDENTS) + 1))
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="nanochat-hub-") as folder,
        running_hub(Path(folder), warm=not options.plain) as hub,
    ):
        students = [Student(hub, name) for name in STUDENTS[: options.students]]
        print(f"{len(students)} students at once{', kernels that share nothing' if options.plain else ''}")
        timed("log in: a server and a kernel for each", Student.start, students)
        show_memory("own memory a student, nothing run", students)
        cells = lesson_cells("04_sampling", all_of_it=True)
        timed("lesson 04, all cells", lambda student: run_all(student, cells), students)
        show_memory("own memory a student, lesson 04 run", students)
        waits = []
        for seed in range(5):
            together(lambda student, seed=seed: waits.append(student.run(GENERATE.format(seed))[1]), students)
        print(f"{'first token, all at once':<44} {statistics.median(waits):7.2f} s (longest: {max(waits):.2f})")
        together(Student.leave, students)


if __name__ == "__main__":
    main()
