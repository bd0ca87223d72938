"""From a card's certificate to an authority: paths, dates, lists, and certificates that cheat."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ObjectIdentifier

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.piv.authorities import MAX_KNOWN, Authorities, Clock
from tests.shared.credential.keys import key
from tests.shared.credential.piv.cards import (
    DAY,
    ECC,
    FOR_CARDS,
    LAST,
    MIDDLE,
    NOW,
    ROOT,
    Authority,
    name,
    rsa_key,
)

ANCHORS = [ROOT.certificate]
BETWEEN = [LAST.certificate, MIDDLE.certificate]
CARD = ROOT.issue(ECC.native)
PAIR = (ROOT, MIDDLE)
CA = (x509.BasicConstraints(True, None), True)


TODAY = Clock(NOW)


def checked(
    authorities: Authorities, certificate: x509.Certificate = CARD, clock: Clock | None = TODAY
) -> str | Reason:
    try:
        return authorities.check(certificate, clock)
    except RuleBroken as broken:
        return broken.reason


class TestPath:
    def test_straight(self) -> None:
        assert checked(Authorities(ANCHORS)) == "CN=root"

    @pytest.mark.parametrize("issuer", [MIDDLE, LAST])
    def test_over_intermediates(self, issuer: Authority) -> None:
        certificate = issuer.issue(ECC.native)
        assert checked(Authorities(ANCHORS, BETWEEN), certificate) == "CN=root"
        assert checked(Authorities(ANCHORS), certificate) is Reason.UNKNOWN_ISSUER

    def test_not_over_three(self) -> None:
        deep = Authority("deep", LAST)
        authorities = Authorities(ANCHORS, [*BETWEEN, deep.certificate])
        assert checked(authorities, deep.issue(ECC.native)) is Reason.UNKNOWN_ISSUER

    def test_a_name_is_not_enough(self) -> None:
        twin = Authority("root's twin")
        twin.name = ROOT.name
        assert checked(Authorities(ANCHORS), twin.issue(ECC.native)) is Reason.UNKNOWN_ISSUER

    def test_intermediates_that_issue_each_other_come_to_an_end(self) -> None:
        one = Authority("one")
        two = Authority("two", one)
        back = two.issue(one.key, one.name, extensions=[(x509.BasicConstraints(True, None), True)])
        authorities = Authorities(ANCHORS, [back, two.certificate])
        assert checked(authorities, one.issue(ECC.native)) is Reason.UNKNOWN_ISSUER

    @pytest.mark.parametrize("of", ["authority", "intermediate"])
    def test_a_renewed_certificate_beside_the_old_one(self, of: str) -> None:
        """The same name and key: a card's certificate leads to both, and one of them is good."""
        again = [ROOT.issue(one.key, one.name, end=NOW - DAY, extensions=[CA]) for one in PAIR]
        old_root, old_middle = again
        for order in (1, -1):
            if of == "authority":
                authorities = Authorities([old_root, *ANCHORS][::order], BETWEEN)
            else:
                authorities = Authorities(ANCHORS, [old_middle, *BETWEEN][::order])
            assert checked(authorities, MIDDLE.issue(ECC.native)) == "CN=root"
        authorities = Authorities(ANCHORS, [old_middle])
        assert checked(authorities, MIDDLE.issue(ECC.native)) is Reason.CERTIFICATE_EXPIRED

    @pytest.mark.parametrize(("depth", "good"), [(0, False), (1, False), (2, True), (None, True)])
    def test_so_many_below_an_authority(self, depth: int | None, *, good: bool) -> None:
        top = Authority("top", depth=depth)
        one = Authority("below", top)
        two = Authority("lowest", one)
        authorities = Authorities([top.certificate], [one.certificate, two.certificate])
        assert checked(authorities, top.issue(ECC.native)) == "CN=top"
        found = checked(authorities, two.issue(ECC.native))
        assert found == ("CN=top" if good else Reason.BAD_CERTIFICATE)

    def test_none_below_an_intermediate(self) -> None:
        one = Authority("shallow", ROOT, depth=0)
        two = Authority("lowest", one)
        authorities = Authorities(ANCHORS, [one.certificate, two.certificate])
        assert checked(authorities, one.issue(ECC.native)) == "CN=root"
        assert checked(authorities, two.issue(ECC.native)) is Reason.BAD_CERTIFICATE

    def test_what_binds_an_intermediate_and_is_not_understood(self) -> None:
        bound = x509.NameConstraints(
            permitted_subtrees=[x509.DNSName("a.test")], excluded_subtrees=None
        )
        one = Authority("bound", ROOT, extensions=[(bound, True)])
        with pytest.raises(ValueError, match="critical extension"):
            Authorities(ANCHORS, [one.certificate])
        # Whoever is chosen as an authority is trusted by name and key.
        assert checked(Authorities([one.certificate]), one.issue(ECC.native)) == "CN=bound"

    def test_who_may_not_issue_is_no_authority(self) -> None:
        leaf = ROOT.issue(key("leaf").native, name("leaf"))
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        barred = ROOT.issue(
            key("barred").native,
            extensions=[(x509.BasicConstraints(True, None), True), (usage, True)],
        )
        for bad in (leaf, barred, Authority("no ca", ca=False).certificate):
            with pytest.raises(ValueError, match="may not issue"):
                Authorities([bad])
            with pytest.raises(ValueError, match="may not issue"):
                Authorities(ANCHORS, [bad])

    @pytest.mark.parametrize("kind", ["rsa 1024", "p224"])
    def test_nor_whose_key_is_too_short(self, kind: str) -> None:
        short = rsa_key(1024) if kind == "rsa 1024" else ec.generate_private_key(ec.SECP224R1())
        bad = ROOT.issue(short, extensions=[CA])
        with pytest.raises(ValueError, match="weak key"):
            Authorities([bad])
        with pytest.raises(ValueError, match="weak key"):
            Authorities(ANCHORS, [bad])

    @pytest.mark.parametrize("kind", ["rsa 2048", "p384"])
    def test_longer_keys_may(self, kind: str) -> None:
        long = rsa_key() if kind == "rsa 2048" else ec.generate_private_key(ec.SECP384R1())
        Authorities([ROOT.issue(long, extensions=[CA])])


class TestDates:
    @pytest.mark.parametrize(
        ("shift", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
    )
    def test_of_the_card(self, shift: int, *, good: bool) -> None:
        found = checked(Authorities(ANCHORS), clock=Clock(NOW + shift * DAY))
        assert found == ("CN=root" if good else Reason.CERTIFICATE_EXPIRED)

    def test_of_everybody_on_the_way(self) -> None:
        late = ROOT.issue(ECC.native, end=NOW + 30 * DAY)
        assert checked(Authorities(ANCHORS), late, Clock(NOW + 5 * DAY)) is (
            Reason.CERTIFICATE_EXPIRED  # the authority's own
        )

    def test_without_a_clock_nothing_can_be_said(self) -> None:
        assert checked(Authorities(ANCHORS), clock=None) is Reason.NO_CLOCK


class TestRevocation:
    def test_what_is_listed_is_revoked(self) -> None:
        assert checked(Authorities(ANCHORS, [], [ROOT.revoke(8)])) == "CN=root"
        assert checked(Authorities(ANCHORS, [], [ROOT.revoke(8, 7)])) is Reason.CERTIFICATE_REVOKED

    def test_also_in_a_list_that_is_out_of_date(self) -> None:
        old = ROOT.revoke(7, until=NOW - DAY)
        assert checked(Authorities(ANCHORS, [], [old])) is Reason.CERTIFICATE_REVOKED

    def test_also_an_intermediate(self) -> None:
        revoked = ROOT.revoke(MIDDLE.certificate.serial_number)
        authorities = Authorities(ANCHORS, BETWEEN, [revoked])
        assert checked(authorities, MIDDLE.issue(ECC.native)) is Reason.CERTIFICATE_REVOKED

    def test_nobody_elses_list_counts(self) -> None:
        forger = Authority("forger")
        forger.name = ROOT.name
        authorities = Authorities(ANCHORS, [], [forger.revoke(7), MIDDLE.revoke(7)])
        assert checked(authorities) == "CN=root"

    def test_nor_one_signed_by_a_key_of_another_kind(self) -> None:
        entry = x509.RevokedCertificateBuilder(7, NOW - DAY).build()
        builder = x509.CertificateRevocationListBuilder(ROOT.name, NOW - DAY, NOW + DAY)
        strange = builder.add_revoked_certificate(entry).sign(rsa_key(), SHA256())
        assert checked(Authorities(ANCHORS, [], [strange])) == "CN=root"

    def test_required_and_missing_or_out_of_date(self) -> None:
        current, old = ROOT.revoke(), ROOT.revoke(until=NOW - DAY)
        for lists, expected in (
            ([], Reason.REVOCATION_UNKNOWN),
            ([old], Reason.REVOCATION_UNKNOWN),
            ([old, current], "CN=root"),
        ):
            assert checked(Authorities(ANCHORS, [], lists, lists_required=True)) == expected

    def test_required_of_every_issuer_on_the_way(self) -> None:
        certificate = MIDDLE.issue(ECC.native)
        for lists, expected in (
            ([ROOT.revoke()], Reason.REVOCATION_UNKNOWN),
            ([MIDDLE.revoke()], Reason.REVOCATION_UNKNOWN),
            ([ROOT.revoke(), MIDDLE.revoke()], "CN=root"),
        ):
            authorities = Authorities(ANCHORS, BETWEEN, lists, lists_required=True)
            assert checked(authorities, certificate) == expected


class TestMemory:
    """Signatures are verified once; all the rest is looked at every time."""

    def test_a_card_that_is_known_is_judged_anew(self) -> None:
        authorities = Authorities(ANCHORS)
        for _ in range(2):
            assert checked(authorities) == "CN=root"
            late = checked(authorities, clock=Clock(NOW + 2 * DAY))
            assert late is Reason.CERTIFICATE_EXPIRED
            assert checked(authorities, clock=None) is Reason.NO_CLOCK

    def test_a_certificate_that_differs_is_another(self) -> None:
        authorities = Authorities(ANCHORS)
        assert checked(authorities) == "CN=root"
        forger = Authority("forger")
        forger.name = ROOT.name
        assert checked(authorities, forger.issue(ECC.native)) is Reason.UNKNOWN_ISSUER

    def test_so_many_and_no_more_are_known(self) -> None:
        authorities = Authorities(ANCHORS)
        for serial in range(1, MAX_KNOWN + 9):
            assert checked(authorities, ROOT.issue(ECC.native, serial=serial)) == "CN=root"
        assert len(authorities._known) == MAX_KNOWN


class TestExtensions:
    def test_made_for_cards(self) -> None:
        certificate = ROOT.issue(ECC.native, extensions=[FOR_CARDS])
        assert checked(Authorities(ANCHORS), certificate) == "CN=root"

    def test_a_critical_one_that_nobody_understands(self) -> None:
        strange = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
        for critical, expected in ((False, "CN=root"), (True, Reason.BAD_CERTIFICATE)):
            certificate = ROOT.issue(ECC.native, extensions=[(strange, critical)])
            assert checked(Authorities(ANCHORS), certificate) == expected

    def test_one_that_cannot_be_read(self) -> None:
        garbage = x509.UnrecognizedExtension(x509.KeyUsage.oid, b"garbage")
        certificate = ROOT.issue(ECC.native, extensions=[(garbage, False)])
        assert checked(Authorities(ANCHORS), certificate) is Reason.BAD_CERTIFICATE

    def test_not_for_signing(self) -> None:
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=True,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = ROOT.issue(ECC.native, extensions=[(usage, True)])
        assert checked(Authorities(ANCHORS), certificate) is Reason.BAD_CERTIFICATE
