"""The tables' history: the newest step is the one that the code asks for, and leads to the tables that it names."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from idverify.errors import ParameterError
from idverify.service import migrations
from idverify.service.database import Database, DatabaseUnavailableError
from idverify.service.tables import Base


def test_the_newest_step_is_named():
    config = Config()
    config.set_main_option("script_location", str(next(iter(migrations.__path__))))
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.HEAD]


def test_the_history_leads_to_the_tables_of_the_code(core):
    with core.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_changes_nothing(core):
    core.database.migrate()
    assert set(Base.metadata.tables) <= set(inspect(core.database.engine).get_table_names())


@pytest.mark.parametrize("url", ["mysql://h/d", "nonsense", "sqlite+nothing:///x", ""])
def test_an_address_that_is_none_is_refused_without_quoting_it(url):
    with pytest.raises(ParameterError, match="address"):
        Database(url)


def test_a_database_that_is_not_there_is_unavailable_and_its_password_is_not_said():
    database = Database("postgresql+psycopg://user:secret-word@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailableError) as refused:
        database.ping()
    assert "secret-word" not in str(refused.value)
