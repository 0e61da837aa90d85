# SPDX-License-Identifier: Apache-2.0
"""What Python files measure: lines, functions, docstrings."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
# Methods that foreign base classes explain.
OVERRIDES = {"_Step": {"setup", "compute"}, "Application": {"compose"}}


@dataclass(frozen=True)
class Module:
    """One Python file."""

    path: Path

    @cached_property
    def text(self) -> str:
        """The whole file."""
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text, self.path)

    @property
    def lines(self) -> int:
        """Lines of the file, all of them."""
        return len(self.text.splitlines())

    def functions(self) -> Iterator[tuple[str, int]]:
        """Name and length in lines, `def` to end, of every function, method and inner function."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function) and node.end_lineno is not None:
                yield node.name, node.end_lineno - node.lineno + 1

    def undocumented(self) -> Iterator[str]:
        """Public names that nobody explains: the module, its functions, classes and their methods.

        A method is explained once: by a class of the same file that has one of the same name, by the foreign
        class that it overrides, by its property when it is a setter.
        """
        if self.text.strip() and ast.get_docstring(self.tree) is None:
            yield self.path.name
        for name, node, parent in _public(self.tree, self.path.stem):
            in_class = isinstance(parent, ast.ClassDef)
            if (
                ast.get_docstring(node)
                or _decorated(node)
                or (in_class and self._explained(node.name, parent))
            ):
                continue
            yield name

    def _explained(self, method: str, owner: ast.ClassDef) -> bool:
        bases = {ast.unparse(base) for base in owner.bases}
        if any(method in OVERRIDES[base] for base in bases & OVERRIDES.keys()):
            return True
        classes = [node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)]
        methods = [node for each in classes for node in each.body if isinstance(node, Function)]
        return any(node.name == method and ast.get_docstring(node) for node in methods)


def _public(
    parent: ast.Module | ast.ClassDef, prefix: str
) -> Iterator[tuple[str, Function | ast.ClassDef, ast.Module | ast.ClassDef]]:
    """Dotted name, node and parent of what is public, at any depth outside functions."""
    for node in parent.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield f"{prefix}.{node.name}", node, parent
            if isinstance(node, ast.ClassDef):
                yield from _public(node, f"{prefix}.{node.name}")


def _decorated(node: Function | ast.ClassDef) -> bool:
    """A setter is explained by its property, an overload by its function, a validator by its field."""
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    return any(
        name.endswith((".setter", "overload", "override")) or "_validator" in name for name in decorators
    )
