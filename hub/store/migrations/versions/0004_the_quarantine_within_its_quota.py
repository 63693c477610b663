"""Reading on while a key is waited for, and a quarantine that stays within its quota"""

from alembic import op
import sqlalchemy as sa

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, kind in (('reads_on', sa.Integer()), ('read_upto', sa.BigInteger()), ('strangers', sa.BigInteger())):
        op.add_column('intake', sa.Column(name, kind, server_default='0', nullable=False))
    op.create_table('unkept',
    sa.Column('center', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('records', sa.BigInteger(), nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('first_at_us', sa.BigInteger(), nullable=False),
    sa.Column('last_at_us', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('center', 'reason')
    )
