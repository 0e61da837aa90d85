# SPDX-License-Identifier: Apache-2.0
"""What an app says of itself: its manifest, as docs/map-contract.md has it."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from imaging_data import SeriesRule
from imaging_data.model_lock import is_model_name

from .errors import AppFailed, NoSuchProfile

ProfileName = Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,64}$")]


def _model_name(name: str) -> str:
    if not is_model_name(name):
        raise ValueError("must be a path within the models folder")
    return name


ModelName = Annotated[str, Field(max_length=1024), AfterValidator(_model_name)]


class Needs(BaseModel):
    """What the app asks for: threads (0: any), MB, seconds; `gpu`: "" where `gpu_memory_mb` says it."""

    model_config = ConfigDict(frozen=True)

    cpu: int = Field(ge=0)
    memory_mb: int = Field(gt=0)
    gpu_memory_mb: int = Field(ge=0)
    timeout_s: float = Field(gt=0)
    gpu: Literal["required", "preferred", "none", ""] = ""

    @property
    def gpu_use(self) -> Literal["required", "preferred", "none"]:
        """Whether a job gets a GPU: one that asks for memory and says no more cannot do without."""
        return self.gpu or ("required" if self.gpu_memory_mb else "none")


class AppManifest(BaseModel):
    """What `python app.py manifest` prints (docs/map-contract.md)."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: str = Field(min_length=1, max_length=64)
    version: str = Field(min_length=1)
    creator: str
    digest: str = Field(min_length=1)
    series: SeriesRule
    needs: Needs
    models: tuple[ModelName, ...]
    profiles: dict[ProfileName, dict[str, Any]] = {}  # the first is the default
    cheaper: dict[ProfileName, ProfileName] = {}  # which profile takes less GPU memory than this one

    @field_validator("series", mode="before")
    @classmethod
    def rule(cls, conditions: Any) -> SeriesRule:
        return SeriesRule.from_config(conditions)

    @model_validator(mode="after")
    def cheaper_profiles_are_there(self) -> Self:
        """Refuse a profile that is not there, and a chain that never ends."""
        names = list(self.profiles)
        for profile, cheaper in self.cheaper.items():
            if profile not in names or cheaper not in names:
                raise ValueError(f"cheaper: {profile!r} and {cheaper!r} must be profiles")
            if cheaper in self.cheaper:
                raise ValueError(f"cheaper: {cheaper!r} is itself replaced; name the cheapest at once")
        return self

    def cheaper_than(self, profile: str) -> str:
        """The profile for a job that ran out of GPU memory in this one ("": the default), "" for none."""
        return self.cheaper.get(self.profile_name(profile), "")

    def profile_name(self, profile: str) -> str:
        """The name of the profile; "" is the default one, and stays where there are none."""
        return profile or next(iter(self.profiles), "")

    def check_profile(self, name: str) -> None:
        """Raise NoSuchProfile when the app has no profile of this name; "" is its default one."""
        if name and name not in self.profiles:
            there = ", ".join(self.profiles) or "none"
            raise NoSuchProfile(f"{self.name} has not {name!r} but: {there}.")

    def but_with(self, **needs: float | str) -> "AppManifest":
        """The same with other needs."""
        return self.model_copy(update={"needs": self.needs.model_copy(update=needs)})


def read_manifest(text: str, how_to_look: str) -> AppManifest:
    """The manifest in JSON.  Raises AppFailed, naming the field; `how_to_look` ends its hint."""
    try:
        return AppManifest.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"])) or "it"
        raise AppFailed(
            f"Its manifest is not as agreed: {where}: {problem['msg']}.",
            f"See docs/map-contract.md, and {how_to_look}.",
        ) from error
