"""The tables' history: the newest step is the one that the code asks for, and leads to the tables that it names."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

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


def test_a_database_of_the_first_step_goes_on_with_what_it_holds(empty_database_url):
    """Rejections of before count, waiting webhooks stay, and the way back is open."""
    database = Database(empty_database_url)
    config = Config()
    config.set_main_option("script_location", str(next(iter(migrations.__path__))))

    def step(to, way=command.upgrade):
        with database.engine.begin() as connection:
            config.attributes["connection"] = connection
            way(config, to)

    def rows(statement):
        with database.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    step("0001")
    with database.engine.begin() as connection:
        for statement in (
            "INSERT INTO api_keys (id, name, secret_sha256, wrapped_webhook_secret, created_s) "
            "VALUES ('k', 'n', 's', 'w', 1)",
            "INSERT INTO attempts (id, api_key_id, state, policy, locale, options, created_s, expires_s, judged, "
            "begun, tries, decided_s) VALUES ('a', 'k', 'rejected', 'p', 'en', '{}', 1, 2, 1, 1, 0, 7.5)",
            "INSERT INTO links (token_sha256, attempt_id, created_s, expires_s) VALUES ('t', 'a', 1, 2)",
            "INSERT INTO outbox (id, api_key_id, attempt_id, url, body, created_s, next_s, tries) "
            "VALUES ('m', 'k', 'a', 'u', 'b', 1, 1, 0)",
        ):
            connection.execute(text(statement))
    database.migrate()
    assert rows("SELECT rejected_s, case_id FROM attempts") == [(7.5, None)]
    assert rows("SELECT id, attempt_id FROM outbox") == [("m", "a")]
    assert rows("SELECT number FROM audit_head") == [(0,)]
    step("0001", command.downgrade)
    assert rows("SELECT attempt_id FROM links") == rows("SELECT id FROM attempts") == [("a",)]
    assert "cases" not in inspect(database.engine).get_table_names()
    database.migrate()
    database.close()
