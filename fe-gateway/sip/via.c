#include "sip/via.h"

#include "sip/lex.h"
#include "sip/uri.h"

#define COOKIE "z9hG4bK"

/* "SIP / 2.0 / UDP", with blanks allowed around the slashes. Returns what follows; data NULL: it is something else. */
static struct xfed_span take_protocol(struct xfed_span s, struct xfed_span *transport)
{
	struct xfed_span part[3];
	for (int i = 0; i < 3; i++) {
		s = sip_trim(s);
		size_t n = 0;
		while (n < s.len && sip_is_token_char((unsigned char)s.data[n])) {
			n++;
		}
		part[i] = xfed_span_make(s.data, n);
		struct xfed_span rest = xfed_span_make(s.data + n, s.len - n);
		s = i < 2 ? sip_trim(rest) : rest;
		bool fine = n > 0 && s.len > 0 && (i == 2 ? s.data[0] == ' ' || s.data[0] == '\t' : s.data[0] == '/');
		if (!fine) {
			return (struct xfed_span){ NULL, 0 };
		}
		s = xfed_span_make(s.data + 1, s.len - 1);
	}
	if (!xfed_span_eq_nocase(part[0], XFED_SPAN("SIP"))) {
		return (struct xfed_span){ NULL, 0 };
	}
	*transport = part[2];
	return sip_trim(s);
}

/* host [":" port], blanks allowed around the colon. */
static bool parse_sent_by(struct xfed_span s, struct sip_via *v)
{
	s = sip_trim(s);
	size_t n = 0;
	if (s.len > 0 && s.data[0] == '[') {
		const char *end = memchr(s.data, ']', s.len);
		n = end ? (size_t)(end - s.data) + 1 : 0;
	} else {
		while (n < s.len && s.data[n] != ':') {
			n++;
		}
	}
	struct xfed_span host = sip_trim(xfed_span_make(s.data, n));
	struct xfed_span rest = sip_trim(xfed_span_make(s.data + n, s.len - n));
	if (!sip_host_is_valid(host)) {
		return false;
	}
	v->host = sip_host_bare(host);
	if (rest.len == 0) {
		return true;
	}
	uint64_t port = 0;
	if (rest.data[0] != ':' || !sip_number(sip_trim(xfed_span_make(rest.data + 1, rest.len - 1)), 65535, &port) || port == 0) {
		return false;
	}
	v->port = (uint16_t)port;
	return true;
}

static bool take_param(struct sip_via *v, struct xfed_span name, struct xfed_span value)
{
	if (xfed_span_eq_nocase(name, XFED_SPAN("branch"))) {
		if (v->branch.data || !sip_is_token(value)) {
			return false;
		}
		v->branch = value;
		v->has_cookie = value.len > strlen(COOKIE) && xfed_span_eq_nocase(xfed_span_make(value.data, strlen(COOKIE)), XFED_SPAN(COOKIE));
	} else if (xfed_span_eq_nocase(name, XFED_SPAN("received"))) {
		v->received = sip_host_bare(value);
		return sip_host_is_address(v->received);
	} else if (xfed_span_eq_nocase(name, XFED_SPAN("maddr"))) {
		v->maddr = sip_host_bare(value);
		return sip_host_is_valid(value);
	} else if (xfed_span_eq_nocase(name, XFED_SPAN("rport"))) {
		uint64_t port = 0;
		v->has_rport = true;
		if (value.data && !sip_number(value, 65535, &port)) {
			return false;
		}
		v->rport = (uint16_t)port;
	}
	return true;
}

int sip_via_parse(struct xfed_span value, struct sip_via *out)
{
	value = sip_trim(value);
	*out = (struct sip_via){ .value = value };
	struct xfed_span rest = take_protocol(value, &out->transport);
	if (!rest.data) {
		return XFED_ERR_INVALID;
	}
	const char *semi = rest.len > 0 ? memchr(rest.data, ';', rest.len) : NULL;
	size_t n = semi ? (size_t)(semi - rest.data) : rest.len;
	if (!parse_sent_by(xfed_span_make(rest.data, n), out)) {
		return XFED_ERR_INVALID;
	}
	out->params = xfed_span_make(rest.data + n, rest.len - n);
	struct xfed_span params = out->params, name, val;
	bool bad = false;
	while (sip_param_next(&params, &name, &val, &bad)) {
		if (!take_param(out, name, val)) {
			return XFED_ERR_INVALID;
		}
	}
	return bad ? XFED_ERR_INVALID : XFED_OK;
}
