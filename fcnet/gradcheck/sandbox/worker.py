"""The process in which someone's file runs: ``python -m fcnet.gradcheck.sandbox.worker FOLDER``, see ``session.run``.

Results are JSON files in FOLDER, each written under a temporary name and renamed; standard output is the author's.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from fcnet.errors import InputError
from fcnet.files import read_json, write_json
from fcnet.gradcheck.sandbox.limits import allow_processor_time, end_with_parent, limit_memory
from fcnet.gradcheck.sandbox.outcome import out_of_memory

LONGEST_MESSAGE = 400
# How libraries that raise no MemoryError say the same.
MEMORY_WORDS = ("bad_alloc", "can't allocate memory", "resource_exhausted", "out of memory", "cannot allocate memory")


def load(file: Path) -> ModuleType:
    """``file`` as a module, with its own folder to import from, as ``python FILE`` would have it."""
    module = ModuleType("checked_file")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(file.parent))
    try:
        code = compile(file.read_bytes(), str(file), "exec")
    except ValueError as wrong:  # a null byte
        raise SyntaxError(str(wrong)) from None
    exec(code, module.__dict__)
    return module


def last_line_in(file: Path, trace: TracebackType | None) -> int:
    """The line of ``file`` that was at work when the exception came, 0 if none was."""
    line = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def describe(error: BaseException, file: Path, memory_gib: float) -> dict[str, Any]:
    """An exception as the fields of an ``Outcome``."""
    name = type(error).__name__
    try:
        words = " ".join([str(error), *getattr(error, "__notes__", ())])
    except Exception:
        words = "(its message cannot be shown)"
    words = " ".join(words.split())[:LONGEST_MESSAGE]
    line = last_line_in(file, error.__traceback__)
    kind, message = "raised", f"raised {name}: {words}" if words else f"raised {name}"
    if isinstance(error, InputError):
        kind, message, line = "refused", words, 0
    elif isinstance(error, SyntaxError):
        line = error.lineno or 0 if error.filename == str(file) else line
        kind, message = "syntax_error", f"is not Python: {error.msg}"
    elif isinstance(error, ImportError):
        kind, message = "import_error", f"cannot import what it needs: {words}"
    elif isinstance(error, MemoryError) or any(sign in words.lower() for sign in MEMORY_WORDS):
        kind, message = "out_of_memory", out_of_memory(memory_gib)
    elif isinstance(error, RecursionError):
        kind, message = "recursion", "calls itself without end"
    elif isinstance(error, SystemExit):
        kind, message = "exited", f"ended the process with exit code {words or 0}: leave that out"
    elif not line:
        kind, message = "failed", f"fcnet itself failed on this file: {name}: {words}"
    return {"kind": kind, "message": message, "error": name, "line": line, "text": text_of(file, line)}


def text_of(file: Path, line: int) -> str:
    """That line of the file, "" if there is none."""
    lines = file.read_bytes().decode("utf-8", "replace").splitlines()
    return lines[line - 1].strip()[:LONGEST_MESSAGE] if 0 < line <= len(lines) else ""


def step(path: Path, call: Callable[[], Any], job: Mapping[str, Any]) -> Any:
    """Do one thing and write what came of it to ``path``; its value, or None if it has none."""
    blank = {"kind": "finished", "value": None, "message": "", "error": "", "line": 0, "text": ""}
    allow_processor_time(job["limits"]["seconds"])
    try:
        value = call()
        write_json(path, blank | {"value": value})
        return value
    # whatever an author's file raises is a result, SystemExit and KeyboardInterrupt included
    except BaseException as error:
        write_json(path, blank | describe(error, Path(job["file"]), job["limits"]["memory_gib"]))
        return None


def main(folder: Path) -> None:
    """Load the file, write the plan, and do its tasks from the first one that is left."""
    end_with_parent()
    job = read_json(folder / "job.json")
    entry = import_module(job["entry"])
    limit_memory(job["limits"]["memory_gib"])
    (folder / "started").touch()
    modules: list[ModuleType] = []

    def plan() -> Any:
        modules.append(load(Path(job["file"])))
        return entry.plan(modules[0], job["options"])

    tasks = step(folder / "plan.json", plan, job) or []
    for number in range(job["first"], len(tasks)):
        step(folder / f"{number}.json", partial(entry.perform, modules[0], tasks[number], job["options"]), job)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
