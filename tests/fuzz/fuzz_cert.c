/*
 * Arbitrary DER as a peer's certificate. Security sentence: a domain is proved only by an entry
 * that names it, or by a wildcard one label above it; never by a longer or shorter name, an
 * address, or a purpose.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xfed/cert.h"
#include "xfed/tls.h"

static int64_t wall(void *user)
{
	return 1700000000;
}

static const struct xfed_env env = { .wall_s = wall };

static struct xfed_span behind(const char *s, const char *prefix)
{
	size_t len = strlen(prefix);
	return strncmp(s, prefix, len) == 0 ? xfed_span_str(s + len) : (struct xfed_span){ NULL, 0 };
}

/* Does some entry name `domain` outright? */
static bool is_named(const struct xfed_cert_facts *f, struct xfed_span domain)
{
	static const char *const prefixes[] = { "dns:", "srv:_xmpp-server.", "xmpp:" };
	for (size_t i = 0; i < f->name_count; i++) {
		for (size_t k = 0; k < XFED_ARRAY_LEN(prefixes); k++) {
			struct xfed_span name = behind(f->names[i], k == 1 ? "srv:" : prefixes[k]);
			if (k == 1 && name.len > 13 && xfed_span_eq_nocase(xfed_span_make(name.data, 13), XFED_SPAN("_xmpp-server."))) {
				name = xfed_span_make(name.data + 13, name.len - 13);
			} else if (k == 1) {
				continue;
			}
			if (name.data && xfed_span_eq_nocase(name, domain)) {
				return true;
			}
		}
	}
	return false;
}

static bool has_wildcard_above(const struct xfed_cert_facts *f, struct xfed_span domain)
{
	const char *dot = memchr(domain.data, '.', domain.len);
	struct xfed_span parent = { dot ? dot + 1 : NULL, dot ? (size_t)(domain.data + domain.len - dot - 1) : 0 };
	for (size_t i = 0; dot && i < f->name_count; i++) {
		struct xfed_span name = behind(f->names[i], "dns:*.");
		if (name.data && xfed_span_eq_nocase(name, parent)) {
			return true;
		}
	}
	return false;
}

static void check(const struct xfed_cert *c, struct xfed_span domain)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(c);
	bool ascii = true;
	for (size_t i = 0; i < domain.len; i++) {
		ascii = ascii && (unsigned char)domain.data[i] < 0x80;
	}
	/* Outside ASCII a name has several spellings; the unit tests have those. */
	if (!ascii) {
		return;
	}
	bool is_xmpp = false; /* XmppAddr is normalised before it is compared */
	for (size_t i = 0; i < f->name_count; i++) {
		is_xmpp = is_xmpp || strncmp(f->names[i], "xmpp:", 5) == 0;
	}
	if (xfed_cert_proves_xmpp(c, domain) && !is_named(f, domain) && !has_wildcard_above(f, domain) && !is_xmpp) {
		abort();
	}
	if (xfed_cert_names_host(c, domain) && !is_named(f, domain)) {
		abort();
	}
	(void)xfed_cert_proves_sip(c, domain);
}

static void check_all(const struct xfed_cert *c)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(c);
	for (size_t i = 0; i < f->name_count; i++) {
		const char *colon = strchr(f->names[i], ':');
		if (!colon || strlen(f->names[i]) > 900) {
			continue;
		}
		char longer[1000] = "a.b.";
		strcat(longer, colon + 1);
		struct xfed_span name = xfed_span_str(longer);
		check(c, xfed_span_make(name.data + 4, name.len - 4));
		check(c, xfed_span_make(name.data + 2, name.len - 2));
		check(c, name);
	}
	check(c, XFED_SPAN("partner.example"));
	if (xfed_cert_proves_xmpp(c, XFED_SPAN("192.0.2.1")) || xfed_cert_proves_xmpp(c, XFED_SPAN("[2001:db8::1]"))) {
		abort();
	}
	if (xfed_cert_purpose_ok(c) && f->eku != 0 && (f->eku & (XFED_EKU_SERVER | XFED_EKU_ANY)) == 0) {
		abort();
	}
	for (size_t i = 0; i < f->name_count; i++) {
		for (const char *p = f->names[i]; *p; p++) {
			if ((unsigned char)*p < 0x20 || *p == 0x7f) {
				abort(); /* fit for a log line */
			}
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	if (!ready && xfed_tls_global_init(&env) != XFED_OK) {
		abort();
	}
	ready = true;
	struct xfed_cert *c = NULL;
	if (xfed_cert_new_der(xfed_span_make(data, size), &c) == XFED_OK) {
		check_all(c);
	} else if (c) {
		abort();
	}
	xfed_cert_free(c);
	return 0;
}
