"""Settings: which layer wins, what is allowed, and that a refusal names key, source and what is allowed."""

import re
from pathlib import Path

import msgspec
import pytest

from conductor_lite.config import Settings, load_declaration, load_settings
from conductor_lite.errors import ConfigurationError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my.toml"


def write(file: Path, *lines: str) -> Path:
    file.write_text("\n".join(["[server]", *lines]))
    return file


def complaint(config: Path | None, environment: dict[str, str], **flags: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(config, environment, flags)
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def test_defaults_listen_on_this_machine_only() -> None:
    settings = load_settings(None, {}, {})
    assert settings == Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8090)
    assert settings.data_dir == Path("conductor-data")
    assert (settings.ping_interval_secs, settings.ping_timeout_secs) == (20, 20)
    assert settings.max_frame_bytes == 64 * 2**20


def test_flags_win_over_the_environment_which_wins_over_the_file(file: Path) -> None:
    write(file, "port = 1001", "max_in_flight_requests = 1", "log_level = 'error'", "dev = true")
    environment = {"CONDUCTOR_LITE_PORT": "1002", "CONDUCTOR_LITE_MAX_IN_FLIGHT_REQUESTS": "2", "HOME": "/"}
    settings = load_settings(file, environment, {"port": 1003, "data_dir": None, "dev": None})
    assert settings.port == 1003
    assert settings.max_in_flight_requests == 2
    assert settings.log_level == "error"
    assert settings.dev
    assert settings.data_dir == Path("conductor-data")


def test_file_of_the_current_folder_is_read_when_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, {}, {}).port == 8090
    write(tmp_path / "conductor.toml", "port = 1001")
    assert load_settings(None, {}, {}).port == 1001
    assert "port = 'x' in conductor.toml" in complaint(write(Path("conductor.toml"), "port = 'x'"), {})


def test_example_file_is_valid_and_changes_nothing() -> None:
    example = Path(__file__).parents[1] / "conductor.toml"
    assert load_settings(example, {}, {}) == Settings()
    # Every setting is explained in it, each commented out with its default.
    server, _, _ = example.read_text().partition("# [apps.")
    explained = set(re.findall(r"^#? ?([a-z_]+) =", server, re.MULTILINE))
    assert set(Settings.__struct_fields__) == explained


def test_environment_gives_text_for_every_kind_of_value(file: Path) -> None:
    environment = {
        "CONDUCTOR_LITE_PORT": "0",
        "CONDUCTOR_LITE_DEV": "true",
        "CONDUCTOR_LITE_PING_INTERVAL_SECS": "2.5",
        "CONDUCTOR_LITE_DATA_DIR": "~/conductor",
        "CONDUCTOR_LITE_ALLOWED_HOSTS": "one.example,two.example",
        "CONDUCTOR_LITE_LOG_LEVEL": "debug",
        "CONDUCTOR_LITE_HOST": "localhost",
        "CONDUCTOR_LITE_EXECUTOR_TIMEOUT_SECS": "7",
        # The command-line client's own.
        "CONDUCTOR_LITE_URL": "http://elsewhere",
        "CONDUCTOR_LITE_KEY": "secret",
    }
    settings = load_settings(None, environment, {})
    assert settings.data_dir == Path.home() / "conductor"
    assert msgspec.structs.replace(settings, data_dir=Path()) == Settings(
        host="localhost",
        port=0,
        dev=True,
        ping_interval_secs=2.5,
        allowed_hosts=("one.example", "two.example"),
        log_level="debug",
        executor_timeout_secs=7,
        data_dir=Path(),
    )


def test_timeout_of_new_applications_is_short_in_development() -> None:
    assert Settings().new_application_timeout_secs == 60
    assert Settings(dev=True).new_application_timeout_secs == 10
    assert Settings(dev=True, executor_timeout_secs=30).new_application_timeout_secs == 30


#: Setting, a value that is not allowed as TOML and as text, and words of what is.
BAD = [
    ("port", "65536", "0 to 65535"),
    ("port", "-1", "0 to 65535"),
    ("port", "80.5", "whole number"),
    ("executor_timeout_secs", "0", "from 1 to 86400"),
    ("ping_interval_secs", "0", "above 0"),
    ("ping_timeout_secs", "-1", "above 0"),
    ("handshake_timeout_secs", "86401", "86400"),
    ("request_timeout_secs", "nan", "number of seconds"),
    ("probe_interval_secs", "inf", "number of seconds"),
    ("max_frame_bytes", "65535", "from 65536"),
    ("max_body_bytes", "1", "from 1024"),
    ("max_in_flight_requests", "0", "from 1 to 1000"),
]


@pytest.mark.parametrize(("key", "value", "allowed"), BAD)
def test_bad_value_is_named_with_its_source_and_what_is_allowed(
    file: Path, key: str, value: str, allowed: str
) -> None:
    text = complaint(write(file, f"{key} = {value}"), {})
    assert text.startswith(f"{key} = ")
    assert str(file) in text
    assert allowed in text
    text = complaint(None, {f"CONDUCTOR_LITE_{key.upper()}": value})
    assert text.startswith(f"{key} = ")
    assert "environment" in text
    assert allowed in text


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("port = '8090'", "port"),
        ("port = true", "port"),
        ("dev = 'yes'", "dev"),
        ("dev = 1", "dev"),
        ("log_level = 'loud'", "log_level"),
        ("log_level = 'INFO'", "log_level"),
        ("allowed_hosts = 'one.example'", "allowed_hosts"),
        ("data_dir = ''", "data_dir"),
        ("data_dir = 7", "data_dir"),
        ("data_dir = '~no-such-user-here/data'", "data_dir"),
        ('data_dir = "a\\u0000b"', "data_dir"),
        ("host = 7", "host"),
        ("ping_interval_secs = '20'", "ping_interval_secs"),
        ("port = [1]", "port"),
        ("port = {a = 1}", "port"),
        ("port = 1979-05-27", "port"),
        ("max_frame_bytes = 99999999999999999999999", "max_frame_bytes"),
    ],
)
def test_file_is_strict_about_kinds(file: Path, line: str, key: str) -> None:
    text = complaint(write(file, line), {})
    assert text.startswith(f"{key} = ")
    assert str(file) in text


@pytest.mark.parametrize("text", ["", "yes", "2", "maybe"])
def test_environment_takes_only_clear_truth(text: str) -> None:
    assert "true or false" in complaint(None, {"CONDUCTOR_LITE_DEV": text})


def test_bad_flag_is_named_as_such() -> None:
    text = complaint(None, {}, port=70_000)
    assert text.startswith("port = 70000 in the command line")
    assert "0 to 65535" in text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.com", "", "127.0.0.2"])
def test_other_hosts_are_refused_while_there_is_no_login(file: Path, host: str) -> None:
    for text in (
        complaint(write(file, f"host = '{host}'"), {}),
        complaint(None, {"CONDUCTOR_LITE_HOST": host}),
        complaint(None, {}, host=host),
    ):
        assert repr(host) in text
        assert "without a login" in text
        assert "127.0.0.1" in text
    assert str(file) in complaint(write(file, f"host = '{host}'"), {})


def test_unknown_key_is_named_with_the_known_ones(file: Path) -> None:
    text = complaint(write(file, "prot = 1"), {})
    assert text.startswith(f"prot in {file} is not a setting")
    assert "port" in text
    text = complaint(None, {"CONDUCTOR_LITE_PROT": "1"})
    assert text.startswith("CONDUCTOR_LITE_PROT in the environment is not a setting")
    file.write_text("port = 8090\n")
    assert "[server]" in complaint(file, {})
    file.write_text("[sever]\nport = 8090\n")
    assert complaint(file, {}).startswith(f"sever in {file} is not a setting")
    file.write_text("server = 8090\n")
    assert "write [server] on a line of its own" in complaint(file, {})


def test_file_that_cannot_be_read_is_named(file: Path, tmp_path: Path) -> None:
    assert complaint(file, {}) == f"The configuration file {file} does not exist."
    file.write_text("[server\nport = 1")
    assert complaint(file, {}).startswith(f"The configuration file {file} is not valid TOML: ")
    file.write_bytes(b"[server]\nhost = '\xff'")
    assert complaint(file, {}).startswith(f"The configuration file {file} cannot be read: ")
    assert complaint(tmp_path, {}).startswith(f"The configuration file {tmp_path} cannot be read: ")


@pytest.mark.parametrize("value", ["9" * 5_000, "[" * 5_000 + "]" * 5_000])
def test_file_beyond_measure_is_refused(file: Path, value: str) -> None:
    assert "too long, or is nested too deeply" in complaint(write(file, f"port = {value}"), {})


def test_what_is_declared_of_applications_is_none_of_the_servers_business(file: Path) -> None:
    file.write_text("[server]\nport = 1001\n[apps.shop]\ncolor = 'red'\n")
    assert load_settings(file, {}, {}).port == 1001
    assert load_declaration(file) == (file, {"shop": {"color": "red"}})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nport = 1", "declares no applications"),
        ("[app.shop]", "app in "),
        ("[apps.shop", "not valid TOML"),
        (None, "does not exist"),
    ],
)
def test_declaration_that_is_not_there_is_told(file: Path, text: str | None, words: str) -> None:
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        load_declaration(file)


def test_declaration_is_read_from_the_current_folder_and_may_be_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"The configuration file conductor.toml does not exist"):
        load_declaration(None)
    Path("conductor.toml").write_text("[apps]\n")
    assert load_declaration(None) == (Path("conductor.toml"), {})


def test_empty_file_is_fine(file: Path) -> None:
    file.write_text("")
    assert load_settings(file, {}, {}) == Settings()
    file.write_text("[server]\n")
    assert load_settings(file, {}, {}) == Settings()
