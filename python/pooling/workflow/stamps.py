"""One stamp per stage: its code digest, rewritten when that changes.

Only modules with a new time or size are parsed again, since parsing all of them takes longer
than the rest of the plan.
"""

import json
from dataclasses import asdict
from pathlib import Path

from pooling.build import digest
from pooling.build.digest import Code, Module, as_json
from pooling.build.files import write_if_changed
from pooling.build.manifest import read_seen
from pooling.figures import declared_figures

PARSED = "parsed.json"
SEEN = "seen.json"


def write_stamps(package: Path, folder: Path) -> dict[str, dict]:
    """Write the stamp of every stage of a package, `folder/fitting/fit` for `pooling.fitting.fit`.

    Returns
    -------
    dict of dict
        The declarations of each figure, by name in the order of the report.

    Raises
    ------
    ProgramError
        A module is not Python.
    FigureError
        As `pooling.figures.declared`.
    """
    code = Code(package)
    files = {}
    for name, path in code.paths.items():
        about = path.stat()
        files[name] = [about.st_mtime_ns, about.st_size]
    seen = read_seen(folder / SEEN)
    if seen.get("files") != files or not {"stamps", "figures"} <= seen.keys():
        seen = _look(code, files, folder)
    for name, content in seen["stamps"].items():
        write_if_changed(folder / name, content + "\n")
    for path in {*folder.glob("*/*")} - {folder / name for name in seen["stamps"]}:
        path.unlink()
    return seen["figures"]


def _look(code: Code, files: dict[str, list[int]], folder: Path) -> dict:
    before = read_seen(folder / PARSED)
    # Results of an earlier version of the parser may have another format.
    if before.get("files", {}).get(digest.__name__) == files.get(digest.__name__):
        same = [n for n, about in before["files"].items() if files.get(n) == about]
        code.parsed |= {name: Module(**before["modules"][name]) for name in same}
    stamps = {}
    for stage in code.stages():
        name = stage.partition(".")[2].replace(".", "/")
        stamps[name] = code.digest(code.of_stage(stage))
    figures = declared_figures(code.package / "figures")
    seen = {
        "files": files,
        "stamps": stamps,
        "figures": {name: asdict(figure) for name, figure in figures.items()},
    }
    parsed = {"files": files, "modules": as_json({name: code.module(name) for name in files})}
    for path, content in ((folder / PARSED, parsed), (folder / SEEN, seen)):
        write_if_changed(path, json.dumps(content) + "\n", recorded=False)
    return seen
