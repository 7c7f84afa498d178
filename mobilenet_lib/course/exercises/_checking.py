"""Try a learner's function without being harmed by it, and find out what is wrong with it.

The function runs in a thread, on copies of the arguments; it can neither end the kernel nor ask for input. After
its time limit an exception is raised inside it, which ends loops in Python code on every system. It cannot end a
single long call into C (`time.sleep(1000)`, one huge numpy operation) before that call returns, nor a loop that catches
every exception over and over: then the thread is left behind, silenced, and the learner is asked to restart the kernel.
Memory is not limited. Half an import would break a library for the whole kernel: what the function's code imports is
imported before it runs, and nothing is raised while it imports more.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import copy
import ctypes
import dis
import inspect
import linecache
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any, TextIO

import numpy as np

from mobilenet_lib._support.messages import Block, Code, Message
from mobilenet_lib.course.exercises import _building
from mobilenet_lib.course.exercises._building import Building
from mobilenet_lib.course.exercises._exercise import Arguments, Exercise
from mobilenet_lib.course.exercises._values import (
    described,
    difference,
    has_float,
    kind,
    plain,
    said,
    same,
    shortened,
    type_fault,
)

_PATIENCE = 1.0  # seconds in which a function must end after it was told to
_IMPORT_PATIENCE = 60.0  # seconds that an import may take to end
_PRINTED = 1000  # characters of the function's own prints that are shown
_PRINTED_LINES = 12


@dataclass(frozen=True)
class Report:
    """What a check found.

    outcome: "correct", "misconception", "wrong", "not attempted", "raised", "stopped", "type", "edited" or "signature".
    misconception: its name, for that outcome.
    """

    outcome: str
    message: Message
    misconception: str | None = None


def examine(exercise: Exercise, function: Callable[..., Any]) -> Report:
    """Run `function` on the exercise's cases and judge it. Nothing that it does is raised here."""
    if _untouched(function):
        return _not_attempted(exercise)
    by_name = _call_by_name(exercise, function)
    if by_name is None:
        return _wrong_signature(exercise, function)
    _import_for(function)
    with _building.undisturbed():
        called = exercise.watched(function) if isinstance(exercise, Building) else function
        trial = _run(called, exercise, by_name)
        report = _judge(exercise, function, trial)
    if not trial.printed:
        return report
    blocks = (*report.message.blocks, "Your function printed:", Code(trial.printed))
    return replace(report, message=replace(report.message, blocks=blocks))


@dataclass
class _Trial:
    """What came of calling a function on the cases, up to the first that failed to return."""

    values: list[Any] = field(default_factory=list)
    edited: Arguments | None = None
    problem: BaseException | None = None
    stopped: bool = False
    importing: str = ""
    left_behind: bool = False
    printed: str = ""


class _TimeIsUp(BaseException):
    """Raised in the learner's function; no Exception, so that `except Exception` does not catch it."""


class _Asked(BaseException):
    """Raised where the learner's function calls `input`."""


@contextlib.contextmanager
def _without_exit_and_input() -> Iterator[None]:
    """`exit()`, `quit()` and `input()` raise: IPython's own would end the kernel, Python's would close the input."""

    def leave(*_: object) -> None:
        raise SystemExit

    def ask(*_: object) -> str:
        raise _Asked

    kept = {name: getattr(builtins, name) for name in ("exit", "quit", "input") if hasattr(builtins, name)}
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    for name in kept:
        setattr(builtins, name, ask if name == "input" else leave)
    if shell is not None:
        shell.ask_exit = leave  # what IPython's `exit` and `quit` call
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(builtins, name, function)
        if shell is not None:
            del shell.ask_exit


def _run(function: Callable[..., Any], exercise: Exercise, by_name: bool) -> _Trial:
    """Call the function on every case in a thread, and stop it when it takes too long."""
    trial = _Trial()
    runner = _Runner(function, exercise, by_name, trial)
    gates = _Gate(sys.stdout), _Gate(sys.stderr)
    _all_gates.extend(gates)
    sys.stdout, sys.stderr = gates
    try:
        runner.start()
        for gate in gates:
            gate.thread = runner.ident
        with _without_exit_and_input():
            runner.go.set()
            runner.join(exercise.TIME_LIMIT)
            trial.stopped, trial.importing = runner.is_alive(), runner.importing()
    finally:  # also when the learner interrupts the kernel
        runner.stop()
        trial.left_behind = runner.is_alive()
        if not trial.left_behind:  # else the gates stay, to keep it silent
            sys.stdout, sys.stderr = (gate.stream for gate in gates)
    trial.printed = "\n".join(filter(None, (gate.text() for gate in gates)))
    return trial


class _Runner(threading.Thread):
    def __init__(self, function: Callable[..., Any], exercise: Exercise, by_name: bool, trial: _Trial) -> None:
        # A daemon, so that a function that cannot be stopped does not keep the kernel from ending.
        super().__init__(name=f"check of {exercise.name}", daemon=True)
        self.function, self.exercise, self.by_name, self.trial = function, exercise, by_name, trial
        self.go = threading.Event()
        self._lock = threading.Lock()
        self._finished = False

    def run(self) -> None:
        try:
            try:
                self.go.wait()
                self._call_all()
            finally:
                with self._lock:
                    self._finished = True
        except _TimeIsUp:
            pass

    def _call_all(self) -> None:
        for case in self.exercise.all_cases:
            given = copy.deepcopy(case)
            try:
                named = dict(zip(self.exercise.parameters, given, strict=True))
                value = self.function(**named) if self.by_name else self.function(*given)
                if not isinstance(self.exercise, Building):
                    value = _snapshot(value)
            except _TimeIsUp:
                raise
            except BaseException as problem:  # SystemExit and KeyboardInterrupt too
                self.trial.problem = problem
                return
            if not same(given, case, exact=True):
                self.trial.edited = case
                return
            self.trial.values.append(value)

    def importing(self) -> str:
        """The module that it imports just now, or ""."""
        found, frame = "", sys._current_frames().get(self.ident)
        while frame is not None:  # from the inside out, so that the last one found is what the function asked for
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                spec = frame.f_locals.get("spec")
                found = getattr(spec, "name", "") or frame.f_locals.get("name") or found
            frame = frame.f_back
        return str(found).partition(".")[0]

    def stop(self) -> None:
        """Raise _TimeIsUp in the thread until it ends, at most for _PATIENCE seconds, and in no import."""
        self.go.set()  # waiting, it would not notice
        begin = time.monotonic()
        while self.importing() and time.monotonic() - begin < _IMPORT_PATIENCE:
            self.join(0.02)
        for _ in range(round(_PATIENCE / 0.05)):
            with self._lock:
                if self._finished or not self.is_alive():
                    break
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident), ctypes.py_object(_TimeIsUp))
            self.join(0.05)
        self.join(0.05)


# Python's `print` crashes when another thread frees the stream it is writing to, so no gate is ever freed: a function
# left behind by an earlier check may be printing to it.
_all_gates: list[_Gate] = []


class _Gate:
    """A stream that keeps the first characters that one thread writes, drops its others, and passes on all else."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.thread: int | None = None
        self._kept: list[str] = []
        self._room = _PRINTED
        self._cut = False

    def write(self, text: str) -> int:
        if threading.get_ident() != self.thread:
            return self.stream.write(text)
        if self._room > 0:
            self._kept.append(text[: self._room])
        self._cut = self._cut or len(text) > self._room
        self._room = max(0, self._room - len(text))
        return len(text)

    def text(self) -> str:
        lines = "".join(self._kept).splitlines()
        cut = self._cut or len(lines) > _PRINTED_LINES
        return "\n".join(lines[:_PRINTED_LINES]) + (" … (cut)" if cut else "")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _import_for(function: Callable[..., Any]) -> None:
    """Import here what its code imports: neither a time limit nor a thread may get in the way of that."""
    for module, names in _imports(function):
        with contextlib.suppress(Exception, SystemExit):
            __import__(module, fromlist=names)


def _imports(function: Callable[..., Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Module and names of each import in the function, and in what it calls of the same notebook."""
    waiting, seen = [inspect.unwrap(getattr(function, "func", function))], set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, type):
            waiting += [part for part in vars(one).values() if hasattr(part, "__code__")]
            continue
        code = getattr(one, "__code__", one)
        if not isinstance(code, CodeType) or code in seen:
            continue
        seen.add(code)
        names = getattr(one, "__globals__", {})
        called = (names.get(name) for name in code.co_names)
        waiting += [other for other in called if getattr(other, "__module__", "") == names.get("__name__")]
        waiting += code.co_consts
        given = ()
        for step in dis.get_instructions(code):
            if step.opname == "IMPORT_NAME":
                yield step.argval, given or ()
            given = step.argval if isinstance(step.argval, tuple) else ()


def _judge(exercise: Exercise, function: Callable[..., Any], trial: _Trial) -> Report:
    """From what happened to a report: first what kept it from returning values, then the values."""
    where = exercise.all_cases[min(len(trial.values), len(exercise.all_cases) - 1)]
    if trial.stopped:
        return _stopped(exercise, where, trial)
    if trial.edited is not None:
        text = (
            "Your function edits an argument that it was given. Whoever called it would find it changed. Make a new "
            "one: for example `a * b` instead of `a *= b`, or `sorted(a)` instead of `a.sort()`."
        )
        return _report("edited", exercise, "it changes its arguments", (text,))
    if isinstance(trial.problem, NotImplementedError):
        return _not_attempted(exercise)
    if isinstance(exercise, Building) and (report := _judge_layers(exercise, trial)):
        return report
    if trial.problem is not None:
        return _raised(exercise, function, where, trial.problem)
    cleaned = []
    for case, value in zip(exercise.all_cases, trial.values, strict=True):
        fault = type_fault(value, exercise.returns)
        if fault:
            shown = kind(value) if isinstance(exercise, Building) else described(value)
            text = f"For {_call(exercise, case)} your function returns {shown}. {fault}"
            return _report("type", exercise, "another kind of result is needed", (text,))
        cleaned.append(plain(value, exercise.returns))
    return _judge_values(exercise, cleaned, trial.values)


def _judge_values(exercise: Exercise, values: list[Any], raw: list[Any]) -> Report:
    cases, right = exercise.all_cases, _results(exercise, exercise.reference)
    alike = [same(*pair, exact=exercise.exact) for pair in zip(values, right, strict=True)]
    if all(alike):
        blocks: tuple[Block, ...] = ()
        if exercise.exact and any(has_float(value) for value in raw):
            blocks = (
                "Some of your values are floats, such as 64.0 for 64. They count as right; `//` gives whole numbers.",
            )
        message = Message("right", f"Correct: {len(cases)} of {len(cases)} cases ({exercise.name})", blocks)
        return Report("correct", message)
    for known in exercise.misconceptions:
        if same(values, _results(exercise, known.function), exact=exercise.exact):
            return _report("misconception", exercise, "not yet", (known.message, _help(exercise)), known.name)
    return _wrong(exercise, values, right, alike)


def _judge_layers(exercise: Building, trial: _Trial) -> Report | None:
    """Of the layers that were built; None where something else than a layer came, or an error that no mistake knows."""
    seen, problem = trial.values, trial.problem
    if not all(isinstance(one, _building.Seen) for one in seen):
        return None
    faults = [_building.unlike(*pair) for pair in zip(seen, exercise.right, strict=False)]
    if problem is None and not any(faults):
        told = (
            f"The same output as the known layer, in train and in eval mode, with {seen[-1].params:,} parameters and "
        )
        message = f"Correct: {len(seen)} of {len(seen)} cases ({exercise.name})"
        return Report("correct", Message("right", message, (f"{told}{seen[-1].macs:,} MACs in the last case.",)))
    error = ("Paddle says:", Code(shortened(said(problem)))) if problem else ()
    tries = {(): seen}
    if any(one.without_bias for one in seen):
        tries[("Besides, your convolutions have a bias.",)] = [one.without_bias or one for one in seen]
    for besides, tried in tries.items():
        for known in exercise.misconceptions:
            if exercise.makes_mistake(known.function, tried, problem):
                blocks = (known.message, *besides, *error, _help(exercise))
                return _report("misconception", exercise, "not yet", blocks, known.name)
    if not any(faults):
        return None
    first = next(place for place, fault in enumerate(faults) if fault)
    text = f"For {_call(exercise, exercise.all_cases[first])}, yours is not the layer that was asked for: "
    return _report("wrong", exercise, "not yet", (f"{text}{faults[first]}", _help(exercise)))


def _results(exercise: Exercise, function: Callable[..., Any]) -> list[Any]:
    return [function(*copy.deepcopy(case)) for case in exercise.all_cases]


def _wrong(exercise: Exercise, values: list[Any], right: list[Any], alike: list[bool]) -> Report:
    first = alike.index(False)
    got, wanted = values[first], right[first]
    text = (
        f"{sum(alike)} of {len(alike)} cases are right. For {_call(exercise, exercise.all_cases[first])} your function "
        f"returns {described(got)}; right is {described(wanted)}.{difference(got, wanted, exact=exercise.exact)}"
    )
    follow = "Work this one out by hand and compare each step with your code."
    if exercise.returns == "number" and _are_rounded(values, right):
        follow = "Your values are right but too coarse, as `round` or a search in large steps makes them."
    return _report("wrong", exercise, "not yet", (text, follow, _help(exercise)))


def _are_rounded(values: list[float], right: list[float]) -> bool:
    return any(
        same(values, [cut(value * 10**digits) / 10**digits for value in right], exact=True)
        for digits in range(1, 7)
        for cut in (round, int)
    )


def _not_attempted(exercise: Exercise) -> Report:
    blocks = (
        exercise.prompt,
        f"About {exercise.minutes} minutes, difficulty {exercise.difficulty} of 3. Write the function in the cell "
        f"above, run that cell, then run this one. `hint({exercise.name})` helps.",
    )
    return Report("not attempted", Message("note", f"{exercise.name}: not attempted yet", blocks))


def _wrong_signature(exercise: Exercise, function: Callable[..., Any]) -> Report:
    expected = f"`{exercise.name}({', '.join(exercise.parameters)})`"
    yours = f"`{exercise.name}{inspect.signature(function)}`"
    text = f"The function must take {expected}; yours is {yours}. Put the first line back as it was."
    return _report("signature", exercise, "other arguments are needed", (text,))


def _stopped(exercise: Exercise, where: Arguments, trial: _Trial) -> Report:
    if trial.importing and not trial.left_behind:
        text = (
            f"Your function was still importing `{trial.importing}` after {exercise.TIME_LIMIT:g} s. The import has "
            "ended meanwhile: check again. Imports are best in a cell of their own, above the function."
        )
        return _report("stopped", exercise, "stopped in an import", (text,))
    blocks = [
        f"Your function was still busy with {_call(exercise, where)} after {exercise.TIME_LIMIT:g} s. Look for a loop "
        "that never ends: does its condition ever become false? Counting every step of a large layer is slow as well; "
        "a formula is not."
    ]
    if trial.left_behind:
        blocks.append("It could not be stopped and still runs. Restart the kernel (menu Kernel) before you go on.")
    return _report("stopped", exercise, "stopped", tuple(blocks))


def _raised(exercise: Exercise, function: Callable[..., Any], where: Arguments, problem: BaseException) -> Report:
    if isinstance(problem, _Asked):
        text = "Your function calls `input()`. It is given all that it needs as arguments, so it needs nobody to ask."
        return _report("raised", exercise, "it asks for input", (text,))
    error = Code(shortened(said(problem)))
    blocks: list[Block] = [f"For {_call(exercise, where)} your function raises", error]
    line = _line_of(function, problem)
    if line:
        blocks += [f"in line {line[0]} of its cell:", Code(line[1])]
    return _report("raised", exercise, "it raises an error", (*blocks, _help(exercise)))


def _report(
    outcome: str, exercise: Exercise, state: str, blocks: tuple[Block, ...], misconception: str | None = None
) -> Report:
    return Report(outcome, Message("wrong", f"{exercise.name}: {state}", blocks), misconception)


def _help(exercise: Exercise) -> str:
    return f"`hint({exercise.name})` gives a hint."


def _untouched(function: Callable[..., Any]) -> bool:
    """Is its body a docstring, `...`, `pass` or `raise NotImplementedError` and nothing else?"""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no source: the values will tell
        return False
    found = tree.body[0] if tree.body else None
    if not isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    return all(_says_nothing(statement) for statement in found.body)


def _says_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Raise) and statement.exc is not None:
        raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
        return getattr(raised, "id", "") == "NotImplementedError"
    is_constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_constant or isinstance(statement, ast.Pass)


def _call_by_name(exercise: Exercise, function: Callable[..., Any]) -> bool | None:
    """Can it be called with the arguments' names, whatever their order, or by position only? None: neither."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions have none
        return False
    arguments = exercise.all_cases[0]
    for by_name in (True, False):
        try:
            if by_name:
                signature.bind(**dict(zip(exercise.parameters, arguments, strict=True)))
            else:
                signature.bind(*arguments)
        except TypeError:
            continue
        return by_name
    return None


def _snapshot(value: Any) -> Any:
    """The value as it is now, even where the function keeps it and changes it in the next call."""
    if hasattr(value, "__array__") and not isinstance(value, (np.generic, type)):  # Paddle's tensors as well
        return np.array(value)
    return list(value) if type(value) is list else value


def _line_of(function: Callable[..., Any], problem: BaseException) -> tuple[int, str] | None:
    """Number and text of the line of the learner's own code in which the error arose."""
    makes = function.__init__ if isinstance(function, type) else inspect.unwrap(function)
    code = getattr(makes, "__code__", None)
    frames = [
        frame for frame in traceback.extract_tb(problem.__traceback__) if code and frame.filename == code.co_filename
    ]
    if not frames or frames[-1].lineno is None:
        return None
    return frames[-1].lineno, linecache.getline(frames[-1].filename, frames[-1].lineno).strip()


def _call(exercise: Exercise, case: Arguments) -> str:
    """The call with this case's arguments, for reading."""
    named = ", ".join(f"{name}={described(value)}" for name, value in zip(exercise.parameters, case, strict=True))
    shape = f" and images of {list(exercise.image(*case))}" if isinstance(exercise, Building) else ""
    return f"`{exercise.name}({named})`{shape}"
