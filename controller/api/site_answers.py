"""What answers about sites look like: holidays, whose cards count, how phones know the doors."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from controller.api.answers import Answer
from controller.api.pkoc import code_of_supplier
from controller.intent.sites import SiteView
from controller.reader_issuer import ReaderIssuer


class HolidayAnswer(Answer):
    """Days on which schedules follow their holiday rules, both ends included."""

    name: str
    first_day: str
    last_day: str
    kind: int


class SupplierAnswer(Answer):
    """Somebody who issues PKOC cards with certificates."""

    reference: str = Field(examples=["01000TESTISSUER1"])
    public_key: str
    code: str | None = Field(
        default=None, description="The text of its QR code, for an app that is to trust it."
    )


class CardIssuersAnswer(Answer):
    """Whose certificates count at the doors that want one; keys in hex or PEM, the rest in PEM."""

    suppliers: list[SupplierAnswer] = Field(default_factory=list)
    authorities: list[str] = Field(default_factory=list)
    intermediates: list[str] = Field(default_factory=list)
    revocation_lists: list[str] = Field(default_factory=list)
    document_issuers: list[str] = Field(default_factory=list)
    document_authorities: list[str] = Field(default_factory=list)
    access_elements: list[str] = Field(default_factory=list)
    revocation_elements: list[str] = Field(default_factory=list)
    # Whether a certificate counts only while all its issuers have a current list.
    revocation_lists_required: bool = False


class RefusedKeyAnswer(Answer):
    """A device key that no document lets in at this site."""

    public_key: str
    cause: str


class WalletGroupAnswer(Answer):
    """What phone wallets (Aliro) know all doors of a site by, in hex."""

    identifier: str = Field(description="The reader group identifier, 32 digits.")
    public_key: str = Field(description="The issuer of its readers' certificates, 130 digits.")


class SiteAnswer(Answer):
    """A building: a time zone and a holiday calendar; and who certifies its readers to phones."""

    id: int
    name: str
    time_zone: str = Field(examples=["Europe/London"])
    holidays: list[HolidayAnswer]
    card_issuers: CardIssuersAnswer
    wallet_group: WalletGroupAnswer
    pkoc_issuer_key: str = Field(
        description="By which phones (PKOC 2.0.1, `siteIssuerKey`) judge the certificates of its"
        " readers, 130 hex digits."
    )
    refused_keys: list[RefusedKeyAnswer]

    @classmethod
    def of(cls, view: SiteView, readers: ReaderIssuer) -> SiteAnswer:
        """Return the answer that shows `view`, with what `readers` are certified by."""
        issuer = readers.of(view.site.wallet_group)
        return cls(
            id=view.site.id,
            name=view.site.name,
            time_zone=view.site.time_zone,
            holidays=[
                HolidayAnswer(
                    name=day.name, first_day=day.first_day, last_day=day.last_day, kind=day.kind
                )
                for day in view.holidays
            ],
            card_issuers=_issuers(view.site.card_issuers),
            wallet_group=WalletGroupAnswer(
                identifier=issuer.group.hex(), public_key=issuer.aliro.public.point.hex()
            ),
            pkoc_issuer_key=issuer.pkoc.public.point.hex(),
            refused_keys=[RefusedKeyAnswer(**each) for each in view.site.refused_keys],
        )


def _issuers(kept: dict[str, Any]) -> CardIssuersAnswer:
    answer = CardIssuersAnswer(**kept)
    for supplier in answer.suppliers:
        supplier.code = code_of_supplier(supplier.reference, supplier.public_key)
    return answer
