from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """An immutable value that travels between tasks; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
