"""What can be wrong with a store."""

from enum import StrEnum

from flowrunner.slotted import dataclass


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """Damage: something is not what it was written as."""
    WARNING = "warning"
    """Something was lost or may be harmed, and what is there is right."""
    INFO = "info"
    """Nothing is wrong, but someone may want to know."""


class Kind(StrEnum):
    """The classes of findings."""

    STORE_FOREIGN = "store-foreign"
    """A folder of the store belongs to another user."""
    STORE_OPEN = "store-open"
    """Everyone may write to a folder of the store."""
    STORE_PLACE = "store-place"
    """A link or a file stands where a folder of the store should be."""
    STRAY = "stray"
    """Something that flowrunner did not put there."""

    OBJECT_DAMAGED = "object-damaged"
    """Its bytes are not its name."""
    OBJECT_MISPLACED = "object-misplaced"
    """A sound object that lies where nobody looks for it."""
    OBJECT_NO_FILE = "object-no-file"
    """A link, a folder or a device in the place of an object."""
    OBJECT_UNREADABLE = "object-unreadable"
    OBJECT_MODE = "object-mode"
    """It can be written to, or not be read."""
    OBJECT_OWNER = "object-owner"
    OBJECT_DIFFERS = "object-differs"
    """A lock or the ledger says another type or size of it."""
    OBJECT_SIMULATED = "object-simulated"
    """It carries the simulator's mark, and a live call is said to have made it."""
    DRAFT = "draft"
    """What a writer left that is gone."""
    QUARANTINED = "quarantined"
    """What was found damaged before, and set aside."""
    EVIDENCE = "evidence"
    """What a paid call gave in the place of a picture."""
    EVIDENCE_DAMAGED = "evidence-damaged"
    """It is no longer what came."""
    TRASH_DAMAGED = "trash-damaged"

    LEDGER_UNREADABLE = "ledger-unreadable"
    LEDGER_DAMAGED = "ledger-damaged"
    """SQLite's own check of the file fails."""
    LEDGER_FOREIGN = "ledger-foreign"
    """Another program's database, or no ledger any more."""
    LEDGER_VERSION = "ledger-version"
    LEDGER_SCHEMA = "ledger-schema"
    """A table, an index or a trigger is missing or another one."""
    LEDGER_GONE = "ledger-gone"
    LEDGER_MODE = "ledger-mode"
    """Others than its owner may read or write it."""

    ROW_ORPHAN = "row-orphan"
    """A receipt, an outcome or a call that belongs to nothing."""
    CALL_WITHOUT_OUTCOME = "call-without-outcome"
    CALL_WITHOUT_REPLY = "call-without-reply"
    CALL_STATE = "call-state"
    """A state that does not go with what is said of its billing."""
    CALL_OPEN = "call-open"
    """Under way in a run that has ended."""
    OUTCOME_STATE = "outcome-state"
    """Of a call that was not committed."""
    OUTCOME_DIFFERS = "outcome-differs"
    """It says otherwise than its call."""
    OUTCOME_LOST = "outcome-lost"
    """Its picture is not here, and no sweep deleted it."""
    NEGATIVE = "negative"
    """An amount or a count below zero."""
    SUMS = "sums"
    """What a run is said to have spent is not what its calls cost."""
    MIXED = "mixed"
    """Simulated and live in one."""
    RUN_STATE = "run-state"
    """A status that does not exist, or does not go with the run's end."""
    RUN_CUT_OFF = "run-cut-off"
    """The process of the run is gone, and no run has recorded that yet."""
    TEXT = "text"
    """JSON in the ledger that does not parse."""
    RUN_LOCK = "run-lock"
    """Of a run that has ended or never was."""

    LOCK_UNREADABLE = "lock-unreadable"
    LOCK_MISSING = "lock-missing"
    """A picture that a lock names is not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, at `where`: a path, or a place in the ledger or a lock. `hint` says what to do about
    it, and what it would cost. Text from outside in it is escaped by whoever shows it."""

    kind: Kind
    where: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
