"""From which version on programs may use these tables, for releases that find newer ones than their own"""

from alembic import op
import sqlalchemy as sa

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('alembic_version', sa.Column('compatible_since', sa.String(32)))
    op.add_column('alembic_version', sa.Column('since_release', sa.String(32)))
