"""The statuses that code may refuse with, by reading it: whatever it calls, as far as that is ours."""

import ast
import inspect
import sys
import textwrap

from bertworks.serving.refusals import Refused


def statuses(*roots, parts=()):
    """The statuses of all `Refused` and `HTTPException` that functions may come to.

    Args:
        roots: Functions, methods among them.
        parts: Classes of the objects whose methods they call, as in `self.line.check_room()`: a method
            is taken for that of each of them that has one of its name.
    """
    found, seen, left = set(), set(), [inspect.unwrap(one) for one in roots]
    while left:
        function = left.pop()
        if function in seen:
            continue
        seen.add(function)
        own = _class_of(function)
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node.func) in (
                Refused.__name__,
                "HTTPException",
            ):
                assert isinstance(node.args[0], ast.Constant), ast.unparse(node)
                found.add(node.args[0].value)
            left += [one for one in _meant(node, function, own, parts) if one not in seen]
    return found


def _name(node):
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _known(node, known):
    return known.get(node.id) if isinstance(node, ast.Name) else None


def _class_of(function):
    first, _, rest = function.__qualname__.partition(".")
    return getattr(sys.modules[function.__module__], first, None) if rest else None


def _meant(node, function, own, parts):
    """The functions of ours that a name or an attribute stands for."""
    known = function.__globals__
    if isinstance(node, ast.Name):
        choices = [known.get(node.id)]
    elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "self":
        choices = [inspect.getattr_static(own, node.attr, None)]
    elif isinstance(node, ast.Attribute) and inspect.ismodule(module := _known(node.value, known)):
        choices = [getattr(module, node.attr, None)]
    elif isinstance(node, ast.Attribute):
        choices = [inspect.getattr_static(one, node.attr, None) for one in parts]
    else:
        return
    for one in choices:
        one = inspect.unwrap(getattr(one, "__func__", one)) if callable(one) else one
        if inspect.isfunction(one) and one.__module__.startswith("bertworks."):
            yield one
