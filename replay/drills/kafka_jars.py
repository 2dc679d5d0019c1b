"""Apache Kafka itself, for drills and tests: its jars from Maven Central, kept in the user's cache folder."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from replay.errors import ReplayError

KAFKA_VERSION: Final = "4.3.1"
_LOG4J_VERSION: Final = "2.25.1"
_OLDEST_JAVA: Final = 17
_POM: Final = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tapwatch</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
      <version>{_LOG4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


class KafkaMissingError(ReplayError):
    """No broker can be started on this machine; the message says what is missing."""


def kafka_jars() -> Path:
    """The folder with the jars of Apache Kafka; the first call on a machine downloads them.

    Raises
    ------
    KafkaMissingError
        Without Java 17, or when the jars are not there and can't be downloaded.
    """
    _require_java()
    # Another version of anything is another folder, so that nobody runs a mixture.
    cache = _cache() / f"kafka-{KAFKA_VERSION}-log4j-{_LOG4J_VERSION}"
    if not cache.exists():
        with _only_one(cache):
            if not cache.exists():
                _download(cache)
    return cache


def _cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "tapwatch"


def _require_java() -> None:
    java = shutil.which("java")
    if java is None:
        raise KafkaMissingError(f"java is not installed; allowed: Java {_OLDEST_JAVA} or newer")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = said.partition('version "')[2].partition('"')[0].partition(".")[0]
    if not (version.isdigit() and int(version) >= _OLDEST_JAVA):
        raise KafkaMissingError(f"java has version {version or said!r}; allowed: {_OLDEST_JAVA} or newer")


@contextmanager
def _only_one(cache: Path) -> Iterator[None]:
    """Waits until no other process downloads."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.with_name(f"{cache.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(cache: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaMissingError(f"mvn is not installed, and the jars of Apache Kafka are not in {cache}")
    with tempfile.TemporaryDirectory(prefix=".kafka-", dir=cache.parent) as name:
        folder = Path(name)
        (folder / "pom.xml").write_text(_POM)
        jars = folder / "jars"
        # -C refuses what does not match its checksum.
        command = [maven, "-B", "-q", "-C", "-f", str(folder / "pom.xml"), "dependency:copy-dependencies"]
        command.append(f"-DoutputDirectory={jars}")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stdout + done.stderr).strip().splitlines()
            raise KafkaMissingError(
                "the jars of Apache Kafka could not be downloaded; mvn said: " + "\n".join(said[:5])
            )
        jars.replace(cache)
