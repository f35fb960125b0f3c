"""Nothing that is loaded can run code: no module of ours imports a pickle, and numpy is told so."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNS_CODE = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "jsonpickle",
}
FOLDERS = ("bertworks", "components", "pipelines")


def sources():
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def called(tree):
    """Names of functions that are called, with the call: "np.load", "yaml.load"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            yield f"{owner.id if isinstance(owner, ast.Name) else '?'}.{node.func.attr}", node


# Of what else there is no need to make a tree.
WORTH = re.compile(r"\bload\b|read_pickle|unsafe_load|allow_pickle|" + "|".join(RUNS_CODE))


def problems(text):
    """What in a source could load code."""
    if not WORTH.search(text):
        return
    tree = ast.parse(text)
    yield from sorted(set(imported(tree)) & RUNS_CODE)
    for name, node in called(tree):
        given = {one.arg: one.value for one in node.keywords}
        allowed = given.get("allow_pickle")
        # numpy refuses pickles by itself since 1.16.3; here it is said, so that nobody need know that.
        if name in ("np.load", "numpy.load") and not (
            isinstance(allowed, ast.Constant) and allowed.value is False
        ):
            yield f"line {node.lineno}: {name} without allow_pickle=False"
        if allowed is not None and not (
            isinstance(allowed, ast.Constant) and allowed.value is False
        ):
            yield f"line {node.lineno}: allow_pickle"
        if name in ("pd.read_pickle", "pandas.read_pickle", "torch.load", "yaml.unsafe_load"):
            yield f"line {node.lineno}: {name}"
        if name == "yaml.load":
            loader = node.args[1] if len(node.args) > 1 else given.get("Loader")
            if not (isinstance(loader, ast.Name | ast.Attribute) and "Safe" in ast.unparse(loader)):
                yield f"line {node.lineno}: yaml.load without a safe loader"


def test_no_source_of_ours_loads_code():
    found = [f"{file.relative_to(ROOT)}: {one}" for file in sources()
             for one in problems(file.read_text("utf-8"))]  # fmt: skip
    assert not found


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from pickle import loads", "import joblib.externals", "def f():\n import dill",
     "np.load(a)", "np.load(a, allow_pickle=True)", "np.load(a, allow_pickle=x)", "torch.load(a)",
     "yaml.load(a)", "yaml.load(a, yaml.Loader)", "np.lib.format.read_array(f, allow_pickle=True)"],
)  # fmt: skip
def test_the_look_sees_it(text):
    assert list(problems(text))


def test_the_look_lets_pass_what_is_safe():
    text = "import json\nnp.load(a, allow_pickle=False)\nyaml.load(a, Loader=SafeLoader)"
    assert not list(problems(text))
