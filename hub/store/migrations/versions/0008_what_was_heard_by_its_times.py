"""By which times presences and alarms were signed that were heard: what is said again is known by them"""

from alembic import op
import sqlalchemy as sa

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('heard',
    sa.Column('center', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('times', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('center', 'kind')
    )
