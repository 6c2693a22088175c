#include "xfed/cert.h"

#include "xfed/arena.h"
#include "xfed/jid.h"

#include "tls/cert_priv.h"

#define SRV_SERVICE   "_xmpp-server."
#define SCRATCH_BYTES (32 * 1024) /* a domain has at most 1023 bytes; its forms fit many times */

static bool starts_nocase(struct xfed_span s, struct xfed_span prefix, struct xfed_span *rest)
{
	if (s.len < prefix.len || !xfed_span_eq_nocase(xfed_span_make(s.data, prefix.len), prefix)) {
		return false;
	}
	*rest = xfed_span_make(s.data + prefix.len, s.len - prefix.len);
	return true;
}

static bool is_ascii(struct xfed_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.data[i] >= 0x80) {
			return false;
		}
	}
	return true;
}

/*
 * Only names in subjectAltName: the CN never counts.
 *
 * True for an address literal: no certificate authenticates one as a domain, [A6-08]. No top-level domain is all digits.
 */
bool xfed_cert_is_address(struct xfed_span domain)
{
	size_t i = domain.len;
	while (i > 0 && domain.data[i - 1] >= '0' && domain.data[i - 1] <= '9') {
		i--;
	}
	bool digits_last = i < domain.len && (i == 0 || domain.data[i - 1] == '.');
	return digits_last || memchr(domain.data, ':', domain.len) || memchr(domain.data, '[', domain.len);
}

/*
 * RFC 9525 6.3, RFC 6120 13.7.1.2.1: the wildcard is the whole left-most label and stands for exactly one label. A '*' elsewhere is
 * compared as a character, and matches nothing.
 */
static bool dns_matches(struct xfed_span pattern, struct xfed_span name)
{
	struct xfed_span parent;
	if (!starts_nocase(pattern, XFED_SPAN("*."), &parent)) {
		return xfed_span_eq_nocase(pattern, name);
	}
	const char *dot = memchr(name.data, '.', name.len);
	if (!dot || dot == name.data) {
		return false;
	}
	size_t label = (size_t)(dot + 1 - name.data);
	return parent.len > 0 && xfed_span_eq_nocase(parent, xfed_span_make(dot + 1, name.len - label));
}

bool xfed_cert_covers_ascii(const struct xfed_cert *c, struct xfed_span name)
{
	if (name.len == 0 || xfed_cert_is_address(name)) {
		return false;
	}
	for (size_t i = 0; i < c->facts.name_count; i++) {
		struct xfed_span entry = xfed_span_str(c->facts.names[i]), rest;
		if (starts_nocase(entry, XFED_SPAN("dns:"), &rest) && dns_matches(rest, name)) {
			return true;
		}
		/*
		 * Service and domain belong to one identifier: [A6-04]. RFC 4985 knows no wildcard.
		 */
		if (starts_nocase(entry, XFED_SPAN("srv:" SRV_SERVICE), &rest) && xfed_span_eq_nocase(rest, name)) {
			return true;
		}
	}
	return false;
}

static bool xmpp_addr_matches(struct xfed_arena *a, const struct xfed_cert *c, struct xfed_span domain)
{
	for (size_t i = 0; i < c->facts.name_count; i++) {
		struct xfed_span rest, normal;
		if (starts_nocase(xfed_span_str(c->facts.names[i]), XFED_SPAN("xmpp:"), &rest) && !memchr(rest.data, '\\', rest.len) &&
			xfed_jid_domain(a, rest, &normal) == XFED_OK && xfed_span_eq(normal, domain)) {
			return true;
		}
	}
	return false;
}

bool xfed_cert_proves_xmpp(const struct xfed_cert *c, struct xfed_span domain)
{
	if (domain.len == 0 || xfed_cert_is_address(domain)) {
		return false;
	}
	struct xfed_arena a;
	xfed_arena_init(&a, SCRATCH_BYTES);
	struct xfed_span ascii = domain;
	bool has_ascii = is_ascii(domain) || xfed_jid_domain_ascii(&a, domain, &ascii) == XFED_OK;
	bool proved = (has_ascii && xfed_cert_covers_ascii(c, ascii)) || xmpp_addr_matches(&a, c, domain);
	xfed_arena_deinit(&a);
	return proved;
}

bool xfed_cert_names_host(const struct xfed_cert *c, struct xfed_span host)
{
	if (host.len == 0 || xfed_cert_is_address(host)) {
		return false;
	}
	for (size_t i = 0; i < c->facts.name_count; i++) {
		struct xfed_span rest;
		if (starts_nocase(xfed_span_str(c->facts.names[i]), XFED_SPAN("dns:"), &rest) && xfed_span_eq_nocase(rest, host)) {
			return true;
		}
	}
	return false;
}

bool xfed_cert_proves_sip(const struct xfed_cert *c, struct xfed_span domain)
{
	if (domain.len == 0 || xfed_cert_is_address(domain)) {
		return false;
	}
	/* RFC 5922 7.1: a URI with a user part names a user; sips: is not accepted. If there is any other sip: URI, dNSNames do not count. */
	bool has_identity = false;
	for (size_t i = 0; i < c->facts.name_count; i++) {
		struct xfed_span rest;
		if (!starts_nocase(xfed_span_str(c->facts.names[i]), XFED_SPAN("uri:sip:"), &rest) || memchr(rest.data, '@', rest.len)) {
			continue;
		}
		has_identity = true;
		if (xfed_span_eq_nocase(rest, domain)) {
			return true;
		}
	}
	return !has_identity && xfed_cert_names_host(c, domain);
}

bool xfed_cert_sip_name(const struct xfed_cert *c, size_t i, struct xfed_span *out)
{
	struct xfed_span name = xfed_span_str(c->facts.names[i]);
	bool is_one =
		starts_nocase(name, XFED_SPAN("dns:"), out) || (starts_nocase(name, XFED_SPAN("uri:sip:"), out) && !memchr(out->data, '@', out->len));
	return is_one && out->len > 0 && !xfed_cert_is_address(*out);
}

bool xfed_cert_purpose_ok(const struct xfed_cert *c)
{
	/* Public CAs do not issue clientAuth any more: a server certificate is accepted in both directions, a pure client certificate in none. */
	return c->facts.eku == 0 || (c->facts.eku & (XFED_EKU_SERVER | XFED_EKU_ANY)) != 0;
}

bool xfed_cert_purpose_sip_ok(const struct xfed_cert *c)
{
	return xfed_cert_purpose_ok(c) || (c->facts.eku & XFED_EKU_SIP) != 0;
}
