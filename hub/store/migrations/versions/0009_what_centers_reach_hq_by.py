"""What each center was given to reach HQ by, and how far Kafka has it"""

from alembic import op
import sqlalchemy as sa

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('access',
    sa.Column('center', sa.Text(), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=True),
    sa.Column('given_at_us', sa.BigInteger(), nullable=True),
    sa.Column('rate', sa.BigInteger(), nullable=True),
    sa.Column('kept', sa.Text(), nullable=False),
    sa.Column('kept_at_us', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('center')
    )
