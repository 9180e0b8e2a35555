"""Looking models up by id: the step's provider, else the pipeline's, else the one that has the id."""

from collections.abc import Iterable

from flowrunner.catalog import guard
from flowrunner.catalog.model import Model
from flowrunner.slotted import dataclass
from flowrunner.spelling import nearest


@dataclass(frozen=True, slots=True)
class NotFound:
    """Why an id gives no model, and what to write instead."""

    message: str
    hint: str = ""
    code: str = "unknown-model"


class Catalog:
    """Models by provider and id, in that order; of two with the same provider and id the later one stands."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._models = {(model.provider, model.id): model for model in models}
        self._by_id: dict[str, list[Model]] = {}
        for key in sorted(self._models):
            self._by_id.setdefault(key[1], []).append(self._models[key])
        self._judged: dict[Model, str | None] = {}

    @property
    def models(self) -> tuple[Model, ...]:
        """All models; their schemas are judged only when `find` gives one out."""
        return tuple(self._models[key] for key in sorted(self._models))

    @property
    def providers(self) -> tuple[str, ...]:
        return tuple(sorted({provider for provider, _ in self._models}))

    def find(self, name: str, provider: str | None = None, default: str | None = None) -> Model | NotFound:
        """The model `name` of the step's `provider`; else of the pipeline's `default` provider, if that has it; else of
        the one provider that has it."""
        having = self._by_id.get(name, [])
        found = _of(having, provider or default)
        if found is None and provider is not None:
            return self._not_there(name, provider)
        if found is None and len(having) == 1:
            found = having[0]
        if found is not None:
            return self._usable(found)
        return _ambiguous(name, having) if having else self._unknown(name, [*self._by_id])

    def siblings(self, model: Model) -> tuple[Model, ...]:
        """The other models of its provider."""
        return tuple(other for other in self.models if other.provider == model.provider and other is not model)

    def _usable(self, model: Model) -> Model | NotFound:
        if model.trusted:
            return model
        if model not in self._judged:
            self._judged[model] = guard.fault(model.request) or guard.fault(model.stricter)
        reason = self._judged[model]
        return NotFound(f"{model.file}: {reason}", "mend the model file", "model-file") if reason else model

    def _not_there(self, name: str, provider: str) -> NotFound:
        if provider not in self.providers:
            near = nearest(provider, self.providers)
            return NotFound(f"no provider {provider}", f"write {near}" if near else _listed(self.providers))
        others = [model.provider for model in self._by_id.get(name, [])]
        if others:
            return NotFound(
                f"{provider} has no {name}", f"{_listed(others)} {'has' if len(others) == 1 else 'have'} it"
            )
        return self._unknown(name, [known for owner, known in self._models if owner == provider])

    def _unknown(self, name: str, ids: list[str]) -> NotFound:
        parts = sorted(known for known in ids if known.startswith(f"{name}/"))
        if parts:
            return NotFound(f"{name} stands for {len(parts)} models", f"write {' or '.join(parts)}")
        return NotFound(f"no model {name}", _near(name, ids))


def _of(models: list[Model], provider: str | None) -> Model | None:
    return next((model for model in models if model.provider == provider), None)


def _ambiguous(name: str, having: list[Model]) -> NotFound:
    owners = [model.provider for model in having]
    return NotFound(f"{_listed(owners)} have {name}", f"add `provider: {owners[0]}` or `provider: {owners[1]}`")


def _near(name: str, ids: list[str]) -> str:
    """The nearest id: the same without its maker (`flux-2-pro`), else one that is spelled much alike."""
    ids = sorted(ids)
    whole = [known for known in ids if known.endswith(f"/{name}")]
    shorts = {known.rpartition("/")[2]: known for known in ids}
    near = nearest(name, ids, 0.75) or shorts.get(nearest(name.rpartition("/")[2], shorts, 0.75) or "")
    close = whole or ([near] if near else [])
    return f"did you mean {' or '.join(close)}?" if close else "`flowrunner models` lists all"


def _listed(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))
