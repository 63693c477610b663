"""By which times presences and alarms were signed that were heard: what is said again is known by them"""

from alembic import op
import sqlalchemy as sa

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ('presence_times', 'alarm_times'):
        op.add_column('intake', sa.Column(name, sa.Text(), nullable=True))
