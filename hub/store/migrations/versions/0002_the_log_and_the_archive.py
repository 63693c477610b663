"""HQ's log, cosignatures, recorded state digests, an entity's history as a linked list, the archive"""

from alembic import op
import sqlalchemy as sa

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Release 0.2 ran this without a transaction. Where it was stopped half-way, what it has made already stays.
    there = sa.inspect(op.get_bind())
    tables = there.get_table_names()

    def create_table(name: str, *parts: sa.schema.SchemaItem) -> None:
        if name not in tables:
            op.create_table(name, *parts)

    def add_column(table: str, column: sa.Column) -> None:
        if column.name not in [found['name'] for found in there.get_columns(table)]:
            op.add_column(table, column)

    create_table('log_leaf',
    sa.Column('leaf_index', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('lane_id', sa.Integer(), nullable=False),
    sa.Column('last', sa.BigInteger(), nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['lane_id'], ['lane.id'], ),
    sa.PrimaryKeyConstraint('leaf_index'),
    sa.UniqueConstraint('lane_id', 'last')
    )
    create_table('log_tile',
    sa.Column('level', sa.Integer(), nullable=False),
    sa.Column('tile_index', sa.BigInteger(), nullable=False),
    sa.Column('hashes', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('level', 'tile_index')
    )
    create_table('checkpoint',
    sa.Column('size', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('note', sa.LargeBinary(), nullable=False),
    sa.Column('edge', sa.LargeBinary(), nullable=False),
    sa.Column('signed_at_us', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('size')
    )
    create_table('cosignature',
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('key_id', sa.LargeBinary(), nullable=False),
    sa.Column('center', sa.Text(), nullable=False),
    sa.Column('value', sa.LargeBinary(), nullable=False),
    sa.Column('cosigned_at_us', sa.BigInteger(), nullable=False),
    sa.Column('received_at_us', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('size', 'name', 'key_id')
    )
    create_table('lease',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('owner', sa.Text(), nullable=False),
    sa.Column('until_us', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('name')
    )
    create_table('segment',
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('lane_id', sa.Integer(), nullable=False),
    sa.Column('first', sa.BigInteger(), nullable=False),
    sa.Column('last', sa.BigInteger(), nullable=False),
    sa.Column('previous', sa.LargeBinary(), nullable=True),
    sa.Column('location', sa.Text(), nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('archived_at_us', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['lane_id'], ['lane.id'], ),
    sa.PrimaryKeyConstraint('digest'),
    sa.UniqueConstraint('lane_id', 'last')
    )
    add_column('intake', sa.Column('alarm', sa.Text(), nullable=True))
    add_column('lane', sa.Column('logged', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    add_column('receipt', sa.Column('state_digest', sa.LargeBinary(), nullable=True))
    add_column('ledger', sa.Column('previous_lane_id', sa.Integer(), nullable=True))
    add_column('ledger', sa.Column('previous', sa.BigInteger(), nullable=True))
    if 'ledger_rejected_subject' not in [found['name'] for found in there.get_indexes('ledger')]:
        op.create_index('ledger_rejected_subject', 'ledger', ['subject'], unique=False,
                        sqlite_where=sa.text("code <> 'ACCEPTED'"), postgresql_where=sa.text("code <> 'ACCEPTED'"))
    # What stands in the ledger already is linked: of one stream (the type without its last two parts) and subject, the
    # accepted event before. A center's lanes follow one another, and so do their ids.
    op.execute("""
        CREATE TEMPORARY TABLE linked AS
        SELECT lane_id, sequence,
               lag(lane_id) OVER entity AS previous_lane_id, lag(sequence) OVER entity AS previous
        FROM ledger WHERE code = 'ACCEPTED'
        WINDOW entity AS (PARTITION BY substr(type, 1, instr(substr(type, 11), '.') + 10), subject
                          ORDER BY lane_id, sequence)
    """)
    op.execute("""
        UPDATE ledger SET previous_lane_id = linked.previous_lane_id, previous = linked.previous
        FROM linked WHERE linked.lane_id = ledger.lane_id AND linked.sequence = ledger.sequence
              AND linked.previous IS NOT NULL
    """)
    op.execute("DROP TABLE linked")
