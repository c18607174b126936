"""The `nanochat` command: chat, run a workflow, look at the machine, look after models and sheets, grade a class.

It reads what was typed and shows what comes out; all work is done elsewhere, and imported only when a command needs it.
A mistake is one line on stderr that says what, where and what to do, with exit code 2.
"""

import errno
import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from . import __version__
from .errors import EngineError, NanoChatError, WorkflowError

# rich would load slowly, and draw boxes that a plain terminal or a log cannot show.
OPTIONS = {"rich_markup_mode": None, "pretty_exceptions_enable": False, "add_completion": False}
app = typer.Typer(help="A small chatbot whose every step you can look into.", **OPTIONS)
models_app = typer.Typer(rich_markup_mode=None, help="List, fetch or remove models. Example: nanochat models list")
app.add_typer(models_app, name="models")
sheets_app = typer.Typer(
    rich_markup_mode=None, help="Make and prove the exercise sheets. Example: nanochat sheets list"
)
app.add_typer(sheets_app, name="sheets")

USAGE_ERROR = typer.BadParameter.__base__  # typer's own copy of click, or click itself: by typer's version
EXIT_MISTAKE, EXIT_INTERRUPTED = 2, 130
DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)


class Engine(StrEnum):
    """The values of --engine."""

    AUTO = "auto"
    TRANSFORMERS = "transformers"
    LLAMA_CPP = "llama.cpp"


ModelOption = Annotated[str, typer.Option(help="A model's name (see: nanochat models), folder or .gguf file.")]
EngineOption = Annotated[
    Engine, typer.Option(help="What runs the model; auto is llama.cpp where it is installed, for its speed.")
]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0, 2 for a mistake, 130 after Ctrl-C."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a terminal without Unicode shows \u2026 and goes on
    sys.stdin.reconfigure(errors="surrogateescape")  # bytes that are no text are then refused like any bad message
    try:
        # A reader who leaves, such as `head`, ends it quietly: typer sees to that.
        code = app(arguments, prog_name="nanochat", standalone_mode=False) or 0
    except NanoChatError as error:
        code = _complain(str(error))
    except USAGE_ERROR as error:
        path = error.ctx.command_path if error.ctx else "nanochat"
        hint = _hint(error, sys.argv[1:] if arguments is None else arguments)
        code = _complain(f"{error.format_message().rstrip('.?')}{hint}. See: {path} --help")
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_IS_FULL:
            sys.exit(_complain_about_the_disk(error))
        if os.environ.get("NANOCHAT_DEBUG"):
            raise
        why = f"{type(error).__name__}: {error}"
        code = _complain(f"NanoChat itself failed ({why}). Please report it, with what NANOCHAT_DEBUG=1 shows.")
    if code == EXIT_INTERRUPTED:
        sys.stderr.write("\nStopped.\n")
    sys.exit(code)


def _open_what_is_closed() -> None:
    """Where nobody gave an input or an output (`<&-`), there is an empty one: no file takes its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123 (open until the end)


def _complain(text: str) -> int:
    from .terminal import one_line

    sys.stdout.flush()
    sys.stderr.write(f"nanochat: {one_line(text)}\n")
    return EXIT_MISTAKE


def _complain_about_the_disk(error: OSError) -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would try once more at its end, and complain
    return _complain(f"What NanoChat writes has no room ({error.strerror}): free some disk, or send it elsewhere.")


def _hint(error: Exception, arguments: list[str]) -> str:
    """What typer's message leaves unsaid: the value that was typed, or how a message reaches us whole."""
    said = error.format_message()
    takes_message = error.ctx is not None and error.ctx.info_name in ("chat", "run")
    if takes_message and "unexpected extra argument" in said:
        return '; put the message in quotes, such as "Hello there"'
    option = getattr(error, "option_name", None) or ""
    if takes_message and option and (" " in option or not option.startswith("--")):
        return '; if it is the message, put -- before it, such as -- "-5 + 3"'
    value = _typed_value(getattr(getattr(error, "param", None), "opts", ()), arguments)
    return f" (given: {value!r})" if value and value not in said else ""


def _typed_value(names, arguments):
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else following
    return ""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True, epilog='Example: nanochat chat "What is the capital of France?"')
def nanochat(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A small chatbot whose every step you can look into."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(epilog='Example: nanochat chat "What is the capital of France?" --temperature 0')
def chat(
    context: typer.Context,
    message: Annotated[
        str | None, typer.Argument(help="What to say. Without it, a conversation begins.", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A model's name (see: nanochat models), folder or .gguf file. [smollm2]")
    ] = None,
    engine: EngineOption = Engine.AUTO,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Use a model on this server, such as http://127.0.0.1:8000/v1."),
    ] = None,
    system: Annotated[str | None, typer.Option(help="How the chatbot should behave.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Below 1 safer, above 1 wilder; 0 = no luck. [0.7]")] = None,
    top_k: Annotated[int | None, typer.Option(help="Keep the k most likely tokens; 0 = off. [0]")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Keep the likeliest tokens up to this sum; 1 = off. [0.9]")
    ] = None,
    min_p: Annotated[float | None, typer.Option(help="Keep tokens this likely beside the best; 0 = off. [0]")] = None,
    repetition_penalty: Annotated[float | None, typer.Option(help="Weaken used tokens; 1 = off. [1]")] = None,
    penalise_prompt: Annotated[
        bool | None, typer.Option("--penalise-prompt/--spare-prompt", help="Are the prompt's tokens used ones? [yes]")
    ] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="The longest reply, in tokens. [256]")] = None,
    max_length: Annotated[int | None, typer.Option(help="The same, but counted with the prompt.")] = None,
    do_sample: Annotated[
        bool | None, typer.Option("--do-sample/--greedy", help="Draw each token, or take the most likely one. [draw]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Fixes the luck: the same seed, the same reply.")] = None,
    stop: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A text at which the reply ends; may be repeated.")
    ] = None,
) -> None:
    """Talk to a model: one message, or a conversation with /settings, /reset, /trace and /help."""
    from dataclasses import fields

    from .backbones.remote import connect
    from .chat import Chat, load_chat_model, user_message
    from .prompts import check_message
    from .settings import GenerationSettings
    from .terminal import Conversation, check_utf8, note, notes, show_reply

    typed = {field.name: context.params[field.name] for field in fields(GenerationSettings)}
    settings = GenerationSettings(**{name: value for name, value in typed.items() if value not in (None, [], ())})
    check_message(system or "", "The system message")
    if server and engine is not Engine.AUTO:
        raise EngineError("--engine is for a model on this computer: leave it out together with --server.")
    if message is not None:
        check_utf8(message)
        user_message(message)  # a mistake should show before seconds are spent on the model
    backbone = connect(server, model) if server else load_chat_model(model or "smollm2", engine=engine.value)
    conversation = Chat(backbone, system=system, settings=settings)
    if message is None:
        Conversation(conversation).run()
        return
    for text in notes(show_reply(conversation, message, live=sys.stdout.isatty())):
        note(text)


@app.command(epilog='Example: nanochat run workflow.json "Hello NanoChat!" --model smollm2')
def run(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW.json", help="A workflow; - reads it from the input.")],
    message: Annotated[str, typer.Argument(help="What to say.")],
    model: Annotated[
        str | None, typer.Option(help="Use this model in place of the one that the workflow names.")
    ] = None,
    engine: EngineOption = Engine.AUTO,
    trace: Annotated[
        str | None, typer.Option(help="Save what each step took and gave; auto is then transformers, which shows more.")
    ] = None,
) -> None:
    """Run a workflow, the pipeline as a JSON file, on one message."""
    from .chat import load_chat_model, user_message
    from .terminal import check_trace_path, check_utf8, note, notes, printable, save_trace, write
    from .workflow import parse_json, parse_workflow, run_workflow

    spec = parse_workflow(parse_json(_read_input()) if workflow == "-" else _existing_path(workflow))
    check_utf8(message)
    user_message(message)
    if trace:
        check_trace_path(trace)
    chosen = Engine.TRANSFORMERS if trace and engine is Engine.AUTO else engine
    models = {spec.model: load_chat_model(model, engine=chosen.value)} if model else None
    reply = run_workflow(spec, message, models=models, engine=chosen.value)
    write(printable(reply.text) + "\n")
    for text in notes(reply):
        note(text)
    if trace:
        save_trace(reply, trace)


def _read_input() -> str:
    from .terminal import check_utf8

    text = sys.stdin.read()
    check_utf8(text)
    return text


def _existing_path(name: str):
    from pathlib import Path

    if not Path(name).is_file():
        raise WorkflowError(f"There is no file {name!r}: give the path of a workflow, or - to read it from the input.")
    return Path(name)


@app.command(epilog="Example: nanochat doctor")
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON, for a program to read.")] = False,
    measure: Annotated[bool, typer.Option(help="Also load the model and time each engine.")] = True,
) -> None:
    """Look at this machine and say what to fix; exit code 1 if there is something."""
    from dataclasses import asdict

    from .doctor import examine

    findings = []
    for finding in examine(measure=measure):
        findings.append(finding)
        if not as_json:
            typer.echo(f"{'!' if finding.fix else ' '} {finding.name:<16} {finding.value}")
    fixes = [finding for finding in findings if finding.fix]
    if as_json:
        import json

        typer.echo(json.dumps({"ok": not fixes, "findings": [asdict(finding) for finding in findings]}, indent=1))
    else:
        typer.echo("\nTo fix:" if fixes else "\nAll is well.")
        for finding in fixes:
            typer.echo(f"- {finding.name}: {finding.fix}")
    raise typer.Exit(1 if fixes else 0)


@app.command(epilog="Example: nanochat serve --model smollm2 --port 8000")
def serve(
    model: ModelOption = "smollm2",
    engine: EngineOption = Engine.AUTO,
    host: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0 lets other machines in, and then a key is needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make up a key that clients must send, and show it.")
    ] = False,
    no_key: Annotated[bool, typer.Option("--no-key", help="Let everybody in who can reach the server.")] = False,
    max_waiting: Annotated[int, typer.Option(min=0, max=100, help="How many may wait in line for the model.")] = 32,
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest reply that may be asked for.")] = 1024,
) -> None:
    """Answer programs over HTTP, as OpenAI's API does. A key can also be set as NANOCHAT_SERVE_KEY."""
    from .chat import load_chat_model
    from .serve.command import serve as run_server

    run_server(
        lambda: load_chat_model(model, engine=engine.value),
        host=host,
        port=port,
        new_key=new_key,
        no_key=no_key,
        max_waiting=max_waiting,
        max_tokens=max_tokens,
        say=typer.echo,
    )


@app.command(epilog="Example: nanochat gui --model smollm2 --port 7860")
def gui(
    model: ModelOption = "smollm2",
    engine: EngineOption = Engine.AUTO,
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 7860,
) -> None:
    """Open a page in which people talk to a model, with the settings beside the talk."""
    from .chat import load_chat_model
    from .serve.gui import run as run_page

    run_page(lambda: load_chat_model(model, engine=engine.value), host=host, port=port, say=typer.echo)


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List, fetch or remove models. Example: nanochat models fetch smollm2"""
    if context.invoked_subcommand is None:
        list_all()


@models_app.command("list", epilog="Example: nanochat models list")
def list_all() -> None:
    """Show the models that NanoChat knows, and which of them are on this machine."""
    from .doctor import megabytes
    from .models import cache_dir, list_models

    statuses = list_models()
    typer.echo(f"{'name':<14} {'on this machine':>15}  {'download':>8}  {'licence':<18} good for")
    for status in statuses:
        card = status.card
        here = megabytes(status.bytes_on_disk) if status.on_this_machine else "no"
        here = "see below" if status.problem else here
        typer.echo(f"{card.name:<14} {here:>15}  {card.megabytes:>5} MB  {card.licence:<18} {card.good_for}")
    problems = [f"- {status.card.name}: {status.problem}" for status in statuses if status.problem]
    if problems:
        typer.echo("\nTo fix:\n" + "\n".join(problems))
    typer.echo(f"\nThey are kept in {cache_dir()}. Fetch one with: nanochat models fetch NAME")


@models_app.command(epilog="Example: nanochat models fetch smollm2 minilm")
def fetch(
    names: Annotated[list[str], typer.Argument(help="Names from the list, or hub ids such as owner/name.")],
) -> None:
    """Fetch one model or several now, so that later all works offline."""
    from .models import fetch_model

    for name in names:
        files = fetch_model(name)
        typer.echo(f"{name} is ready in {files.folder}")


@models_app.command(epilog="Example: nanochat models remove distilgpt2")
def remove(name: Annotated[str, typer.Argument(help="A name from the list.")]) -> None:
    """Remove a model from this machine; it can be fetched again."""
    from .doctor import megabytes
    from .models import remove_model

    freed = remove_model(name)
    typer.echo(
        f"{name} is removed: {megabytes(freed)} are free again." if freed else f"{name} was not on this machine."
    )


FolderOption = Annotated[
    str,
    typer.Option(metavar="FOLDER", help="A copy of NanoChat's repository, with its solutions/.", show_default=False),
]


@sheets_app.callback(invoke_without_command=True)
def sheets(context: typer.Context) -> None:
    """Make and prove the exercise sheets. Example: nanochat sheets list"""
    if context.invoked_subcommand is None:
        list_sheets()


@sheets_app.command(epilog="Example: nanochat sheets build")
def build(folder: FolderOption = ".") -> None:
    """Write the students' sheets, exercises/, out of solutions/."""
    from pathlib import Path

    from .grading.command import build_sheets

    raise typer.Exit(build_sheets(Path(folder), typer.echo))


@sheets_app.command(epilog="Example: nanochat sheets verify")
def verify(folder: FolderOption = ".") -> None:
    """Prove that each sheet is sound; exit code 1 if one is not."""
    from pathlib import Path

    from .grading.command import verify_sheets

    raise typer.Exit(verify_sheets(Path(folder), typer.echo))


@sheets_app.command("list", epilog="Example: nanochat sheets list")
def list_sheets(folder: FolderOption = ".") -> None:
    """Show all exercises with their points."""
    from pathlib import Path

    from .grading.command import list_sheets as show_sheets

    raise typer.Exit(show_sheets(Path(folder), typer.echo))


@app.command(epilog="Example: nanochat grade 04 handed_in/ --out graded/ --roster class.csv")
def grade(
    sheet: Annotated[str, typer.Argument(help="The sheet's number, name or file, such as 04.")],
    submissions: Annotated[str, typer.Argument(help="A folder, a zip, or what a learning platform exports.")],
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where the reports go; a new folder.")],
    seed: Annotated[
        int | None, typer.Option(help="Fixes the secret cases. Without it, it is drawn from what was handed in.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="How many are graded at a time. [one for each core]")] = None,
    roster: Annotated[str | None, typer.Option(metavar="FILE", help="The class as CSV: who is missing?")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is in --out.")] = False,
    time_limit: Annotated[int | None, typer.Option(min=1, max=3600, help="Seconds for each exercise. [10]")] = None,
    memory_limit: Annotated[
        int | None, typer.Option(min=64, max=2**20, help="Megabytes for each exercise. [1024]")
    ] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Grade on this Dask cluster, such as tcp://10.0.0.1:8786.")
    ] = None,
    project: Annotated[
        str, typer.Option("--folder", metavar="PROJECT", help="A copy of NanoChat's repository, with its exercises/.")
    ] = ".",
    language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Of pages and notes: en or de. [as NANOCHAT_LANGUAGE says, or en]"),
    ] = None,
) -> None:
    """Grade what a class handed in. Exit code 0: all graded; 3: some need a look; 2: it could not be done, and why."""
    from pathlib import Path

    from .grading.command import check_system, refuse_blanks

    check_system()  # before the rest is imported, which needs what only such systems have
    given = {"SUBMISSIONS": submissions, "--out": out, "--roster": roster, "--dask": dask, "--folder": project}
    refuse_blanks({**given, "--language": language})
    from .grading.batch.folder import Asked
    from .grading.grade_command import Request, grade_class

    request = Request(
        sheet,
        Path(submissions),
        Path(out),
        folder=Path(project),
        roster=None if roster is None else Path(roster),
        jobs=jobs,
        dask=dask,
        asked=Asked(seed, time_limit, memory_limit, resume, language),
    )
    raise typer.Exit(grade_class(request, typer.echo, sys.stderr))


@app.command(epilog="Example: nanochat repository my-school/nanochat")
def repository(
    name: Annotated[
        str | None, typer.Argument(metavar="OWNER/NAME", help="The new name. Without it, the present one is shown.")
    ] = None,
    hub: Annotated[
        str | None, typer.Option(metavar="URL", help="Show links that open each lesson on this JupyterHub.")
    ] = None,
    folder: FolderOption = ".",
) -> None:
    """Show the repository that all links lead to, or lead them to your own copy of it."""
    from pathlib import Path

    from . import repository as links

    if name is not None:
        for path in links.rewrite(Path(folder), name):
            typer.echo(f"written: {path.relative_to(folder)}")
    typer.echo(f"All links lead to {links.name_of_copy(Path(folder))}.")
    if hub is not None:
        typer.echo("\n" + links.hub_links(hub, Path(folder)))


@app.command(epilog="Example: nanochat slides 04 --out decks/")
def slides(
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where the slides go: one HTML file a lesson.")],
    lessons: Annotated[
        list[str] | None,
        typer.Argument(metavar="LESSON...", help="Numbers, names or files, such as 04. Without one, all lessons."),
    ] = None,
    folder: FolderOption = ".",
) -> None:
    """Make slides of lessons, with all pictures and the teacher's notes, in files that need no network."""
    from pathlib import Path

    from .publishing.command import make_slides

    raise typer.Exit(make_slides(lessons or [], Path(out), typer.echo, folder=Path(folder)))


@app.command(epilog="Example: nanochat bundle --out stick/nanochat --system windows-amd64 --python 3.12")
def bundle(
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where it goes: a new folder, or an earlier bundle.")],
    system: Annotated[
        list[str] | None,
        typer.Option(help="linux-x86_64, linux-aarch64, macos-arm64, windows-amd64; may be repeated. [this one]"),
    ] = None,
    python: Annotated[
        list[str] | None, typer.Option(metavar="VERSION", help="3.11, 3.12 or 3.13; may be repeated. [this one]")
    ] = None,
    for_teacher: Annotated[
        bool, typer.Option("--for-teacher", help="With the solutions, the answers and the lesson plans.")
    ] = False,
    project: Annotated[
        str, typer.Option("--folder", metavar="PROJECT", help="The copy of NanoChat that is bundled.")
    ] = ".",
) -> None:
    """Make a folder for a room without internet: all packages, models and lessons, with an installer."""
    from pathlib import Path

    from .bundle import make_bundle

    make_bundle(
        Path(project),
        Path(out),
        systems=system or (),
        pythons=python or (),
        for_teacher=for_teacher,
        say=typer.echo,
    )


@app.command(epilog="Example: nanochat site --out site/")
def site(
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where the pages go: a new folder, or an older site.")],
    folder: FolderOption = ".",
) -> None:
    """Make a site of the whole series, to be put on any server or opened from a folder."""
    from pathlib import Path

    from .publishing.command import make_site

    raise typer.Exit(make_site(Path(out), typer.echo, folder=Path(folder)))


if __name__ == "__main__":
    main()
