"""Listens to `plan` and `run`, and keeps what they said where `unchanged` can tell it again.

Only what can be asked again is kept. Every file was looked at before the command read it, was at rest when the command
began, and is reached by no link: where it still has its stamp behind its digest, the digest is that of what was read.
What is kept belongs to the answer, therefore; what has changed since then shows when it is asked again.
"""

import json
import os
import stat
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import TextIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from flowrunner import unchanged
from flowrunner.decisions import Decision
from flowrunner.errors import StoreError
from flowrunner.previews import folder_of
from flowrunner.project import SUFFIXES
from flowrunner.roots import marks, marks_of, upwards
from flowrunner.store import sealed
from flowrunner.store.database import LEDGER

if TYPE_CHECKING:
    from flowrunner.project import Opened
    from flowrunner.result import RunResult
    from flowrunner.store.ledger import Ledger
    from flowrunner.store.workspace import Workspace

_MOST = 64
"""Answers that are kept of one project."""
_WORDS = 8 * 1024 * 1024
"""Characters that are held to be told again, more than the plan of ten thousand cells has as JSON."""
_EACH = 64
"""Characters for which the memory would do that each piece takes beside its own."""


class Watch:
    """One command while it is listened to. `words` are its command line, `paths` those among them."""

    def __init__(self, words: Sequence[str], paths: Sequence[str]) -> None:
        self._since = time.time_ns()
        self._name = unchanged.name_of(words)
        self._paths = paths
        self._said = _Said()
        self._state: Workspace | None = None
        self._begun = 0
        self._answers: list[dict[str, Any]] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        before = sys.stdout, sys.stderr
        tees = [_Tee(stream, number, self._said) for number, stream in enumerate(before)]
        sys.stdout, sys.stderr = (cast("TextIO", tee) for tee in tees)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before

    def begins(self) -> None:
        """Another pipeline is looked at."""
        self._begun += 1

    def planned(self, opened: "Opened", ledger: "Ledger") -> None:
        """A plan was made of it, from what this ledger knows."""
        opened.project.asked.ledger(ledger, opened.pipeline.name, simulated=opened.options.simulate)
        self._take(opened)

    def ran(self, result: "RunResult") -> None:
        """A run of it has ended."""
        if _did_nothing(result):
            self._take(result.opened, result.run, _made(result))

    def keep(self, code: int) -> None:
        """Keeps what was said, with the exit code, if it can be told again."""
        is_whole = len(self._answers) == self._begun and not self._said.is_too_much
        if self._state is None or not is_whole or not self._tells_runs_apart():
            return
        with suppress(OSError, StoreError):
            shelves = {path: unchanged.shelf(path) for path in self._paths if Path(path).is_dir()}
            places = {path: os.path.realpath(path) for path in self._paths}
            for answer in self._answers:
                answer["ledger"]["stamps"] = self._stamps(answer["ledger"])
            told = {"name": self._name, "said": self._said.parts, "code": code}
            kept = json.dumps({"answers": self._answers, "shelves": shelves, "places": places, **told}).encode()
            if self._lead_there(places, shelves) and self._rested(shelves) and len(kept) < unchanged.LIMIT - 65:
                self._state.prepare_state()
                folder = self._state.state / unchanged.FOLDER
                sealed.write(folder / self._name, kept)
                _clear(folder)

    def _take(self, opened: "Opened", run: str = "", made: Collection[str] | None = None) -> None:
        reading = _Reading(opened, self._since)
        self._state = self._state or opened.project.workspace
        if reading.of(made):
            self._answers.append(reading.known | {"run": run})

    def _stamps(self, known: Mapping[str, Any]) -> dict[str, list[int]]:
        """Those of a ledger that nobody has written to since the command began; nothing where somebody has, or has
        removed it. It is asked once the ledger is closed: whoever reads it last takes its empty log away."""
        paths = [f"{known['store']}/{name}" for name in (LEDGER, f"{LEDGER}-wal")]
        found = {path: unchanged.stamp_of(path) for path in paths}
        at_rest = all(not stamp or unchanged.is_settled(stamp, self._since) for stamp in found.values())
        is_known = found[paths[0]] or unchanged.ledger_holds({**known, "stamps": {}})
        return found if at_rest and is_known else {}

    def _tells_runs_apart(self) -> bool:
        """Whether the name of each run stands in what was said just once, where it is named."""
        said = "".join(text for _, text in self._said.parts)
        return all(said.count(answer["run"]) == 1 for answer in self._answers if answer["run"])

    def _lead_there(self, places: Mapping[str, str], shelves: Mapping[str, Collection[str]]) -> bool:
        """Whether the paths lead to those pipelines that were looked at: a link may have been turned meanwhile."""
        files = {place for path, place in places.items() if path not in shelves}
        listed = {str(Path(places[folder], name)) for folder, names in shelves.items() for name in names}
        return files <= {answer["pipeline"] for answer in self._answers} <= files | listed

    def _rested(self, shelves: Mapping[str, Mapping[str, str]]) -> bool:
        paths = [str(Path(folder, name)) for folder, names in shelves.items() for name in names]
        plain = all(digest for names in shelves.values() for digest in names.values())
        return plain and all(unchanged.is_settled(unchanged.stamp_of(path), self._since) for path in paths)


class _Reading:
    """What an answer follows from, as it lay there when it was read. `known` is what is kept of it."""

    def __init__(self, opened: "Opened", since: int) -> None:
        self.opened = opened
        self.root = opened.project.root
        self.asked = opened.project.asked
        self.since = since
        self.known: dict[str, Any] = {"root": str(self.root)}

    def of(self, published: Collection[str] | None) -> bool:
        """Reads all of it, and the stamps of the files that a run has `published`; whether it can be asked again, and
        is what the answer follows from."""
        if not (_is_plain(self.opened) and self.asked.is_steady and self.asked.known):
            return False
        if folder_of(self.opened.lock_file.path).is_symlink():
            return False
        texts, files, trees = self.asked.texts, self.asked.files, dict(self.asked.trees)
        made = [] if published is None else [*published, *self._previews(trees)]
        workspace, pipeline = self.opened.project.workspace, self.root / self.opened.pipeline.file
        objects = workspace.objects()
        self.known |= {
            "pipeline": str(pipeline),
            "seal": unchanged.stamp_of(str(pipeline)),
            "files": {path: unchanged.digest_of(path) for path, before in texts.items() if before},
            "absent": [path for path, before in texts.items() if not before],
            "folders": sorted(self._folders(path for path, before in (*texts.items(), *files.items()) if before)),
            "lists": self.asked.lists,
            "trees": trees,
            "pictures": {str(objects.path(one)): here for one, here in sorted(self.asked.pictures.items())},
            "ledger": {"store": str(workspace.store), **self.asked.known},
        }
        self._marks(pipeline)
        self.known["present"] += [] if published is None else map(str, workspace.prepared())
        # Once the digests are made: a file that still has its first stamp has had its content all the time.
        now = {path: unchanged.stamp_of(path) for path in (*texts, *files, *made)}
        self.known["stamps"] = {path: now[path] for path in (*files, *made)}
        return (
            all(now[path] == before for asked in (texts, files) for path, before in asked.items())
            and all(now[path] for path in made)
            and self._all_at_rest(now)
            and (published is None or self._are_left_alone(made))
        )

    def _previews(self, trees: dict[str, list[str]]) -> list[str]:
        """The small pictures beside the lock, which a run looks after."""
        folder = str(folder_of(self.opened.lock_file.path))
        found = trees[folder] = unchanged.tree(folder)
        return found

    def _folders(self, paths: Iterable[str]) -> set[str]:
        """The folders on the way from the root to these paths."""
        below = {up for folder in set(map(os.path.dirname, paths)) for up in upwards(folder)}
        return {folder for folder in below if Path(folder).is_relative_to(self.root)}

    def _all_at_rest(self, stamps: Mapping[str, Sequence[int]]) -> bool:
        found = [stamp for stamp in stamps.values() if stamp]
        at_rest = all(not stat.S_ISLNK(stamp[0]) and unchanged.is_settled(stamp, self.since) for stamp in found)
        return at_rest and all(os.path.realpath(folder) == folder for folder in set(map(os.path.dirname, stamps)))

    def _are_left_alone(self, made: Collection[str]) -> bool:
        """Whether nothing was moved or removed, since the run began, where it has `made` files or found previews."""
        shown = folder_of(self.opened.lock_file.path) / "any"
        folders = self._folders([*made, str(shown)]) - {str(self.opened.project.workspace.state)}
        stamps = filter(None, map(unchanged.stamp_of, folders))
        return all(unchanged.is_settled(stamp, self.since) for stamp in stamps)

    def _marks(self, pipeline: Path) -> None:
        """What makes its folder the project, and no other one nearer to the pipeline; and no twin beside it."""
        self.known["absent"] += [str(pipeline.with_suffix(suffix)) for suffix in SUFFIXES if suffix != pipeline.suffix]
        self.known["present"] = []
        for place in upwards(str(pipeline.parent)):
            here = marks_of(place)
            self.known["absent"] += [mark for mark in marks(place) if mark not in here]
            self.known["present"] += here
            if here:
                return


def _is_plain(opened: "Opened") -> bool:
    """Whether `Asked` knows all that its plan follows from: no picture from elsewhere or by way of a link; and whether
    anything may be written there."""
    file = opened.options.inputs_file
    return not (
        opened.given.outside
        or opened.given.linked
        or (file is not None and not Path(os.path.realpath(file)).is_relative_to(opened.project.root))
        or opened.project.workspace.is_read_only
    )


def _did_nothing(result: "RunResult") -> bool:
    """Whether a run has found everything as it is to be. Where something is to be sent one day, be it behind a choice,
    it has looked at keys and origins, too, which are not asked again."""
    return not (
        result.plan.of(Decision.RUN, Decision.AWAIT, Decision.MISSING)
        or result.lock_written
        or result.previews
        or result.refusal
        or result.notes
        or any(found.failures for found in result.results.values())
    )


def _made(result: "RunResult") -> list[str]:
    """Every file that it publishes."""
    published = result.published
    lists = [*published.candidates.values(), *published.outputs.values()]
    listed = [*published.picked.values(), *published.sheets.values(), *(path for paths in lists for path in paths)]
    root = result.opened.project.root
    return sorted({str(root / path) for path in listed if path})


def _clear(folder: Path) -> None:
    """Removes the oldest answers, where there are too many."""
    kept = sorted(folder.iterdir(), key=lambda path: path.lstat().st_mtime_ns)
    for path in kept[:-_MOST]:
        path.unlink(missing_ok=True)


class _Said:
    """What was written to the two streams, in its order. It is let go of where it is too much to be told again: a run
    that draws what it does on a terminal writes all the time."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, str]] = []
        self._room = _WORDS

    @property
    def is_too_much(self) -> bool:
        return self._room < 0

    def note(self, number: int, text: str) -> None:
        self._room -= len(text) + _EACH
        if self.is_too_much:
            self.parts.clear()
        else:
            self.parts.append((number, text))


class _Tee(TextIOBase):
    """A stream that is listened to."""

    def __init__(self, stream: TextIO, number: int, said: _Said) -> None:
        self._stream = stream
        self._number = number
        self._said = said

    def write(self, text: str, /) -> int:
        self._said.note(self._number, text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()
