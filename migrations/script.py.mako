"""${message}.

Once merged, a migration is never edited; the next one corrects it. Write each step so that it can begin again
after a crash: MySQL keeps every statement at once.
"""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "raise NotImplementedError"}
