#include "admin/product.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const words[PRODUCT_COUNT] = {
#define WORD(id, word, ...) word,
	RT_PRODUCT_WORDS(WORD, WORD)
#undef WORD
};

bool product_by_word(const char *word, enum product *out)
{
	for (int i = 0; i < PRODUCT_COUNT; i++) {
		if (strcmp(words[i], word) == 0) {
			*out = (enum product)i;
			return true;
		}
	}
	return false;
}

const char *product_word(enum product p)
{
	return words[p];
}

/* ---- lines ---- */

static json_t *begin(json_t *sections, const char *title)
{
	json_t *lines = json_array();
	json_array_append_new(sections, json_pack("{s:s, s:O}", "title", title, "lines", lines));
	json_decref(lines); /* the section holds it */
	return lines;
}

static void line(json_t *lines, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void line(json_t *lines, const char *fmt, ...)
{
	char text[1400]; /* two names of 253 octets, and what stands around them */
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(lines, json_string(text));
}

static bool is_wildcard(const char *domain)
{
	return domain[0] == '*';
}

/* ---- Lync, Skype for Business ---- */

#define SHELL "Management Shell of the server"

static void lync_inside(json_t *sections, const struct product_facts *f)
{
	const struct product_place *at = &f->inside;
	json_t *l = begin(sections, "Inside: a trusted application, and static routes to it (" SHELL ")");
	line(l, "# The certificate of %s has to be signed by a CA that the Front Ends trust, and that of the pool by one of sip.ca. Port: TCP %u.",
		at->host, at->port);
	line(l, "# Get-CsSite tells the SiteId to write in the place of SITE, Get-CsPool the pool.");
	line(l,
		"New-CsTrustedApplicationPool -Identity %s -Registrar %s -Site SITE -ComputerFqdn %s -ThrottleAsServer $true -TreatAsAuthenticated "
		"$true "
		"-RequiresReplication $false -OutboundOnly $false",
		at->host, f->server ? f->server : "POOL", at->host);
	line(l, "New-CsTrustedApplication -ApplicationId xfed -TrustedApplicationPoolFqdn %s -Port %u", at->host, at->port);
	for (size_t i = 0; i < f->partner_count; i++) {
		line(l, "$route = New-CsStaticRoute -TLSRoute -Destination %s -Port %u -MatchUri \"%s\" -UseDefaultCertificate $true", at->host,
			at->port, f->partners[i]);
		line(l, "Set-CsStaticRoutingConfiguration -Identity global -Route @{Add=$route}");
	}
	line(l, "Enable-CsTopology");
}

static void lync_outside(json_t *sections, const struct product_facts *f)
{
	const struct product_place *at = &f->outside;
	json_t *l = begin(sections, "As a federated neighbour: the Edge is told where partners' domains are (" SHELL ")");
	line(l, "# Not where static routes lead to the gateway. The certificate of %s has to be signed by a CA that the Edge trusts.", at->host);
	line(l, "# Firewall: TCP %u from the Edge to %s, TCP 5061 back. Port: the Edge calls a ProxyFqdn at 5061.", at->port, at->host);
	line(l, "Set-CsAccessEdgeConfiguration -AllowFederatedUsers $true");
	line(l, "Set-CsExternalAccessPolicy -Identity Global -EnableFederationAccess $true");
	for (size_t i = 0; i < f->partner_count; i++) {
		if (is_wildcard(f->partners[i])) {
			line(l, "# %s: one New-CsAllowedDomain for each of these domains, as it takes no wildcards", f->partners[i]);
		} else {
			line(l, "New-CsAllowedDomain -Identity %s -ProxyFqdn %s -Comment \"XMPP, by xfed\"", f->partners[i], at->host);
		}
	}
	l = begin(sections, "Or the gateway as a hosting provider, for partners who publish it themselves");
	line(l,
		"New-CsHostingProvider -Identity xfed -ProxyFqdn %s -Enabled $true -VerificationLevel AlwaysVerifiable -EnabledSharedAddressSpace "
		"$false "
		"-HostsOCSUsers $false -IsLocal $false",
		at->host);
	for (size_t i = 0; i < f->partner_count; i++) {
		if (!is_wildcard(f->partners[i])) {
			line(l, "# in the DNS of the partner: _sipfederationtls._tcp.%s. SRV 0 0 %u %s.", f->partners[i], at->port, at->host);
		}
	}
}

/* Comments all of them, so that pasting the whole takes nothing away. */
static void lync_removal(json_t *sections, const struct product_facts *f)
{
	json_t *l = begin(sections, "To take it away again (" SHELL ")");
	for (size_t i = 0; i < f->partner_count; i++) {
		if (f->inside.host) {
			line(l,
				"# $route = (Get-CsStaticRoutingConfiguration -Identity global).Route | Where-Object {$_.MatchUri -eq \"%s\"}; "
				"Set-CsStaticRoutingConfiguration -Identity global -Route @{Remove=$route}",
				f->partners[i]);
		}
		if (f->outside.host && !is_wildcard(f->partners[i])) {
			line(l, "# Remove-CsAllowedDomain -Identity %s", f->partners[i]);
		}
	}
	if (f->inside.host) {
		line(l, "# Remove-CsTrustedApplication -Identity %s/urn:application:xfed", f->inside.host);
		line(l, "# Remove-CsTrustedApplicationPool -Identity %s", f->inside.host);
		line(l, "# Enable-CsTopology");
	}
	if (f->outside.host) {
		line(l, "# Remove-CsHostingProvider -Identity xfed");
	}
}

/* Those of the two ways that domains are configured for; of the other one, that it exists. */
static void lync_sections(json_t *sections, const struct product_facts *f)
{
	if (f->inside.host) {
		lync_inside(sections, f);
	} else {
		begin(sections, "Not configured: inside, by static routes (a domain without domains[].federated)");
	}
	if (f->outside.host) {
		lync_outside(sections, f);
	} else {
		begin(sections, "Not configured: as a federated neighbour of an Edge (domains[].federated, sip.federation)");
	}
	lync_removal(sections, f);
}

/* ---- Kamailio, OpenSIPS ---- */

/* A regular expression for the domains: "fabrikam\.example", "([^.]+\.)+it\.fabrikam\.example". */
static void write_pattern(const char *domain, char out[520])
{
	size_t n = 0;
	if (is_wildcard(domain)) {
		n = (size_t)snprintf(out, 520, "([^.]+\\.)+");
		domain += 2;
	}
	for (; *domain && n + 3 < 520; domain++) {
		if (*domain == '.') {
			out[n++] = '\\';
		}
		out[n++] = *domain;
	}
	out[n] = '\0';
}

static void proxy_routes(json_t *l, const struct product_facts *f)
{
	const struct product_place *at = &f->inside;
	bool is_v6 = strchr(at->host, ':') != NULL;
	line(l, "route[XFED] {");
	line(l, "\tif (!is_method(\"MESSAGE|SUBSCRIBE|INVITE|CANCEL|OPTIONS\")) {");
	line(l, "\t\treturn;");
	line(l, "\t}");
	for (size_t i = 0; i < f->partner_count; i++) {
		char pattern[520];
		write_pattern(f->partners[i], pattern);
		line(l, "\t%sif ($rd =~ \"^%s$\") {", i > 0 ? "} else " : "", pattern);
		line(l, "\t\t$du = \"sip:%s%s%s:%u;transport=%s\";", is_v6 ? "[" : "", at->host, is_v6 ? "]" : "", at->port, at->transport);
	}
	line(l, "\t} else {");
	line(l, "\t\treturn;");
	line(l, "\t}");
}

static void proxy_sections(json_t *sections, const struct product_facts *f, const char *title, const char *relay)
{
	const struct product_place *at = &f->inside;
	bool is_tls = strcmp(at->transport, "tls") == 0;
	json_t *l = begin(sections, title);
	line(l, "# Call route(XFED) behind authentication and behind the requests inside dialogs (loose_route()).");
	if (is_tls) {
		line(l, "# Certificates: the client side has to show one with a name of domains[].peers, and to verify that of %s.", at->host);
		line(l, "# What comes from the gateway shows the certificate of %s: it is not to be asked for a password.", at->host);
	} else {
		line(l, "# The address that this server sends from has to be in domains[].peer_addresses of the gateway.");
	}
	proxy_routes(l, f);
	line(l, "\t%s", relay);
	line(l, "\texit;");
	line(l, "}");
}

/* ---- Asterisk ---- */

static void asterisk_endpoint(json_t *sections, const struct product_place *at)
{
	bool is_v6 = strchr(at->host, ':') != NULL;
	json_t *l = begin(sections, "pjsip.conf, by the documentation of Asterisk 18 and later (it was tried with none)");
	if (strcmp(at->transport, "tls") == 0) {
		line(l, "; A transport with protocol=tls has to be there, whose certificate has a name of domains[].peers of the gateway.");
	} else {
		line(l, "; The address that Asterisk sends from has to be in domains[].peer_addresses of the gateway.");
	}
	line(l, "[xfed]");
	line(l, "type = endpoint");
	line(l, "context = xfed-no-calls");
	line(l, "message_context = from-partners");
	line(l, "disallow = all");
	line(l, "allow = ulaw");
	line(l, "outbound_proxy = sip:%s%s%s:%u\\;transport=%s\\;lr", is_v6 ? "[" : "", at->host, is_v6 ? "]" : "", at->port, at->transport);
	line(l, "[xfed]");
	line(l, "type = identify");
	line(l, "endpoint = xfed");
	line(l, "match = %s", at->host);
}

static void asterisk_sections(json_t *sections, const struct product_facts *f)
{
	asterisk_endpoint(sections, &f->inside);
	json_t *l = begin(sections, "extensions.conf: messages alone; Asterisk passes on no presence of partners");
	line(l, "; From partners to our users, whose endpoints are called as the users are.");
	line(l, "[from-partners]");
	line(l, "exten => _.,1,MessageSend(pjsip:${EXTEN},${MESSAGE(from)})");
	line(l, " same => n,Hangup()");
	line(l, "; To be included by the message_context of the users' endpoints.");
	line(l, "[to-partners]");
	line(l, "exten => _.,1,NoOp(${MESSAGE(to)})");
	for (size_t i = 0; i < f->partner_count; i++) {
		if (is_wildcard(f->partners[i])) {
			line(l, "; %s: a line as the others for each of these domains", f->partners[i]);
		} else {
			line(l,
				" same => n,ExecIf(${REGEX(\"@%s([^a-z0-9.-]|$)\" "
				"${MESSAGE(to)})}?MessageSend(pjsip:xfed/sip:${EXTEN}@%s,${MESSAGE(from)}))",
				f->partners[i], f->partners[i]);
		}
	}
	line(l, " same => n,Hangup()");
}

json_t *product_sections(enum product p, const struct product_facts *f)
{
	json_t *sections = json_array();
	switch (p) {
	case PRODUCT_LYNC:
	case PRODUCT_SKYPE:
		lync_sections(sections, f);
		break;
	case PRODUCT_KAMAILIO:
		proxy_sections(sections, f, "kamailio.cfg, with the modules tm, sl and tls", "t_relay();");
		break;
	case PRODUCT_OPENSIPS:
		proxy_sections(sections, f, "opensips.cfg, with the modules tm, proto_tls and tls_mgm", "t_relay();");
		break;
	case PRODUCT_ASTERISK:
		asterisk_sections(sections, f);
		break;
	case PRODUCT_COUNT:
		break;
	}
	return sections;
}
