"""Operators' view of users, tokens and credentials. Secrets go in; only a new token comes out, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as PlainUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSplitDateTimeWidget,
)

from apps.accounts import services
from apps.accounts.models import ApiToken, Credential, Scope, User
from tradebot.contracts.errors import InvalidField


class _Listed(TabularInline):
    """Rows shown on their user's page; they are made and changed on their own pages."""

    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False


class TokenInline(_Listed):
    model = ApiToken
    fields = ("name", "prefix", "scopes", "expires_at", "last_used_at", "revoked_at")
    readonly_fields = fields


class CredentialInline(_Listed):
    model = Credential
    fields = ("venue", "label", "status", "key_hint", "is_default", "checked_at")
    readonly_fields = fields


@admin.register(User)
class UserAdmin(PlainUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "time_zone", "is_active", "is_staff", "last_login")
    fieldsets = (*(PlainUserAdmin.fieldsets or ()), ("Trading", {"fields": ("time_zone",)}))
    inlines = (TokenInline, CredentialInline)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> tuple[type[TabularInline], ...]:
        return self.inlines if obj else ()


class TokenForm(forms.ModelForm[ApiToken]):
    """What a new token needs; its text is made by us."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Usually none.",
    )
    expires_at = forms.SplitDateTimeField(
        widget=UnfoldAdminSplitDateTimeWidget,
        initial=lambda: timezone.now() + timedelta(days=services.TOKEN_DAYS),
        help_text=f"At most a year ahead; {services.TOKEN_DAYS} days unless you say otherwise.",
    )

    class Meta:
        model = ApiToken
        fields = ("user", "name", "scopes", "expires_at")

    def clean_expires_at(self) -> Any:
        ends = self.cleaned_data["expires_at"]
        if not timezone.now() < ends <= timezone.now() + timedelta(days=366):
            raise forms.ValidationError("Choose a moment in the coming year.")
        return ends


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):
    form = TokenForm
    list_display = ("name", "user", "prefix", "scopes", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    list_filter = ("revoked_at",)
    search_fields = ("name", "prefix", "user__username")
    autocomplete_fields = ("user",)
    actions = ("revoke",)

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiToken, form: TokenForm, change: bool) -> None:
        given = form.cleaned_data
        row, plain = services.issue_token(
            user=given["user"], name=given["name"], scopes=given["scopes"], expires_at=given["expires_at"]
        )
        obj.__dict__.update(row.__dict__)
        messages.warning(request, f"Copy the token now, it is never shown again: {plain}")

    @admin.action(description="Revoke", permissions=["delete"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        for token_id in queryset.values_list("pk", flat=True):
            services.revoke_token(token_id=token_id)
        messages.success(request, "Revoked: they no longer open anything.")


class CredentialForm(forms.ModelForm[Credential]):
    """Keys are typed in and never rendered back, not even after an error in another field."""

    api_key = forms.CharField(required=False, max_length=500, widget=UnfoldAdminPasswordWidget())
    secret = forms.CharField(required=False, max_length=5000, widget=UnfoldAdminPasswordWidget())
    passphrase = forms.CharField(
        required=False, max_length=200, widget=UnfoldAdminPasswordWidget(), help_text="Of an OKX key only."
    )

    class Meta:
        model = Credential
        fields = ("user", "venue", "label")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        typed = [name for name in ("api_key", "secret") if given.get(name)]
        if len(typed) == 1 or (not typed and self.instance._state.adding):
            missing = "secret" if typed == ["api_key"] else "api_key"
            self.add_error(missing, "Key and secret belong together: type both.")
        elif len(typed) == 2:
            self._check_keys(given["api_key"], given["secret"], given.get("passphrase", ""))
        return given

    def _check_keys(self, api_key: str, secret: str, passphrase: str) -> None:
        try:
            services.check_keys(api_key, secret, passphrase)
        except InvalidField as error:
            self.add_error(error.field, f"It {error.reason}.")


@admin.register(Credential)
class CredentialAdmin(ModelAdmin):
    form = CredentialForm
    list_display = ("venue", "user", "label", "status", "status_reason", "key_hint", "is_default", "created_at")
    list_select_related = ("user",)
    list_filter = ("status", "venue")
    search_fields = ("label", "venue", "user__username")
    autocomplete_fields = ("user",)
    actions = ("make_default", "destroy_keys")
    shown = ("status", "status_reason", "key_hint", "is_default", "created_at", "checked_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        existing: QuerySet[Credential] = super().get_queryset(request).filter(deleted_at=None)
        return existing

    def get_readonly_fields(self, request: HttpRequest, obj: Credential | None = None) -> tuple[str, ...]:
        return ("user", "venue", *self.shown) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Credential | None = None) -> bool:
        """Rows stay because orders name them; `destroy_keys` does what deleting would be for."""
        return False

    def save_model(self, request: HttpRequest, obj: Credential, form: CredentialForm, change: bool) -> None:
        keys = {name: form.cleaned_data[name] for name in ("api_key", "secret", "passphrase")}
        if not change:
            row = services.save_credential(user=obj.user, venue=obj.venue, label=obj.label, **keys)
            obj.__dict__.update(row.__dict__)
            return
        services.relabel_credential(credential_id=obj.pk, label=obj.label)
        if keys["api_key"]:
            services.replace_keys(credential_id=obj.pk, **keys)

    @admin.action(description="Make it its user's default paper account", permissions=["change"])
    def make_default(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        try:
            for credential_id in queryset.values_list("pk", flat=True):
                services.make_default(credential_id=credential_id)
        except InvalidField as error:
            messages.error(request, error.reason)

    @admin.action(description="Destroy the keys", permissions=["change"])
    def destroy_keys(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        for row in queryset:
            try:
                services.delete_credential(credential_id=row.pk)
            except InvalidField as error:
                messages.error(request, f"{row}: {error.reason}")
            else:
                messages.success(request, f"The keys of {row} are gone. Remove them at the exchange as well.")
