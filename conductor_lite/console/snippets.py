"""The lines that connect an application to this server and take its alerts, per language. Text only; no HTML.

For the SDKs whose own client speaks the executor protocol. Every name in them also stands in a sample
application of ``tests/interop/sdks``, which is built and run.
"""

import msgspec
from starlette.requests import Request

APPLICATION_PLACEHOLDER = "my-app"

#: How Python, TypeScript, Go and Java read the key.
_FROM_ENVIRONMENT = (
    'os.environ["CONDUCTOR_KEY"]',
    "process.env.CONDUCTOR_KEY",
    'os.Getenv("CONDUCTOR_KEY")',
    'System.getenv("CONDUCTOR_KEY")',
)


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """How one language does it."""

    key: str
    label: str
    #: Which releases of the SDK these lines are for.
    package: str
    code: str


def server_url(request: Request) -> str:
    """The WebSocket address of this server as the reader reaches it, without a path."""
    scheme = "wss" if request.url.scheme == "https" else "ws"
    return f"{scheme}://{request.url.netloc}"


def snippets(url: str, application_name: str = APPLICATION_PLACEHOLDER, key: str = "") -> tuple[Snippet, ...]:
    """The lines to paste, in every language.

    Args:
        url: from ``server_url``.
        application_name: the name to connect under.
        key: an API key to fill in; without one the lines read it from the environment.
    """
    name = application_name
    python, typescript, go, java = (
        (f'"{key}"', f"'{key}'", f'"{key}"', f'"{key}"') if key else _FROM_ENVIRONMENT
    )
    return (
        Snippet(
            key="python",
            label="Python",
            package="dbos<3",
            code=(
                "config: DBOSConfig = {\n"
                f'    "name": "{name}",\n'
                f'    "conductor_url": "{url}",\n'
                f'    "conductor_key": {python},\n'
                "}"
            ),
        ),
        Snippet(
            key="typescript",
            label="TypeScript",
            package="@dbos-inc/dbos-sdk@4",
            code=(
                f"DBOS.setConfig({{ name: '{name}' }});\n"
                "await DBOS.launch({\n"
                f"  conductorURL: '{url}',\n"
                f"  conductorKey: {typescript},\n"
                "});"
            ),
        ),
        Snippet(
            key="go",
            label="Go",
            package="github.com/dbos-inc/dbos-transact-golang@v1.2.0",
            code=(
                "ctx, err := dbos.NewContext(context.Background(), dbos.Config{\n"
                f'\tAppName:         "{name}",\n'
                '\tDatabaseURL:     os.Getenv("DATABASE_URL"),\n'
                f'\tConductorURL:    "{url}",\n'
                f"\tConductorAPIKey: {go},\n"
                "})"
            ),
        ),
        Snippet(
            key="java",
            label="Java",
            package="dev.dbos:transact up to 1.2",
            code=(
                f'DBOSConfig config = DBOSConfig.defaultsFromEnv("{name}")\n'
                f'    .withConductorDomain("{url}")\n'
                f"    .withConductorKey({java});"
            ),
        ),
    )


def alert_handlers() -> tuple[Snippet, ...]:
    """The lines that take alerts, in every language. They come before the launch."""
    return (
        Snippet(
            key="python",
            label="Python",
            package="dbos<3",
            code=(
                "@DBOS.alert_handler\n"
                "def on_alert(name: str, message: str, metadata: dict[str, str]) -> None:\n"
                '    DBOS.logger.warning("%s: %s %s", name, message, metadata)'
            ),
        ),
        Snippet(
            key="typescript",
            label="TypeScript",
            package="@dbos-inc/dbos-sdk@4",
            code=(
                "DBOS.setAlertHandler(async (name, message, metadata) => {\n"
                "  console.warn(name, message, metadata);\n"
                "});"
            ),
        ),
        Snippet(
            key="go",
            label="Go",
            package="github.com/dbos-inc/dbos-transact-golang@v1.2.0",
            code=(
                "dbos.SetAlertHandler(ctx, func(name, message string, metadata map[string]string) {\n"
                "\tlog.Println(name, message, metadata)\n"
                "})"
            ),
        ),
        Snippet(
            key="java",
            label="Java",
            package="dev.dbos:transact up to 1.2",
            code=(
                "dbos.registerAlertHandler((name, message, metadata) ->\n"
                '    System.err.println(name + ": " + message + " " + metadata));'
            ),
        ),
    )
