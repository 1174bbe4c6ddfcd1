"""A script out of hand: asks the same path again and again on many connections, without heeding any answer.

Run as a program: prints one JSON line when all connections have asked once, and another with how often it was
given which status when its time is over.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from urllib.parse import urlsplit


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--secs", type=float, default=3)
    arguments = parser.parse_args()
    url = urlsplit(arguments.url)
    request = f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode()
    statuses: Counter[str] = Counter()
    asking: set[int] = set()
    started = time.monotonic()

    async def hammer(number: int) -> None:
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        while time.monotonic() < started + arguments.secs:
            writer.write(request)
            if number not in asking:
                asking.add(number)
                if len(asking) == arguments.connections:
                    say({"under_way": True})
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            statuses[head.split(" ", 2)[1]] += 1
            await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
        writer.close()

    await asyncio.gather(*(hammer(number) for number in range(arguments.connections)))
    say(dict(statuses))


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
