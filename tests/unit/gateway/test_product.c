/* What SIP servers are told of this gateway: each product's words, whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/product.h"

static const char *const ours[] = { "example.com" }, *const partners[] = { "fabrikam.example", "*.it.fabrikam.example" };
static const struct product_facts facts = {
	.inside = { "gw1.int.example.com", "tls", 5061 },
	.outside = { "xmpp.example.net", "tls", 5062 },
	.server = "fe.example.com",
	.ours = ours,
	.our_count = 1,
	.partners = partners,
	.partner_count = 2,
};

static const char *text_of(enum product p, const struct product_facts *f)
{
	static char out[8192];
	size_t n = 0, i, k;
	json_t *sections = product_sections(p, f), *section, *line;
	out[0] = '\0';
	json_array_foreach(sections, i, section) {
		n += (size_t)snprintf(out + n, sizeof(out) - n, "== %s\n", json_string_value(json_object_get(section, "title")));
		json_array_foreach(json_object_get(section, "lines"), k, line) {
			n += (size_t)snprintf(out + n, sizeof(out) - n, "%s\n", json_string_value(line));
		}
	}
	json_decref(sections);
	return out;
}

#define POOL(registrar)                                                                                                                              \
	"New-CsTrustedApplicationPool -Identity gw1.int.example.com -Registrar " registrar " -Site SITE -ComputerFqdn gw1.int.example.com "          \
	"-ThrottleAsServer $true -TreatAsAuthenticated $true -RequiresReplication $false -OutboundOnly $false\n"

#define REMOVED_ROUTE(domain)                                                                                                                        \
	"# $route = (Get-CsStaticRoutingConfiguration -Identity global).Route | Where-Object {$_.MatchUri -eq \"" domain "\"}; "                     \
	"Set-CsStaticRoutingConfiguration -Identity global -Route @{Remove=$route}\n"
#define REMOVAL                                                                                                                                      \
	"== To take it away again (Management Shell of the server)\n" REMOVED_ROUTE(                                                                 \
		"fabrikam.example") "# Remove-CsAllowedDomain -Identity fabrikam.example\n" REMOVED_ROUTE("*.it.fabrikam.example") "# "              \
																   "Remove-"         \
																   "CsTrustedApplic" \
																   "ation "          \
																   "-Identity "      \
																   "gw1.int."        \
																   "example.com/"    \
																   "urn:"            \
																   "application:"    \
																   "xfed\n"          \
																   "# "              \
																   "Remove-"         \
																   "CsTrustedApplic" \
																   "ationPool "      \
																   "-Identity "      \
																   "gw1.int."        \
																   "example.com\n"   \
																   "# "              \
																   "Enable-"         \
																   "CsTopology\n# "  \
																   "Remove-"         \
																   "CsHostingProvid" \
																   "er -Identity "   \
																   "xfed\n"

static void lync(void **state)
{
	const char *text = text_of(PRODUCT_LYNC, &facts);
	assert_string_equal(text,
		"== Inside: a trusted application, and static routes to it (Management Shell of the server)\n"
		"# The certificate of gw1.int.example.com has to be signed by a CA that the Front Ends trust, and that of the pool by one of sip.ca. "
		"Port: TCP 5061.\n"
		"# Get-CsSite tells the SiteId to write in the place of SITE, Get-CsPool the pool.\n" POOL(
			"fe.example.com") "New-CsTrustedApplication -ApplicationId xfed -TrustedApplicationPoolFqdn gw1.int.example.com -Port 5061\n"
					  "$route = New-CsStaticRoute -TLSRoute -Destination gw1.int.example.com -Port 5061 -MatchUri "
					  "\"fabrikam.example\" -UseDefaultCertificate "
					  "$true\n"
					  "Set-CsStaticRoutingConfiguration -Identity global -Route @{Add=$route}\n"
					  "$route = New-CsStaticRoute -TLSRoute -Destination gw1.int.example.com -Port 5061 -MatchUri "
					  "\"*.it.fabrikam.example\" "
					  "-UseDefaultCertificate $true\n"
					  "Set-CsStaticRoutingConfiguration -Identity global -Route @{Add=$route}\n"
					  "Enable-CsTopology\n"
					  "== As a federated neighbour: the Edge is told where partners' domains are (Management Shell of the "
					  "server)\n"
					  "# Not where static routes lead to the gateway. The certificate of xmpp.example.net has to be signed by a "
					  "CA that "
					  "the Edge trusts.\n"
					  "# Firewall: TCP 5062 from the Edge to xmpp.example.net, TCP 5061 back. Port: the Edge calls a ProxyFqdn "
					  "at 5061.\n"
					  "Set-CsAccessEdgeConfiguration -AllowFederatedUsers $true\n"
					  "Set-CsExternalAccessPolicy -Identity Global -EnableFederationAccess $true\n"
					  "New-CsAllowedDomain -Identity fabrikam.example -ProxyFqdn xmpp.example.net -Comment \"XMPP, by xfed\"\n"
					  "# *.it.fabrikam.example: one New-CsAllowedDomain for each of these domains, as it takes no wildcards\n"
					  "== Or the gateway as a hosting provider, for partners who publish it themselves\n"
					  "New-CsHostingProvider -Identity xfed -ProxyFqdn xmpp.example.net -Enabled $true -VerificationLevel "
					  "AlwaysVerifiable "
					  "-EnabledSharedAddressSpace $false -HostsOCSUsers $false -IsLocal $false\n"
					  "# in the DNS of the partner: _sipfederationtls._tcp.fabrikam.example. SRV 0 0 5062 "
					  "xmpp.example.net.\n" REMOVAL);
}

/* Of a way that no domain is configured for, one line. */
static void lync_one_way(void **state)
{
	struct product_facts f = facts;
	const char *text;
	f.outside.host = NULL;
	text = text_of(PRODUCT_LYNC, &f);
	assert_non_null(strstr(text, "Enable-CsTopology\n== Not configured: as a federated neighbour of an Edge"));
	assert_null(strstr(text, "New-CsAllowedDomain"));
	assert_null(strstr(text, "New-CsHostingProvider"));
	assert_non_null(strstr(text, "# Remove-CsTrustedApplicationPool"));
	assert_null(strstr(text, "# Remove-CsAllowedDomain"));
	f = facts;
	f.inside.host = NULL;
	text = text_of(PRODUCT_LYNC, &f);
	assert_ptr_equal(strstr(text, "== Not configured: inside, by static routes"), text);
	assert_null(strstr(text, "New-CsTrustedApplication"));
	assert_non_null(strstr(text, "New-CsAllowedDomain"));
}

static void no_next_hop(void **state)
{
	struct product_facts f = facts;
	f.server = NULL;
	assert_non_null(strstr(text_of(PRODUCT_SKYPE, &f), POOL("POOL")));
}

#define ROUTE                                                                                                                                        \
	"route[XFED] {\n"                                                                                                                            \
	"\tif (!is_method(\"MESSAGE|SUBSCRIBE|INVITE|CANCEL|OPTIONS\")) {\n\t\treturn;\n\t}\n"                                                       \
	"\tif ($rd =~ \"^fabrikam\\.example$\") {\n"                                                                                                 \
	"\t\t$du = \"sip:gw1.int.example.com:5061;transport=tls\";\n"                                                                                \
	"\t} else if ($rd =~ \"^([^.]+\\.)+it\\.fabrikam\\.example$\") {\n"                                                                          \
	"\t\t$du = \"sip:gw1.int.example.com:5061;transport=tls\";\n"                                                                                \
	"\t} else {\n\t\treturn;\n\t}\n"                                                                                                             \
	"\tt_relay();\n\texit;\n}\n"

static void proxies(void **state)
{
	struct product_facts f = facts;
	const char *text = text_of(PRODUCT_KAMAILIO, &f);
	assert_non_null(strstr(text, ROUTE));
	assert_non_null(strstr(text, "it is not to be asked for a password"));
	text = text_of(PRODUCT_OPENSIPS, &f);
	assert_non_null(strstr(text, "tls_mgm"));
	assert_non_null(strstr(text, ROUTE));
	f.inside = (struct product_place){ "2001:db8::1", "udp", 5060 };
	text = text_of(PRODUCT_KAMAILIO, &f);
	assert_non_null(strstr(text, "$du = \"sip:[2001:db8::1]:5060;transport=udp\";"));
	assert_non_null(strstr(text, "domains[].peer_addresses"));
}

static void asterisk(void **state)
{
	struct product_facts f = facts;
	assert_string_equal(text_of(PRODUCT_ASTERISK, &f),
		"== pjsip.conf, by the documentation of Asterisk 18 and later (it was tried with none)\n"
		"; A transport with protocol=tls has to be there, whose certificate has a name of domains[].peers of the gateway.\n"
		"[xfed]\ntype = endpoint\ncontext = xfed-no-calls\nmessage_context = from-partners\ndisallow = all\nallow = ulaw\n"
		"outbound_proxy = sip:gw1.int.example.com:5061\\;transport=tls\\;lr\n"
		"[xfed]\ntype = identify\nendpoint = xfed\nmatch = gw1.int.example.com\n"
		"== extensions.conf: messages alone; Asterisk passes on no presence of partners\n"
		"; From partners to our users, whose endpoints are called as the users are.\n"
		"[from-partners]\nexten => _.,1,MessageSend(pjsip:${EXTEN},${MESSAGE(from)})\n same => n,Hangup()\n"
		"; To be included by the message_context of the users' endpoints.\n"
		"[to-partners]\nexten => _.,1,NoOp(${MESSAGE(to)})\n"
		" same => n,ExecIf(${REGEX(\"@fabrikam.example([^a-z0-9.-]|$)\" ${MESSAGE(to)})}?"
		"MessageSend(pjsip:xfed/sip:${EXTEN}@fabrikam.example,${MESSAGE(from)}))\n"
		"; *.it.fabrikam.example: a line as the others for each of these domains\n"
		" same => n,Hangup()\n");
}

static void product_words(void **state)
{
	enum product p;
	for (int i = 0; i < PRODUCT_COUNT; i++) {
		assert_true(product_by_word(product_word((enum product)i), &p));
		assert_int_equal(p, i);
	}
	assert_false(product_by_word("freeswitch", &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lync),
		cmocka_unit_test(lync_one_way),
		cmocka_unit_test(no_next_hop),
		cmocka_unit_test(proxies),
		cmocka_unit_test(asterisk),
		cmocka_unit_test(product_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
