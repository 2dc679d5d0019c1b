"""Settings: one TOML file, environment variables above it, flags above both.

Defaults live in the ``...Params`` beside the code that uses them; this module only puts them together. An
unknown key of the file or a value out of range is an error that names the key.
``TAPWATCH_ENGINE__CACHED_OBJECTS=50000`` sets ``cached_objects`` of section ``[engine]``.
"""

import tomllib
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from alerting.rpc.params import EdgeParams
from detectors.scoring import ModelParams
from flows.intake import IntakeParams

_STRICT = ConfigDict(extra="forbid")
_SET_BY_POLICY: Final = ("rates", "reference_currency")
"""Model parameters that are the policy's `[currencies]`: one place for them, and it is in the log."""


class SettingsError(ValueError):
    """A setting that can't be used; the message has one line for each."""


def _known_keys(kind: type[Any]) -> Callable[[Any], Any]:
    """A check that a section names only fields of ``kind``, at every depth: dataclasses ignore others."""

    def check(values: Any, kind: type[Any] = kind) -> Any:
        if not isinstance(values, dict) or not is_dataclass(kind):
            return values
        types = {name: t for name, t in get_type_hints(kind).items() if name not in _SET_BY_POLICY}
        unknown = sorted(values.keys() - types.keys())
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: unknown; allowed: {', '.join(sorted(types))}")
        for name, value in values.items():
            check(value, types[name])
        return values

    return check


class EngineSettings(BaseModel):
    """Section ``[engine]``."""

    model_config = _STRICT

    cached_objects: Annotated[int, Field(ge=1_000)] = 200_000
    max_waiting: Annotated[int, Field(ge=1)] = IntakeParams().max_waiting
    max_batch: Annotated[int, Field(ge=1)] = IntakeParams().max_batch

    def intake(self) -> IntakeParams:
        """The queue's bounds."""
        return IntakeParams(max_waiting=self.max_waiting, max_batch=self.max_batch)


class TlsSettings(BaseModel):
    """Section ``[tls]``: PEM files; ``client_ca`` makes callers show a certificate."""

    model_config = _STRICT

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None


class CallerSettings(BaseModel):
    """Section ``[callers]``: who may act for which tenants; empty lets everyone act for all.

    Keys of ``by_identity`` are what a client certificate says of its owner, keys of ``by_token_sha256`` the
    SHA-256 of a bearer token; ``"*"`` among the tenants stands for all.
    """

    model_config = _STRICT

    by_identity: dict[str, list[str]] = {}
    by_token_sha256: dict[str, list[str]] = {}


class Settings(BaseSettings):
    """Everything an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix="TAPWATCH_", env_nested_delimiter="__", extra="forbid", validate_default=True
    )

    data_dir: Path = Path("data")
    listen: str = Field("127.0.0.1:50551", pattern=r"^.+:\d{1,5}$")
    operator_listen: str | None = Field("127.0.0.1:50552", pattern=r"^.+:\d{1,5}$")
    policy_file: Path | None = None
    log_format: Literal["console", "json"] = "console"
    engine: EngineSettings = EngineSettings()
    edge: Annotated[EdgeParams, BeforeValidator(_known_keys(EdgeParams))] = Field(default_factory=EdgeParams)
    models: Annotated[ModelParams, BeforeValidator(_known_keys(ModelParams))] = Field(
        default_factory=ModelParams
    )
    tls: TlsSettings = TlsSettings()
    callers: CallerSettings = CallerSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (the base class's signature)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then file."""
        assert isinstance(init_settings, InitSettingsSource)
        given = dict(init_settings.init_kwargs)
        file_values = given.pop("_file_values", {})
        return (
            InitSettingsSource(settings_cls, given),
            env_settings,
            InitSettingsSource(settings_cls, file_values),
        )


def load_settings(file: Path | None = None, **flags: Any) -> Settings:
    """The effective settings.

    Parameters
    ----------
    file
        A TOML file; None reads no file.
    flags
        What the command line gave, by setting name; None means that the flag was absent.

    Raises
    ------
    SettingsError
        With one line for each problem.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given, _file_values=_read(file))  # type: ignore[call-arg]
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors(include_input=False)
        ]
        raise SettingsError("\n".join(lines)) from None


def effective(settings: Settings) -> dict[str, Any]:
    """The settings as plain values, for printing."""
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in fields(value))
        return {name: _plain(getattr(value, name)) for name in names if name not in _SET_BY_POLICY}
    return str(value) if isinstance(value, Path) else value


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: no TOML: {error}") from None
