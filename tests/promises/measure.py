# SPDX-License-Identifier: Apache-2.0
"""What Python files measure: lines, functions, docstrings."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


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
        """Public names without a docstring: the module, its functions, classes and their methods."""
        if self.text.strip() and ast.get_docstring(self.tree) is None:
            yield self.path.name
        yield from _undocumented(self.tree, self.path.stem)


def _undocumented(parent: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
    for node in parent.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        name = f"{prefix}.{node.name}"
        if ast.get_docstring(node) is None and not _explained_elsewhere(node):
            yield name
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(node, name)


def _explained_elsewhere(node: Function | ast.ClassDef) -> bool:
    """A setter is explained by its property, an override by what it overrides, a validator by its field."""
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    return any(
        name.endswith((".setter", "overload", "override")) or "_validator" in name for name in decorators
    )
