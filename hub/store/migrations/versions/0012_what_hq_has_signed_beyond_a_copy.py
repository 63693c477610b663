"""What HQ has signed beyond a database that was put back from a copy"""

from alembic import op
import sqlalchemy as sa

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('owed',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('center', sa.Text(), nullable=False),
    sa.Column('origin', sa.Text(), nullable=False),
    sa.Column('last', sa.BigInteger(), nullable=False),
    sa.Column('note', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('origin', 'last')
    )
    op.create_table('log_lost',
    sa.Column('leaf_index', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('leaf_index')
    )
    op.create_table('log_begun',
    sa.Column('size', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('confirmed_at_us', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('size')
    )
