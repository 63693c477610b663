"""The cursors of publisher and notary in tables of their own: a lane's row is its committing worker's alone"""

from alembic import op
import sqlalchemy as sa

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for cursor in ('published', 'logged'):
        op.create_table(cursor,
        sa.Column('lane_id', sa.Integer(), nullable=False),
        sa.Column('upto', sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(['lane_id'], ['lane.id'], ),
        sa.PrimaryKeyConstraint('lane_id')
        )
        op.execute(f"INSERT INTO {cursor}(lane_id, upto) SELECT id, {cursor} FROM lane ORDER BY id")
    with op.batch_alter_table('lane', schema=None) as batch_op:
        batch_op.drop_column('published')
        batch_op.drop_column('logged')
