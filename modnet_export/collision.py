"""Whether the packages called ``converters`` and ``benchmarks`` are ours: their names are common (docs/wheel.md)."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

_MARK = 'PART_OF = "modnet-export"'
_COMMAND = "modnet-export"


def collision() -> str | None:
    """What is wrong with the packages that this one needs, in a few lines; None where they are ours.

    They are looked for and read, not imported: code of somebody else's is not run.
    """
    for name in ("converters", "benchmarks"):
        try:
            spec = find_spec(name)
        except ValueError:  # somebody made a module of that name by hand
            return _taken(name, getattr(sys.modules[name], "__file__", None))
        if spec is None:
            return _missing(name)
        source = getattr(spec.loader, "get_source", lambda _: "")(name)
        if source is not None and _MARK not in source:  # None: compiled, and nothing to be read
            return _taken(name, spec.origin or next(iter(spec.submodule_search_locations or ()), None))
    return None


def _missing(name: str) -> str:
    return "\n".join(
        (
            f"modnet-export is not whole: its package `{name}` is missing",
            f"  where:    {Path(__file__).parents[1]}",
            f"  expected: the folder {name} beside modnet_export",
            "  next:     install modnet-export again",
        )
    )


def _taken(name: str, found: str | None) -> str:
    owner = _owner(found)
    return "\n".join(
        (
            f"modnet-export needs its own package `{name}`, and Python finds another one of that name",
            f"  where:    {found or 'a module that is already imported'}"
            + (f", installed by {owner}" if owner else ""),
            f"  expected: {Path(__file__).parents[1] / name}",
            f"  next:     install modnet-export in an environment without {owner}"
            if owner
            else "  next:     run from another folder, take that one off PYTHONPATH, or rename it",
        )
    )


def _owner(found: str | None) -> str | None:
    """The distribution that brought a file, where it was not ours."""
    from importlib.metadata import distributions  # takes longer than everything else here

    if found is None:
        return None
    for item in distributions():
        if item.name != "modnet-export" and any(
            path.name == Path(found).name and Path(str(path.locate())).resolve() == Path(found).resolve()
            for path in item.files or ()
        ):
            return str(item.name)
    return None


def refuse() -> None:
    """Raise ImportError where there is a collision; end the command line with its message and exit code 2."""
    problem = collision()
    if problem is None:
        return
    if Path(next(iter(sys.argv), "")).stem == _COMMAND or sys.orig_argv[1:3] == ["-m", "modnet_export"]:
        sys.stderr.write(f"error: {problem}\n")
        raise SystemExit(2)
    raise ImportError(problem)
