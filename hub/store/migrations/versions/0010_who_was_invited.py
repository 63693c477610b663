"""Who was invited to be a center, and how far that is"""

from alembic import op
import sqlalchemy as sa

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('invitation',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('center', sa.Text(), nullable=False),
    sa.Column('made_at_us', sa.BigInteger(), nullable=False),
    sa.Column('expires_at_us', sa.BigInteger(), nullable=False),
    sa.Column('stage', sa.Text(), nullable=False),
    sa.Column('request', sa.Text(), nullable=True),
    sa.Column('asked_at_us', sa.BigInteger(), nullable=True),
    sa.Column('other', sa.Text(), nullable=True),
    sa.Column('other_at_us', sa.BigInteger(), nullable=True),
    sa.Column('ended_at_us', sa.BigInteger(), nullable=True),
    sa.Column('heeded_at_us', sa.BigInteger(), nullable=True),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('sealed_request', sa.LargeBinary(), nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
