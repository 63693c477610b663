"""That a database was put back from a backup and HQ has not heard itself yet; why a receipt can't be come to"""

from alembic import op
import sqlalchemy as sa

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('owed', sa.Column('why', sa.Text()))
    op.create_table('restored',
    sa.Column('made_at_us', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.PrimaryKeyConstraint('made_at_us')
    )
