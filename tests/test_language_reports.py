"""Reports in another language: whole, with the same points, and one language for a run wherever it is graded."""

import csv
import json
import os
import re
from contextlib import closing
from dataclasses import asdict
from io import StringIO
from pathlib import Path

import fake_graders
import pytest
from grading_notebooks import right, with_answers, wrong
from sheet_texts import Signs, english_in
from test_grading_reports import absent, every_file, exercise_grade, make, write

from nanochat_helpers import language
from nanochat_helpers.errors import GradingError, SettingsError
from nanochat_helpers.grading import grade_command
from nanochat_helpers.grading.batch.folder import Asked, Settings, language_of
from nanochat_helpers.grading.batch.job import Job, Task, versions
from nanochat_helpers.grading.batch.remote import end_there, grade_there
from nanochat_helpers.grading.batch.workers import Worker
from nanochat_helpers.grading.grade_command import Request, grade_class
from nanochat_helpers.grading.grader import Grader
from nanochat_helpers.grading.grades import GRADED, INFRA_ERROR, MISSING, REJECTED, REVIEW, Grade
from nanochat_helpers.grading.master import find_master
from nanochat_helpers.grading.sandbox import Limits
from nanochat_helpers.grading.sheets import cell_of
from nanochat_helpers.language import catalogue, set_language

ROOT = Path(__file__).parents[1]
SHEET = "07"
KINDS = ["right", "idle", 0, 1, 3]


@pytest.fixture(autouse=True)
def in_english(monkeypatch):
    """Results are kept between tests: those in another language do not belong there."""
    monkeypatch.setenv("NANOCHAT_LANGUAGE", "en")
    exercise_grade.cache_clear()
    yield
    exercise_grade.cache_clear()


@pytest.fixture
def of_signs(monkeypatch):
    """A language in which what is not translated can be seen."""
    monkeypatch.setattr(language, "catalogue", lambda code: Signs())
    monkeypatch.setenv("NANOCHAT_LANGUAGE", "de")


# --- what is written


def a_class():
    """Students of every status; nothing about them is English by itself."""
    odd = [KINDS[place:] + KINDS[:place] for place in range(5)]
    return [
        *(make(f"s{n}", "right" if n % 3 else kinds) for n, kinds in enumerate(odd * 2)),
        *(make(f"t{n}", [2, 0, 2, 2, 2]) for n in range(4)),
        make("q1", "right", REVIEW, ["42"]),
        *(absent(f"a{n}", status) for n, status in enumerate((REJECTED, MISSING, INFRA_ERROR))),
    ]


def prose_of(page):
    """What a reader sees of a page, without code, answers, names of students and of files."""
    kept = re.sub(r"(?s)<style>.*?</style>|<(code|pre|bdi)\b.*?</\1>|<dd class=\"mono\">.*?</dd>", " ", page)
    kept = re.sub(r'<a href="[^"]*">[a-z]+\.(csv|html)</a>|<div class="answer">.*?</div>', " ", kept)
    return re.findall(r'aria-label="([^"]*)"', kept) + re.split(r"<[^>]*>", kept)


def test_no_page_has_english_words_left(tmp_path, of_signs):
    write(tmp_path, a_class(), run=grade_command._run(SETTINGS, find_master("03", ROOT)))
    pages = list(tmp_path.rglob("*.html"))
    left = {path.name: [part for part in prose_of(path.read_text("utf-8")) if english_in(part)] for path in pages}
    assert {name: parts[:4] for name, parts in left.items() if parts} == {} and len(pages) > 15


SETTINGS = Settings("03", "digest", "0.1.0", 1, 10, 1024, ("namespaces", "landlock", "process"))


def test_a_page_that_is_not_translated_would_be_seen(tmp_path):
    write(tmp_path, [make("s1", [0, "idle", "right", "right", "right"])])
    seen = " ".join(prose_of((tmp_path / "students" / "s1.html").read_text("utf-8")))
    assert {"Hint", "Asked", "expected"} <= set(english_in(seen))


def test_feedback_and_notes_in_tables_and_files_have_no_english_words_left(tmp_path, of_signs):
    write(tmp_path, a_class())
    for name, column in (("grades.csv", "notes"), ("moodle.csv", "Feedback comments")):
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            texts = [row[column] for row in csv.DictReader(file)]
        assert any("▪" in text for text in texts)
        assert [part for text in texts for part in re.split(r"<br>| \| ", text) if english_in(plain(part))] == []
    data = json.loads((tmp_path / "gradescope" / "s0" / "results.json").read_text("utf-8"))
    said = [line for test in data["tests"] for line in [test["name"], test["output"].split("\n")[0]]]
    assert [line for line in said if english_in(line)] == []
    heads = [path.read_text("utf-8").splitlines()[0] for path in (tmp_path / "answers").rglob("s0.py")]
    assert heads and all(re.fullmatch(r"# 03\.\d ·.*· [\d▪ ]+", head) for head in heads)


def plain(text):
    """A feedback column has the words of a hint without the marks of its code."""
    code = re.compile(
        r"math\.\w+|\.log\(\)|log2|\bindex\b|\bdef \w+\(.*\)|There is no function \w+: was it renamed\?|surprise"
    )
    return code.sub("", text)


def test_other_programs_read_the_same_columns_statuses_and_points_in_each_language(tmp_path):
    tables = {}
    for code in language.languages():
        set_language(code)
        exercise_grade.cache_clear()
        files = every_file(write(tmp_path / code, a_class()))
        rows = {name: list(csv.reader(StringIO(files[name].decode(), newline=""))) for name in files if ".csv" in name}
        tables[code] = {name: [row[:-1] for row in found] for name, found in rows.items()}, rows["grades.csv"][0]
        tables[code] += (files["canvas.csv"], re.findall(rb"(?:tests|failures|errors|skipped)=\S+", files["junit.xml"]))
    assert tables["en"] == tables["de"]
    assert {row[1] for row in tables["de"][0]["grades.csv"][1:]} == {GRADED, REVIEW, REJECTED, MISSING, INFRA_ERROR}


def test_pages_say_in_which_language_they_are(tmp_path):
    set_language("de")
    write(tmp_path, [make("s1", "right", REVIEW, ["42"])])
    assert {page.read_text("utf-8")[:40].splitlines()[1] for page in tmp_path.rglob("*.html")} == {'<html lang="de">'}
    page = (tmp_path / "students" / "s1.html").read_text("utf-8")
    assert "Aufgaben 03 · Das nächste Token" in page and "03.6 · Welches Modell weiß mehr?</span>" in page
    assert "13 von 16 Punkten bis jetzt" in page and "Deine Lehrkraft liest sie." in page


# --- the real grader


@pytest.fixture(scope="module")
def desk():
    """A grader whose sandbox was started in German."""
    before = os.environ.get("NANOCHAT_LANGUAGE")
    set_language("de")
    with closing(Grader(find_master(SHEET, ROOT), 7, Limits(3, 512))) as grader:
        assert grader.level
        yield grader
    os.environ.pop("NANOCHAT_LANGUAGE")
    os.environ.update({"NANOCHAT_LANGUAGE": before} if before else {})


def handed_in():
    """One answer is right, one wrong in a known way, one has another name, one no brackets, one asks the network."""
    answers = {each: right(each) for each in ("07.1", "07.3", "07.4", "07.5")} | {"07.2": wrong("07.2")}
    answers["07.3"] = answers["07.3"].replace("def ", "def my_", 1)
    answers["07.4"] = answers["07.4"].partition("\n")[0] + "\n    import socket\n    socket.socket()\n"
    answers["07.5"] = answers["07.5"].replace(":", "", 1)
    notebook = with_answers(answers)
    cell_of(notebook, "07.1", "check")["source"] = "pass"
    return json.dumps(notebook).encode()


def test_the_real_grader_gives_the_same_points_in_each_language_and_says_why_in_german(desk):
    english = desk.grade("s1", "s1.ipynb", handed_in())
    set_language("de")
    german = desk.grade("s1", "s1.ipynb", handed_in())
    assert [each.points for each in german.exercises] == [each.points for each in english.exercises] == [1, 0, 0, 0, 0]
    assert [each.result.status for each in german.exercises] == [each.result.status for each in english.exercises]
    assert german.exercises[1].result.misconception == english.exercises[1].result.misconception != ""
    assert (german.status, german.score) == (english.status, english.score)
    known, renamed, network, broken = (each.result for each in german.exercises[1:])
    assert known.hints[0] in catalogue("de").values() and " Prüfungen stimmen. " in known.sentence
    assert renamed.sentence.startswith("Erwartet: eine Funktion `") and "benenne sie um" in renamed.sentence
    assert "das Netz ist aus, solange ein Blatt bewertet wird (in Zeile 3: `socket.socket()`)" in network.sentence
    assert broken.sentence.startswith("Die Antwortzelle ist noch kein Python (Zeile 1: ")
    assert "Prüfzellen wurden geändert (07.1). Benutzt wurden die des Blatts." in german.notes


# --- the language of a run


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_GRADERS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))


def job(code):
    master = find_master(SHEET, ROOT)
    return Job(SHEET, master.notebook, 7, grader=fake_graders.NAME, language=code)


TASK = Task("s1", "s1.ipynb", (), b"fine", "k")


def test_a_worker_speaks_the_language_of_its_job_whatever_its_surroundings_say(fakes):
    worker = Worker(job("de"))
    try:
        assert worker.grade(TASK).exercises[0].result.title == "Der eigene Name"
    finally:
        worker.close()


def test_a_machine_of_a_cluster_speaks_it_too_also_where_its_grader_fails(fakes, monkeypatch):
    asked = {name: value for name, value in asdict(TASK).items() if name != "raw"}
    data = job("de").to_json()
    try:
        done = grade_there("run", versions(), data, asked, b"fine")
        assert Grade.from_json(done["grade"]).exercises[0].result.title == "Der eigene Name"
        monkeypatch.setattr(Worker, "grade", lambda self, task: (_ for _ in ()).throw(ConnectionError("x")))
        failed = grade_there("run", versions(), data, asked, b"fine")
        assert failed["grade"]["notes"][0].startswith("Hier ist die Bewertung selbst fehlgeschlagen, 3 Mal: x.")
    finally:
        end_there("run")


def test_machines_with_other_words_do_not_grade_together(tmp_path, monkeypatch):
    versions.cache_clear()
    assert any(each.suffix == ".json" for each in (ROOT / "nanochat_helpers/data/languages/de").iterdir())
    before = versions()["NanoChat"]
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b" " * (path.name == "checks.json"))
    versions.cache_clear()
    assert versions()["NanoChat"] != before
    versions.cache_clear()


@pytest.fixture
def run(tmp_path, fakes):
    """Grade one student with fake graders; returns the student's page."""
    folder = tmp_path / "handed_in"
    folder.mkdir()
    (folder / "ana.ipynb").write_text("fine")

    def grade(**asked):
        out = tmp_path / "out"
        request = Request(SHEET, folder, out, folder=ROOT, asked=Asked(**asked), grader=fake_graders.NAME, jobs=1)
        grade_class(request, [].append, StringIO())
        return (out / "students" / "ana.html").read_text("utf-8")

    return grade


def test_a_run_speaks_the_language_of_its_beginning_also_when_it_is_resumed_elsewhere(tmp_path, run):
    first = run(language="de_DE")
    assert '<html lang="de">' in first and "Der eigene Name" in first
    assert json.loads((tmp_path / "out" / "run.json").read_text())["language"] == "de"
    assert language.language() == "en"  # this process speaks again what it spoke before
    (tmp_path / "handed_in" / "ben.ipynb").write_text("fine")
    assert run(resume=True) == first and run(resume=True, language="de") == first
    assert "Its own name" not in (tmp_path / "out" / "students" / "ben.html").read_text("utf-8")
    with pytest.raises(GradingError, match="was begun with another language, de: leave it as it was"):
        run(resume=True, language="en")
    assert (tmp_path / "out" / "students" / "ana.html").read_text("utf-8") == first


def test_the_language_is_the_asked_one_or_that_of_the_run_or_that_of_the_reader(tmp_path, monkeypatch):
    assert language_of(tmp_path, Asked()) == "en"
    monkeypatch.setenv("NANOCHAT_LANGUAGE", "de")
    assert language_of(tmp_path, Asked()) == language_of(tmp_path, Asked(resume=True)) == "de"
    (tmp_path / "run.json").write_text(json.dumps({**asdict(SETTINGS), "language": "en"}))
    assert language_of(tmp_path, Asked(resume=True)) == "en"
    assert language_of(tmp_path, Asked()) == "de"  # which will be refused: a run is there
    (tmp_path / "run.json").write_text(json.dumps({**asdict(SETTINGS), "language": "xx"}))
    with pytest.raises(GradingError, match="is damaged"):
        language_of(tmp_path, Asked(resume=True))


def test_a_run_that_was_begun_when_there_was_one_language_goes_on_in_it(tmp_path, monkeypatch):
    monkeypatch.setenv("NANOCHAT_LANGUAGE", "de")
    before = {name: value for name, value in asdict(SETTINGS).items() if name != "language"}
    (tmp_path / "run.json").write_text(json.dumps(before))
    assert language_of(tmp_path, Asked(resume=True)) == "en"


def test_a_language_that_does_not_exist_is_refused_before_anything_is_written(tmp_path, run):
    with pytest.raises(SettingsError, match='Choose one of these: "en"'):
        run(language="xx")
    assert not (tmp_path / "out").exists() and language.language() == "en"
