"""Alembic's entry: runs the revisions on the address that `maeari.migrate` hands over."""

from alembic import context
from sqlalchemy import create_engine, pool

config = context.config
url = config.attributes["url"].replace("postgresql://", "postgresql+psycopg2://", 1)

if context.is_offline_mode():
    context.configure(url=url, literal_binds=True, version_table_schema="public")
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, version_table_schema="public")
        with context.begin_transaction():
            context.run_migrations()
