"""The command that runs a broker to try things out with."""

import json
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.address import parse_address
from flows.cli import app, fail


@app.command()
def broker(
    data_dir: Annotated[Path, typer.Option(help="Folder of its data, kept for the next start.")] = Path(
        "broker"
    ),
    listen: Annotated[str, typer.Option(help="Where clients connect: 127.0.0.1:port.")] = "127.0.0.1:9092",
) -> None:
    """Run one small Apache Kafka broker until SIGTERM or Ctrl-C, to try things out on this machine.

    Needs Java 17; its first start fetches Apache Kafka with Maven (44 MB) and keeps it for the next.
    One broker without a copy is nothing for production. Standard output gets a line of JSON once it answers.

    Example: `tapwatch broker --data-dir broker --listen 127.0.0.1:9092`
    """
    from replay.drills.kafka_server import KafkaServer
    from replay.errors import ReplayError

    try:
        address = parse_address(listen)
    except ValueError as error:
        raise fail(f"--listen: {error}") from None
    if address.host not in ("127.0.0.1", "localhost"):
        raise fail(f"--listen: {listen}; allowed: 127.0.0.1:port, as it is for this machine alone")
    server = KafkaServer(data_dir.absolute(), port=address.port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.start()
        print(json.dumps({"event": "answering", "bootstrap": server.bootstrap}), flush=True)
        server.wait()
    except (ReplayError, OSError) as error:
        raise fail(error) from None
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
