# SPDX-License-Identifier: Apache-2.0
"""MONAI Deploy without the rest of MONAI, of which it uses nothing, and without torch until it is used.

`monai/__init__.py` imports every module of MONAI, and with them matplotlib, nibabel, torchvision and more: four
seconds of each start.  With `deploy_alone` it runs when an app first imports something of MONAI, and then as ever.
torch, another second and 200 MB, is what MONAI Deploy holds for models of its own, which no app here has.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

NAME, DEPLOY, TORCH = "monai", "monai.deploy", "torch"


@contextmanager
def deploy_alone() -> Iterator[None]:
    """Within it, `import monai.deploy...` runs nothing of MONAI but that; afterwards `import monai` gives it all."""
    spec = find_spec(NAME)
    if NAME in sys.modules or spec is None or spec.origin is None:
        yield
        return
    stand_in = sys.modules[NAME] = module_from_spec(spec)
    later = sys.modules.setdefault(TORCH, _Later(TORCH))
    try:
        yield
    finally:
        if isinstance(later, _Later) and sys.modules.get(TORCH) is later:
            del sys.modules[TORCH]
        if sys.modules.get(NAME) is stand_in:
            del sys.modules[NAME]
            sys.meta_path.insert(0, _Rest(spec.origin, list(spec.submodule_search_locations or ())))


class _Later(ModuleType):
    """Stands for a module that is imported when something of it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        if name in ("__file__", "__path__"):  # what is asked of any module, to see what it is
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


class _Rest(MetaPathFinder):
    """Finds MONAI, once, for whoever imports it after all."""

    def __init__(self, origin: str, places: list[str]) -> None:
        self._origin, self._places = origin, places

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != NAME:
            return None
        sys.meta_path.remove(self)
        loader = _Loader(NAME, self._origin)
        return spec_from_file_location(
            NAME, self._origin, loader=loader, submodule_search_locations=self._places
        )


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        module.deploy = sys.modules[DEPLOY]  # type: ignore[attr-defined]  # it is there, so importing sets it not
        super().exec_module(module)
