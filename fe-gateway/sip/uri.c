#include "sip/uri.h"

#include <arpa/inet.h>

#include "sip/chars.h"
#include "sip/lex.h"

static const struct xfed_span absent = { NULL, 0 };

static bool is_scheme(struct xfed_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!letter && (i == 0 || (!(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.'))) {
			return false;
		}
	}
	return s.len > 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

#define UNRESERVED_LOW	(SIP_DIGITS | SIP_BIT('-') | SIP_BIT('.') | SIP_BIT('!') | SIP_BIT('*') | SIP_BIT('\'') | SIP_BIT('(') | SIP_BIT(')'))
#define UNRESERVED_HIGH (SIP_LETTERS | SIP_BIT('_') | SIP_BIT('~'))

/* unreserved and "&=+$,;?/"; "&=+$,"; "[]/:&+$"; "[]/?:+$=&"; ";/?:@&=+$,[]#" */
static const struct sip_set password_chars = { UNRESERVED_LOW | SIP_BIT('&') | SIP_BIT('=') | SIP_BIT('+') | SIP_BIT('$') | SIP_BIT(','),
	UNRESERVED_HIGH };
static const struct sip_set user_chars = { UNRESERVED_LOW | SIP_BIT('&') | SIP_BIT('=') | SIP_BIT('+') | SIP_BIT('$') | SIP_BIT(',') | SIP_BIT(';') |
						   SIP_BIT('?') | SIP_BIT('/'),
	UNRESERVED_HIGH };
static const struct sip_set param_chars = { UNRESERVED_LOW | SIP_BIT('/') | SIP_BIT(':') | SIP_BIT('&') | SIP_BIT('+') | SIP_BIT('$'),
	UNRESERVED_HIGH | SIP_BIT('[') | SIP_BIT(']') };
static const struct sip_set header_chars = { UNRESERVED_LOW | SIP_BIT('/') | SIP_BIT('?') | SIP_BIT(':') | SIP_BIT('+') | SIP_BIT('$') |
						     SIP_BIT('=') | SIP_BIT('&'),
	UNRESERVED_HIGH | SIP_BIT('[') | SIP_BIT(']') };
static const struct sip_set opaque_chars = { UNRESERVED_LOW | SIP_BIT(';') | SIP_BIT('/') | SIP_BIT('?') | SIP_BIT(':') | SIP_BIT('&') |
						     SIP_BIT('=') | SIP_BIT('+') | SIP_BIT('$') | SIP_BIT(',') | SIP_BIT('#'),
	UNRESERVED_HIGH | SIP_BIT('@') | SIP_BIT('[') | SIP_BIT(']') };

/* Only characters of the set and complete %HH escapes (RFC 3261 section 25.1). Bytes above 0x7f are not allowed in a URI. */
static bool all_of(struct xfed_span s, struct sip_set set)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];
		if (c == '%') {
			if (s.len - i < 3 || hex_value(s.data[i + 1]) < 0 || hex_value(s.data[i + 2]) < 0) {
				return false;
			}
			i += 2;
			continue;
		}
		if (!sip_set_has(set, c)) {
			return false;
		}
	}
	return true;
}

static bool is_ip(int family, struct xfed_span host, unsigned char out[16])
{
	char text[INET6_ADDRSTRLEN];
	if (host.len >= sizeof(text) || (host.len > 0 && memchr(host.data, 0, host.len))) {
		return false;
	}
	memcpy(text, host.len > 0 ? host.data : "", host.len);
	text[host.len] = '\0';
	/* A mistake in the grammar of RFC 3261 has led to one colon too many before an embedded IPv4 address (RFC 5118 section 4.10). */
	char *extra = strstr(text, ":::");
	if (extra && strchr(extra, '.')) {
		memmove(extra, extra + 1, strlen(extra));
	}
	return inet_pton(family, text, out) == 1;
}

struct xfed_span sip_host_bare(struct xfed_span host)
{
	if (host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']') {
		return xfed_span_make(host.data + 1, host.len - 2);
	}
	return host;
}

bool sip_host_is_address(struct xfed_span host)
{
	unsigned char ip[16];
	return is_ip(AF_INET, host, ip) || is_ip(AF_INET6, sip_host_bare(host), ip);
}

/* Labels of letters, digits, hyphens; underscores are tolerated because internal networks use them. */
static bool is_name(struct xfed_span host)
{
	bool label = false;
	for (size_t i = 0; i < host.len; i++) {
		unsigned char c = (unsigned char)host.data[i];
		if (c == '.') {
			if (!label) {
				return false;
			}
			label = false;
		} else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_') {
			label = true;
		} else {
			return false;
		}
	}
	return host.len > 0 && host.len <= 255 && host.data[0] != '.';
}

bool sip_host_is_valid(struct xfed_span host)
{
	unsigned char ip[16];
	if (host.len > 0 && host.data[0] == '[') {
		return is_ip(AF_INET6, sip_host_bare(host), ip);
	}
	return is_name(host) || is_ip(AF_INET6, host, ip);
}

bool sip_host_eq(struct xfed_span a, struct xfed_span b)
{
	unsigned char x[16], y[16];
	a = sip_host_bare(a);
	b = sip_host_bare(b);
	if (is_ip(AF_INET6, a, x)) {
		return is_ip(AF_INET6, b, y) && memcmp(x, y, 16) == 0;
	}
	if (a.len > 1 && a.data[a.len - 1] == '.') {
		a.len--;
	}
	if (b.len > 1 && b.data[b.len - 1] == '.') {
		b.len--;
	}
	return xfed_span_eq_nocase(a, b);
}

/* host [":" port]; a port is never guessed inside brackets (RFC 5118 section 4.3). */
static int parse_hostport(struct xfed_span s, struct sip_uri *u)
{
	size_t host_len = 0;
	if (s.len > 0 && s.data[0] == '[') {
		const char *end = memchr(s.data, ']', s.len);
		if (!end) {
			return XFED_ERR_INVALID;
		}
		host_len = (size_t)(end - s.data) + 1;
		u->is_ipv6 = true;
	} else {
		const char *colon = s.len > 0 ? memchr(s.data, ':', s.len) : NULL;
		host_len = colon ? (size_t)(colon - s.data) : s.len;
	}
	struct xfed_span host = xfed_span_make(s.data, host_len);
	if (!(u->is_ipv6 ? sip_host_is_valid(host) : is_name(host))) {
		return XFED_ERR_INVALID;
	}
	u->host = sip_host_bare(host);
	if (host_len == s.len) {
		return XFED_OK;
	}
	uint64_t port;
	if (s.data[host_len] != ':' || !sip_number(xfed_span_make(s.data + host_len + 1, s.len - host_len - 1), 65535, &port) || port == 0) {
		return XFED_ERR_INVALID;
	}
	u->port = (uint16_t)port;
	return XFED_OK;
}

static int parse_userinfo(struct xfed_span s, struct sip_uri *u)
{
	const char *colon = s.len > 0 ? memchr(s.data, ':', s.len) : NULL;
	u->user = xfed_span_make(s.data, colon ? (size_t)(colon - s.data) : s.len);
	if (colon) {
		u->password = xfed_span_make(colon + 1, s.len - u->user.len - 1);
	}
	bool fine = u->user.len > 0 && all_of(u->user, user_chars) && all_of(u->password, password_chars);
	return fine ? XFED_OK : XFED_ERR_INVALID;
}

static int parse_params(struct sip_uri *u)
{
	const char *p = u->params.data, *end = p + u->params.len;
	while (p < end) {
		const char *next = memchr(p + 1, ';', (size_t)(end - p - 1));
		struct xfed_span param = xfed_span_make(p + 1, (size_t)((next ? next : end) - p - 1));
		const char *eq = param.len > 0 ? memchr(param.data, '=', param.len) : NULL;
		struct xfed_span name = xfed_span_make(param.data, eq ? (size_t)(eq - param.data) : param.len);
		struct xfed_span value = eq ? xfed_span_make(eq + 1, param.len - name.len - 1) : absent;
		if (name.len == 0 || (eq && value.len == 0) || !all_of(name, param_chars) || !all_of(value, param_chars)) {
			return XFED_ERR_INVALID;
		}
		if (xfed_span_eq_nocase(name, XFED_SPAN("transport"))) {
			u->transport = value;
		} else if (xfed_span_eq_nocase(name, XFED_SPAN("maddr"))) {
			u->maddr = sip_host_bare(value);
		} else if (xfed_span_eq_nocase(name, XFED_SPAN("lr"))) {
			u->is_loose = true;
		}
		p = next ? next : end;
	}
	return XFED_OK;
}

/* Length of the part of `s` before the first of the two characters. */
static size_t span_until(struct xfed_span s, char a, char b)
{
	size_t i = 0;
	while (i < s.len && s.data[i] != a && s.data[i] != b) {
		i++;
	}
	return i;
}

static int parse_sip(struct xfed_span rest, struct sip_uri *u)
{
	/* "@" occurs unescaped only after the user part, which may itself contain ";" and "?". */
	const char *at = rest.len > 0 ? memchr(rest.data, '@', rest.len) : NULL;
	if (at) {
		struct xfed_span info = xfed_span_make(rest.data, (size_t)(at - rest.data));
		if (parse_userinfo(info, u) != XFED_OK) {
			return XFED_ERR_INVALID;
		}
		rest = xfed_span_make(at + 1, rest.len - info.len - 1);
	}
	size_t n = span_until(rest, ';', '?');
	if (parse_hostport(xfed_span_make(rest.data, n), u) != XFED_OK) {
		return XFED_ERR_INVALID;
	}
	rest = xfed_span_make(rest.data + n, rest.len - n);
	n = span_until(rest, '?', '?');
	u->params = xfed_span_make(rest.data, n);
	if (n < rest.len) {
		u->headers = xfed_span_make(rest.data + n + 1, rest.len - n - 1);
	}
	bool fine = (n == rest.len || u->headers.len > 0) && all_of(u->headers, header_chars);
	return fine ? parse_params(u) : XFED_ERR_INVALID;
}

int sip_uri_parse(struct xfed_span text, struct sip_uri *out)
{
	*out = (struct sip_uri){ .text = text };
	const char *colon = text.len > 0 ? memchr(text.data, ':', text.len) : NULL;
	if (!colon) {
		return XFED_ERR_INVALID;
	}
	out->scheme = xfed_span_make(text.data, (size_t)(colon - text.data));
	struct xfed_span rest = xfed_span_make(colon + 1, text.len - out->scheme.len - 1);
	if (!is_scheme(out->scheme)) {
		return XFED_ERR_INVALID;
	}
	out->is_secure = xfed_span_eq_nocase(out->scheme, XFED_SPAN("sips"));
	out->is_sip = out->is_secure || xfed_span_eq_nocase(out->scheme, XFED_SPAN("sip"));
	if (!out->is_sip) {
		return rest.len > 0 && all_of(rest, opaque_chars) ? XFED_OK : XFED_ERR_INVALID;
	}
	return parse_sip(rest, out);
}
