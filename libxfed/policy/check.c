#include "policy/policy_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include "xfed/jid.h"

#define SCRATCH_BYTES (64 * 1024)

int policy_refuse(struct xfed_policy_error *err, enum xfed_reason reason, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		err->reason = reason;
		err->key = NULL;
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return XFED_ERR_INVALID;
}

/* Notes where the error is. */
static int at(struct xfed_policy_error *err, const char *key)
{
	if (err) {
		err->key = key;
	}
	return XFED_ERR_INVALID;
}

int policy_check_domain(struct xfed_arena *scratch, struct xfed_span s)
{
	struct xfed_span normal;
	xfed_arena_reset(scratch);
	if (s.len == 0 || s.len > XFED_JID_PART_BYTES) {
		return XFED_ERR_INVALID;
	}
	int rc = xfed_jid_domain(scratch, s, &normal);
	return rc == XFED_OK && !xfed_span_eq(s, normal) ? XFED_ERR_INVALID : rc;
}

static bool is_printable(const char *s, size_t max)
{
	struct xfed_span text = xfed_span_str(s);
	if (text.len > max || !xfed_utf8_is_valid(text)) {
		return false;
	}
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c < 0x20 || c == 0x7f) {
			return false;
		}
	}
	return true;
}

static bool is_host(const char *s)
{
	size_t len = strlen(s);
	for (size_t i = 0; i < len; i++) {
		if (s[i] <= 0x20 || s[i] >= 0x7f) {
			return false;
		}
	}
	return len > 0 && len <= 255;
}

static int check_names(struct xfed_arena *scratch, const struct xfed_partner *p, struct xfed_policy_error *err)
{
	int rc = policy_check_domain(scratch, xfed_span_str(p->domain));
	if (rc == XFED_ERR_INVALID) {
		return policy_refuse(
			err, XFED_REASON_CONFIG_VALUE_INVALID, "domain '%.100s' is not a domain in lower case", p->domain ? p->domain : "");
	}
	if (p->additional_count > POLICY_ADDITIONAL_MAX) {
		return policy_refuse(
			err, XFED_REASON_CONFIG_VALUE_INVALID, "%.100s: more than %d additional domains", p->domain, POLICY_ADDITIONAL_MAX);
	}
	for (size_t i = 0; rc == XFED_OK && i < p->additional_count; i++) {
		struct xfed_span name = xfed_span_str(p->additional[i]);
		if (name.len > 2 && memcmp(name.data, "*.", 2) == 0) {
			name = xfed_span_make(name.data + 2, name.len - 2);
		}
		rc = policy_check_domain(scratch, name);
		if (rc == XFED_ERR_INVALID) {
			return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID,
				"%.60s: additional domain '%.100s' is neither a domain in lower "
				"case nor '*.' and one",
				p->domain, p->additional[i] ? p->additional[i] : "");
		}
	}
	return rc;
}

static int check_methods(const struct xfed_partner *p, struct xfed_policy_error *err)
{
	if ((unsigned)p->tls > XFED_NOT_SUPPORTED || (unsigned)p->sasl > XFED_NOT_SUPPORTED || (unsigned)p->type > XFED_PARTNER_PUBLIC_UNVERIFIED ||
		(unsigned)p->dane > XFED_DANE_ON) {
		return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "%.100s: tls, sasl, partner_type or dane is unknown", p->domain);
	}
	const struct xfed_matrix_row *row = xfed_matrix_row(p->tls, p->sasl, p->dialback);
	if (row->methods == 0) {
		return policy_refuse(err, XFED_REASON_CONFIG_MATRIX_INVALID, "%.80s: %s", p->domain, row->problem);
	}
	return XFED_OK;
}

static int check_limits(const struct xfed_partner *p, struct xfed_policy_error *err)
{
	static const char *const names[] = { "limits.connections", "limits.stanzas_per_second", "limits.stanza_size" };
	const uint32_t values[] = { p->max_connections, p->stanzas_per_second, p->stanza_bytes };
	static const uint32_t least[] = { 1, 1, XFED_STANZA_BYTES_MIN };
	static const uint32_t most[] = { XFED_CONNECTIONS_MAX, POLICY_RATE_MAX, XFED_STANZA_BYTES_MAX };
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		if (values[i] < least[i] || values[i] > most[i]) {
			(void)policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "%.100s: %s is %u, accepted are %u to %u", p->domain, names[i],
				values[i], least[i], most[i]);
			return at(err, names[i]);
		}
	}
	if (p->kinds & ~(unsigned)(XFED_KIND_MESSAGE | XFED_KIND_PRESENCE | XFED_KIND_IQ)) {
		return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "%.100s: unknown kinds", p->domain);
	}
	return XFED_OK;
}

static int check_rest(const struct xfed_partner *p, struct xfed_policy_error *err)
{
	if (p->description && !is_printable(p->description, POLICY_DESCRIPTION_MAX)) {
		(void)policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "%.100s: description is longer than %d bytes or not plain text", p->domain,
			POLICY_DESCRIPTION_MAX);
		return at(err, "description");
	}
	if (p->connect_host && (!is_host(p->connect_host) || p->connect_port == 0)) {
		return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "%.100s: connect_to is not a host and port", p->domain);
	}
	if (p->trust_ca_pem && strlen(p->trust_ca_pem) > POLICY_CA_PEM_MAX) {
		return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "%.100s: trust.ca is larger than %d bytes", p->domain, POLICY_CA_PEM_MAX);
	}
	if (p->pin_count > POLICY_PINS_MAX) {
		return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "%.100s: more than %d pins", p->domain, POLICY_PINS_MAX);
	}
	for (size_t i = 0; i < p->pin_count; i++) {
		if (!xfed_is_hex(xfed_span_str(p->pins[i]), POLICY_HASH_HEX)) {
			return policy_refuse(err, XFED_REASON_CONFIG_VALUE_INVALID, "%.60s: pin '%.70s' is not a SHA-256 in lower-case hex",
				p->domain, p->pins[i]);
		}
	}
	return XFED_OK;
}

int policy_check_partner(const struct xfed_partner *p, struct xfed_policy_error *err)
{
	struct xfed_arena scratch;
	xfed_arena_init(&scratch, SCRATCH_BYTES);
	int rc = check_names(&scratch, p, err);
	xfed_arena_deinit(&scratch);
	rc = rc == XFED_OK ? check_methods(p, err) : rc;
	rc = rc == XFED_OK ? check_limits(p, err) : rc;
	return rc == XFED_OK ? check_rest(p, err) : rc;
}
