"""Every list, form and row of the admin opens, and numbers in it are readable."""

from __future__ import annotations

import pytest
from django.contrib import admin as admin_of_django
from django.test import Client
from django.urls import reverse
from unfold.admin import ModelAdmin

from apps.accounts import services
from apps.accounts.models import User
from tests.apps.web.belongings import belongings

admin_of_django.autodiscover()
pytestmark = pytest.mark.django_db
NAMES = sorted(f"{model._meta.app_label}_{model._meta.model_name}" for model in admin_of_django.site._registry)


@pytest.fixture
def operator(client: Client, admin: User) -> Client:
    services.issue_token(user=admin, name="laptop")
    belongings(admin)
    client.force_login(admin)
    return client


@pytest.mark.parametrize("name", NAMES)
def test_every_page_of_a_model_opens(operator: Client, name: str) -> None:
    assert operator.get(reverse(f"admin:{name}_changelist")).status_code == 200
    assert operator.get(reverse(f"admin:{name}_changelist") + "?q=BTC").status_code == 200
    assert operator.get(reverse(f"admin:{name}_add")).status_code in {200, 403}
    model = next(m for m in admin_of_django.site._registry if f"{m._meta.app_label}_{m._meta.model_name}" == name)
    row = model._default_manager.first()
    if row is not None:
        assert operator.get(reverse(f"admin:{name}_change", args=[row.pk])).status_code == 200


def test_all_pages_look_alike() -> None:
    assert [name for name in admin_of_django.site._registry.values() if not isinstance(name, ModelAdmin)] == []


def test_lists_write_amounts_without_trailing_zeros(operator: Client) -> None:
    for name in ("trading_order", "trading_position"):
        said = operator.get(reverse(f"admin:{name}_changelist")).content.decode()
        assert "000000000000" not in said
    ordered = operator.get(reverse("admin:trading_position_changelist") + "?o=3")
    assert ordered.status_code == 200


def test_people_see_what_they_may_see(client: Client, admin: User) -> None:
    helper = User.objects.create(username="helper", is_staff=True)
    client.force_login(helper)
    said = client.get(reverse("admin:index")).content.decode()
    assert "Credentials" not in said
    assert "Latest orders" not in said


def empty_page(client: Client, name: str, query: str = "") -> str:
    page = client.get(reverse(f"admin:{name}_changelist") + query).content.decode()
    return " ".join(page[page.index('id="empty"') :].split())


def test_an_empty_list_that_nobody_writes_by_hand_asks_for_no_item(client: Client, admin: User) -> None:
    client.force_login(admin)
    page = empty_page(client, "messaging_deadletter")
    assert "No dead letters yet" in page
    assert "appears here by itself" in page
    assert "Reset filters" not in page
    assert "Add " not in page


def test_an_empty_list_offers_what_can_be_done(client: Client, admin: User) -> None:
    client.force_login(admin)
    assert "Add strategy" in empty_page(client, "strategies_strategy")
    found_nothing = empty_page(client, "messaging_deadletter", "?q=nothing-like-this")
    assert "Nothing matches" in found_nothing
    assert "Reset filters" in found_nothing
