"""The built sample of each language, made once, and the PostgreSQL that they share."""

from collections.abc import Iterator

import pytest
from support.postgres import Postgres
from support.samples import LANGUAGES, PYTHON, Language, Sample, require_language


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as cluster:
        yield cluster


@pytest.fixture(scope="session", params=LANGUAGES, ids=lambda language: language.name)
def built_sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    language: Language = request.param
    require_language(language)
    cluster = None if language is PYTHON else request.getfixturevalue("postgres")
    sample = Sample(language, tmp_path_factory.mktemp(language.name), cluster)
    sample.build()
    return sample


@pytest.fixture
def sample(built_sample: Sample) -> Sample:
    """One language's sample, on an empty database."""
    built_sample.use_new_database()
    return built_sample
