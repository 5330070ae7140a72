"""Runs the migrations on the connection that `cloud.migrations.upgrade` hands over."""

from alembic import context

from cloud.app import load_models
from cloud.database import Base

load_models()
connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=False,
    compare_type=True,
    render_item=context.config.attributes.get("render_item", lambda *_: False),
)
with context.begin_transaction():
    context.run_migrations()
