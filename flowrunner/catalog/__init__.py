"""The catalogue: models as data, looked up by id, checked against their published schemas, priced."""

from flowrunner.catalog.find import Catalog, NotFound
from flowrunner.catalog.model import Basis, Counted, Model, Per, Price

__all__ = ["Basis", "Catalog", "Counted", "Model", "NotFound", "Per", "Price"]
