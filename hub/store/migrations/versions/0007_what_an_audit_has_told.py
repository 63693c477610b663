"""What an audit found about the events of each center, for HQ to tell the center"""

from alembic import op
import sqlalchemy as sa

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('remark',
    sa.Column('center', sa.Text(), nullable=False),
    sa.Column('count', sa.BigInteger(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('kept_at_us', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('center')
    )
