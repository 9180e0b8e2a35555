"""The corpus of hostile inputs: what stands in `entries/`, one file for each family."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hostile_made import PICTURES, TEXTS
from hostile_places import PLACES, options, written

ENTRIES = Path(__file__).parent / "entries"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A payload, its place in a project, and what is expected: `refused` and `taken` by `validate`, or `either`.

    `parts` are texts with the number of their repetitions, `made` names a payload of `hostile_made`. `says` stands in
    what is shown, `never` does not."""

    id: str
    place: str
    expect: str
    payload: str = ""
    parts: tuple[tuple[str, int], ...] = ()
    made: str = ""
    says: str = ""
    never: str = ""
    encoding: str = "utf-8"
    note: str = ""

    @property
    def text(self) -> str:
        if self.made in TEXTS:
            return TEXTS[self.made]()
        return "".join(part * times for part, times in self.parts) or self.payload

    @property
    def options(self) -> tuple[str, ...]:
        """Of the command line."""
        return options(self.place, self.text)

    def plant(self, folder: Path) -> Path:
        """Makes the project, and gives its pipeline."""
        files = dict(PLACES[self.place](self.text))
        if self.made in PICTURES:
            files["hostile.png"] = PICTURES[self.made]()
        written(folder, files, self.encoding)
        return folder / "show.yaml"


def entries() -> Mapping[str, Entry]:
    """All of them by id. A record with several `places` is an entry for each, with the place in its id."""
    return {entry.id: entry for path in sorted(ENTRIES.glob("*.json")) for entry in _read(path)}


def _read(path: Path) -> Iterator[Entry]:
    for record in json.loads(path.read_text(encoding="utf-8")):
        places = record.pop("places", None)
        if places is None:
            yield Entry(**record)
        for place in places or ():
            yield Entry(**{**record, "id": f"{record['id']}-{place}", "place": place})
