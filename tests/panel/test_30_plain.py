"""Without JavaScript: everything can be read, and a partner is added, changed, switched off and removed."""
import os

import pytest

from conftest import sign_in
from test_10_pages import pages
from world import ADMIN

# Words of the page that come from the answers of commands, whatever the language.
SAID = {
    "overview": ["edge1", "expired.example", "tls.cert.expired"], "partners": ["partner.example", "Partner & Söhne, Vertrag 4711", "nowhere.example"],
    "partners-found": ["idle.example"], "partner": ["Vertrag 4711", "TLS1.3"], "partner-idle": ["*.it.idle.example"],
    "partner-check": ["xmpp.partner.example", "TLS1.3"], "partner-check-expired": ["tls.cert.expired"], "access": ["Sales", "third", "corp3.example"],
    "access-rule": ["dave@corp.example", "user@corp.example"], "contacts": ["dave@corp.example", "alice@partner.example", "erin@public.example"],
    "contacts-pair": ["dave@corp.example"], "subscriptions": ["dave@corp.example", "alice@partner.example"],
    "failures": ["expired.example", "tls.cert.expired", "dns.name.missing"], "failure": ["CN=expired.example", "2021-01-01", "tls.cert.expired"],
    "streams": ["partner.example", "TLS1.3"], "stream": ["CN=partner.example"], "certificates": ["partner.example", "CN=corp.example"],
    "explain-passes": ["dave@corp.example", "alice@partner.example"], "explain-closed": ["tls.cert.expired"], "explain-code": ["policy.partner.unlisted"],
    "audit": ["anna"], "configuration": ["partners_dir", "edge-int.corp.example"], "sessions": ["anna", "127.0.0.1"],
}


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_page_is_read(world, visit, language):
    page = visit(language=language, script=False)
    for name, path in pages(world).items():
        assert page.go(path) == 200, path
        text = page.text()
        absent = [w for w in SAID.get(name, []) if w not in text]
        assert not absent, "%s does not say %s:\n%s" % (path, absent, text)
        page.is_fine()


def test_a_partner_from_the_first_to_the_last_day(world, visit):
    """Added by somebody who has never seen the panel, looked at, changed, switched off and on, removed; each shown before it is done."""
    page = visit(user=None, script=False)
    assert sign_in(page, ADMIN, "/partners") == "/partners"
    assert page.click_on("text=New partner") == "/partners/new"
    page.fill("[name=domain]", "plain.example")
    page.fill("[name=description]", "added without a script")
    page.check("[name=partner_type][value=federated]")
    page.click_on("text=Show what will change")
    text = page.text()
    assert "Nothing has been saved yet" in text and "+partner_type: federated" in text and "plain.example.yaml" in text, text
    assert not os.path.exists(world.partner_path("plain.example"))
    assert page.click_on("text=Save and put into force") == "/partners/plain.example?done=added"
    assert "in force" in page.text() and "added without a script" in page.text()
    shown = world.gateway.control("partner", "show", domain="plain.example")
    assert (shown["partner_type"], shown["description"]) == ("federated", "added without a script")

    page.click_on("text=Edit")
    assert page.input_value("[name=description]") == "added without a script" and page.is_checked("[name=partner_type][value=federated]")
    page.fill("[name=description]", "changed without a script")
    page.click_on("text=Show what will change")
    page.click_on("text=Back to the form")
    assert page.input_value("[name=description]") == "changed without a script"
    page.click_on("text=Show what will change")
    removed, added = page.inner_text("del"), page.inner_text("ins")
    assert removed.startswith("-description:") and "added without" in removed and added.startswith("+description:") and "changed without" in added
    assert page.click_on("text=Save and put into force") == "/partners/plain.example?done=changed"
    assert world.gateway.control("partner", "show", domain="plain.example")["description"] == "changed without a script"

    page.click_on("text=Switch off")
    assert "+enabled: false" in page.text()
    assert page.click_on("text=Save and put into force").startswith("/partners/plain.example")
    assert "switched off" in page.text() and world.gateway.control("partner", "show", domain="plain.example")["enabled"] is False
    page.click_on("text=Switch on")
    page.click_on("text=Save and put into force")
    assert world.gateway.control("partner", "show", domain="plain.example").get("enabled") is not False

    page.click_on("text=Remove")
    assert os.path.exists(world.partner_path("plain.example"))
    assert page.click_on("text=Save and put into force") == "/partners?done=removed"
    assert "plain.example" not in page.text() and not os.path.exists(world.partner_path("plain.example"))
    page.is_fine()
