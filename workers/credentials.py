"""Checking new exchange keys: the one place besides execution that opens them."""

from __future__ import annotations

from decimal import Decimal

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError

from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.exchanges import adapters
from apps.exchanges import selectors as exchanges
from apps.exchanges.adapters import paper_admin
from tradebot.contracts.errors import NotConfigured, PermanentError, VenueError, VenueRejected, VenueUnavailable

log = structlog.get_logger(__name__)

PAPER_DEPOSIT = {"USDT": Decimal(10_000)}
"""Play money of a paper account that was opened through the API."""


def check_pending() -> int:
    """Settle the PENDING credentials whose venues answer; returns how many."""
    return sum(_settled(view) for view in accounts.pending_credentials())


def _settled(view: accounts.CredentialView) -> bool:
    # Noted before the attempt: even if it ends with the task's time, others take their turn first.
    account_services.note_check(credential_id=view.id)
    try:
        _try(view)
    except VenueUnavailable as error:
        return _unsettled(view, error.reason)
    except NotConfigured as error:
        return _unsettled(view, str(error))
    except (VenueError, PermanentError) as error:
        account_services.mark_credential(credential_id=view.id, active=False, reason=str(error))
        return True
    except (SoftTimeLimitExceeded, DatabaseError):
        raise
    except Exception as error:
        # Whatever is wrong with this one, the others are checked.
        log.exception("credential.check_broke", credential=str(view.id))
        return _unsettled(view, f"could not be checked ({type(error).__name__}); enter the keys again")
    account_services.mark_credential(credential_id=view.id, active=True, reason="")
    return True


def _unsettled(view: accounts.CredentialView, reason: str) -> bool:
    log.warning("credential.unchecked", credential=str(view.id), reason=reason)
    account_services.note_check(credential_id=view.id, reason=reason)
    return False


def _try(view: accounts.CredentialView) -> None:
    venue = exchanges.venue(view.venue)
    if venue is None:
        raise VenueRejected(f"the venue {view.venue} is not enabled here")
    opened = account_services.open_credential(view.id)
    secret = opened.secret.reveal()
    if view.opens_account:
        paper_admin.open_account(opened.api_key, secret, PAPER_DEPOSIT)
    account = adapters.connect(venue, opened.api_key, secret, opened.passphrase.reveal())
    account.balances()
    if account.may_withdraw():
        raise VenueRejected(
            "the key may withdraw; make one that may only trade, so that a leak can't empty the account"
        )
