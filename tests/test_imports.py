"""Who may import whom, what importing costs, and that the lists of names are true."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nanochat_helpers
from nanochat_helpers import errors

PACKAGE = Path(nanochat_helpers.__file__).parent

# A module imports only what stands on a line before its own (a folder also from itself). What is missing here does not
# exist, or has no place yet: put it where it belongs, and nothing that stands before it may ever need it.
ORDER = [
    {"errors"},
    {"repository"},  # where the links lead
    {"language"},  # of all texts that a reader sees
    {"settings"},
    {"tokens"},
    {"bpe"},  # the second half of step 2, by hand
    {"prompts"},
    {"history"},
    {"sampling"},
    {"backbones"},
    {"quantization"},  # the same models with smaller numbers
    {"weights"},  # where the files of `models` come from
    {"models"},
    {"stopping"},  # the end of the loop of step 5
    {"generation"},
    {"model_costs"},  # what a model costs, and what a smaller one loses
    {"postprocess"},
    {"extraction"},  # the second half of step 6: a value out of a reply
    {"passages"},  # a folder of texts, cut up for `retrieval`
    {"safety_rules"},
    {"safety_words"},  # rules made of a list of words
    {"safety", "retrieval"},
    {"search_quality", "intents"},  # how good a retrieval is; the same vectors tell what somebody wants
    {"memory"},  # a summary and a search for the strategies of `history`
    {"trace"},
    {"transcript"},  # a conversation as a file
    {"chat"},
    {"workflow"},
    {"plots", "views"},
    {"widgets"},
    {"bots"},  # what is built with all of the above
    {"checks"},
    {"grading"},
    {"bundle"},  # everything for a room without internet
    {"publishing"},  # the lessons as slides and as a site
    {"serve"},
    {"doctor", "terminal"},  # two commands of `cli`
    {"cli"},
]
PLACE = {name: place for place, names in enumerate(ORDER) for name in names}
HEAVY = {"torch", "transformers", "matplotlib", "ipywidgets", "numpy", "xllamacpp"}


def modules():
    """All modules of the package as (path inside it without .py, tree); the programs in data/ are none."""
    for path in sorted(set(PACKAGE.rglob("*.py")) - set(PACKAGE.glob("data/**/*.py"))):
        yield path.relative_to(PACKAGE).with_suffix("").parts, ast.parse(path.read_text("utf-8"))


def own_imports(parts, tree):
    """The top-level names of this package that a module imports, wherever in the module it does so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            yield from (name[1] for name in names if name[0] == "nanochat_helpers" and len(name) > 1)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = [*parts[:-1]][: len(parts) - node.level] + (node.module or "").split(".") * bool(node.module)
            elif (node.module or "").split(".")[0] == "nanochat_helpers":
                base = node.module.split(".")[1:]
            else:
                continue
            yield from [base[0]] if base else (alias.name for alias in node.names)


def edges(parts, tree):
    return {name for name in own_imports(parts, tree) if name != "__version__"}


def foreign_imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def wrong_edges(parts, tree):
    """What a module imports although it stands no earlier than the module itself."""
    home = parts[0]
    return sorted(name for name in edges(parts, tree) if name != home and PLACE.get(name, 99) >= PLACE[home])


MODULES = list(modules())
IDS = ["/".join(parts) for parts, _ in MODULES]


# --- the order


def test_every_module_has_a_place():
    names = {parts[0] for parts, _ in MODULES} - {"__init__"}
    assert names <= PLACE.keys()


@pytest.mark.parametrize(("parts", "tree"), MODULES, ids=IDS)
def test_a_module_imports_only_what_stands_before_it(parts, tree):
    if parts == ("__init__",):
        assert edges(parts, tree) == set()  # it loads its names lazily
    else:
        assert wrong_edges(parts, tree) == []


@pytest.mark.parametrize(
    ("parts", "code", "wrong"),
    [
        (("tokens",), "from .chat import Chat", ["chat"]),
        (("tokens",), "def f():\n    from . import chat", ["chat"]),
        (("tokens",), "import nanochat_helpers.chat", ["chat"]),
        (("tokens",), "from nanochat_helpers.chat import Chat", ["chat"]),
        (("tokens",), "from nanochat_helpers import chat", ["chat"]),
        (("tokens",), "from .errors import MessageError", []),
        (("views", "tokens"), "from ..tokens import split\nfrom .markup import escape", []),
        (("views", "tokens"), "from ..widgets.live import Live", ["widgets"]),
        (("views", "deep", "er"), "from ...widgets import Live", ["widgets"]),
        (("backbones", "__init__"), "from ..models import load_model", ["models"]),
        (("plots",), "from .views import pipeline", ["views"]),
        (("cli",), "from . import __version__", []),
        (("tokens",), "from .unknown import x", ["unknown"]),
    ],
)
def test_this_check_sees_a_wrong_import_in_every_spelling(parts, code, wrong):
    assert wrong_edges(parts, ast.parse(code)) == wrong


@pytest.mark.parametrize(("parts", "tree"), MODULES, ids=IDS)
def test_only_widgets_import_ipywidgets(parts, tree):
    assert parts[0] == "widgets" or "ipywidgets" not in foreign_imports(tree)


# --- what importing costs


def imported_by(code):
    """Which modules are loaded after some code has run in a fresh Python, and what it printed."""
    script = f"import sys\n{code}\nsys.stderr.write('LOADED ' + __import__('json').dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
    printed, _, loaded = done.stderr.partition("LOADED ")
    return {name.split(".")[0] for name in json.loads(loaded)}, done.stdout + printed


def test_importing_the_package_loads_nothing_heavy_and_prints_nothing():
    loaded, printed = imported_by("import nanochat_helpers")
    assert not HEAVY & loaded
    assert printed == ""


@pytest.mark.parametrize("name", ["settings", "prompts", "history", "postprocess", "trace", "chat", "models"])
def test_what_a_chat_with_llama_cpp_needs_loads_no_torch(name):
    loaded, printed = imported_by(f"import nanochat_helpers.{name}")
    assert not {"torch", "transformers", "matplotlib", "ipywidgets"} & loaded
    assert printed == ""


def test_importing_sets_no_seed():
    code = "import random\nbefore = random.getstate()\nimport nanochat_helpers.chat\nassert random.getstate() == before"
    imported_by(code)


# --- names


def test_every_name_of_the_package_is_there():
    for name in nanochat_helpers.__all__:
        assert getattr(nanochat_helpers, name).__module__.startswith("nanochat_helpers."), name
        assert name in dir(nanochat_helpers)


@pytest.mark.parametrize("parts", [parts for parts, _ in MODULES if parts[-1] != "__main__"], ids="/".join)
def test_every_name_that_a_module_lists_is_there(parts):
    module = importlib.import_module(".".join(["nanochat_helpers", *parts]).removesuffix(".__init__"))
    for name in getattr(module, "__all__", ()):
        assert hasattr(module, name), name


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Chatt'"):
        _ = nanochat_helpers.Chatt


# --- errors


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    parents, by_depth = {}, []
    for line in errors.__doc__.splitlines():
        found = re.match(r"([│├└─ ]*)([A-Z]\w+Error)\b", line)
        if found:
            depth = len(found[1]) // 4
            by_depth[depth:] = [found[2]]
            parents[found[2]] = by_depth[depth - 1] if depth else "Exception"
    classes = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind)}
    assert parents == {name: kind.__bases__[0].__name__ for name, kind in classes.items()}
    assert all(issubclass(kind, errors.NanoChatError) for kind in classes.values())


@pytest.mark.parametrize(("parts", "tree"), MODULES, ids=IDS)
def test_errors_are_defined_in_one_place(parts, tree):
    bases = [
        ast.unparse(base)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and parts != ("errors",)
        for base in node.bases
    ]
    assert not [base for base in bases if base.endswith(("Error", "Exception"))]
