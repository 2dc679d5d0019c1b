"""Settings: one TOML file, environment variables above it, flags above both.

Defaults live in the ``...Params`` beside the code that uses them; this module only puts them together. An
unknown key of the file, an unknown variable or a value out of range is an error that names it.
``TAPWATCH_ENGINE__CACHED_OBJECTS=50000`` sets ``cached_objects`` of section ``[engine]``.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic_settings
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from alerting.rpc.params import EdgeParams
from detectors.scoring import ModelParams
from flows.address import parse_address
from flows.alert_params import AlertParams
from flows.broker.ingest_params import IngestParams
from flows.broker.params import KafkaParams
from flows.intake import IntakeParams
from flows.settings_words import (
    MASK,
    PREFIX,
    SECRETS,
    SET_BY_POLICY,
    Origins,
    describe,
    malformed_tables,
    unknown_keys,
    unknown_variables,
)

_STRICT = ConfigDict(extra="forbid")
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


class SettingsError(ValueError):
    """Settings that can't be used; ``problems`` has one line for each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def _sound_address(text: str) -> str:
    parse_address(text)
    return text


AddressText = Annotated[str, AfterValidator(_sound_address)]


def _separate_brokers(section: Any) -> Any:
    """An environment variable holds all brokers as one text, with commas between."""
    if isinstance(section, dict) and isinstance(brokers := section.get("bootstrap"), str):
        return {**section, "bootstrap": [name.strip() for name in brokers.split(",") if name.strip()]}
    return section


KafkaSection = Annotated[KafkaParams, BeforeValidator(_separate_brokers)]


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

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        given = [name for name in ("certificate", "key", "client_ca") if getattr(self, name) is not None]
        missing = [name for name in ("certificate", "key") if getattr(self, name) is None]
        if given and missing:
            raise ValueError(
                f"{' and '.join(given)} without {' and '.join(missing)};"
                " allowed: certificate and key together, or no section [tls]"
            )
        return self


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
    listen: AddressText = "127.0.0.1:50551"
    operator_listen: AddressText | None = "127.0.0.1:50552"
    policy_file: Path | None = None
    log_format: Literal["console", "json"] = "console"
    engine: EngineSettings = EngineSettings()
    edge: EdgeParams = Field(default_factory=EdgeParams)
    models: ModelParams = Field(default_factory=ModelParams)
    alerts: AlertParams = Field(default_factory=AlertParams)
    tls: TlsSettings = TlsSettings()
    callers: CallerSettings = CallerSettings()
    kafka: KafkaSection = Field(default_factory=KafkaParams)
    ingest: IngestParams = Field(default_factory=IngestParams)

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
        With one line for each problem: where it was set, the key, the value and what is allowed.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    values = _read(file)
    origins = Origins(file, tuple(given), os.environ)
    problems = [
        *unknown_variables(os.environ, Settings),
        *malformed_tables(Settings, origins),
        *unknown_keys(values, Settings, Origins(file)),
    ]
    try:
        settings = Settings(**given, _file_values=values)  # type: ignore[call-arg]
    except ValidationError as error:
        found = [e for e in error.errors(include_url=False) if e["type"] not in _UNKNOWN]
        problems += [describe(e, Settings, origins) for e in found]
    except pydantic_settings.SettingsError as error:
        problems = problems or [str(error)]
    else:
        problems += _not_finite(effective(settings), (), origins)
    if problems:
        raise SettingsError(problems)
    return settings


def setting_as_given(name: str, file: Path | None, **flags: Any) -> str | None:
    """What somebody set for the text ``name``, right or wrong: for telling what is wrong with the rest."""
    if flags.get(name) is not None:
        return str(flags[name])
    for variable, value in os.environ.items():
        if variable.upper() == PREFIX + name.upper():
            return value
    try:
        found = _read(file).get(name)
    except SettingsError:
        return None
    return found if isinstance(found, str) else None


def _not_finite(values: Mapping[str, Any], path: tuple[str, ...], origins: Origins) -> Iterator[str]:
    for name, value in values.items():
        here = (*path, name)
        if isinstance(value, dict):
            yield from _not_finite(value, here, origins)
        elif isinstance(value, float) and not isfinite(value):
            yield f"{origins.name(here)}: {value}; allowed: a finite number"


def effective(settings: Settings) -> dict[str, Any]:
    """The settings as plain values, for printing."""
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in fields(value))
        plain = {name: _plain(getattr(value, name)) for name in names if name not in SET_BY_POLICY}
        return {name: MASK if each and name in SECRETS else each for name, each in plain.items()}
    return str(value) if isinstance(value, Path) else value


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{file}: {error.strerror}; allowed: a settings file (TOML)"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{file}: no TOML: {error}"]) from None
