#include "interwork/address.h"

#include "interwork/content.h"
#include "interwork/percent.h"
#include "xfed/limits.h"

static const char *const prefixes[] = {
	[IW_SCHEME_SIP] = "sip:",
	[IW_SCHEME_IM] = "im:",
	[IW_SCHEME_PRES] = "pres:",
};

/* [B2-05]: the text that a localpart stands for, if escaping it again gives exactly this localpart. */
static int user_of(struct xfed_arena *a, struct xfed_span local, struct xfed_span *user)
{
	struct xfed_span back;
	int rc = xfed_jid_unescape(a, local, user);
	if (rc == XFED_OK) {
		rc = xfed_jid_local_from_text(a, *user, &back);
	}
	if (rc == XFED_OK && !xfed_span_eq(back, local)) {
		rc = XFED_ERR_INVALID;
	}
	return rc;
}

static char *put(char *p, struct xfed_span s)
{
	memcpy(p, s.data, s.len);
	return p + s.len;
}

/*
 * "PREFIXuser@host", without "user@" if that is empty, and with ";gr=GR" unless that is empty; `raw`: characters not to be encoded in the
 * user part. OK, INVALID (no such host), NOMEM.
 */
static int write_uri(struct xfed_arena *a, const char *prefix, struct xfed_span user, const char *raw, struct xfed_span domain, struct xfed_span gr,
	struct xfed_span *uri)
{
	struct xfed_span host;
	int rc = xfed_jid_domain_ascii(a, domain, &host);
	if (rc != XFED_OK) {
		return rc;
	}
	/* An encoded byte takes three. */
	char *start = xfed_arena_alloc(a, strlen(prefix) + 3 * user.len + 1 + host.len + 4 + 3 * gr.len);
	if (!start) {
		return XFED_ERR_NOMEM;
	}
	char *p = put(start, xfed_span_str(prefix));
	p += iw_percent_encode(user, raw, p);
	if (user.len > 0) {
		*p++ = '@';
	}
	p = put(p, host);
	if (gr.len > 0) {
		p = put(p, XFED_SPAN(";gr="));
		p += iw_percent_encode(gr, iw_raw_in_param, p);
	}
	*uri = xfed_span_make(start, (size_t)(p - start));
	return XFED_OK;
}

int iw_jid_to_sip(struct xfed_arena *a, const struct xfed_jid *j, const struct iw_address_options *o, struct xfed_span *uri)
{
	static const struct iw_address_options defaults = { .scheme = IW_SCHEME_SIP };
	struct xfed_span user = XFED_SPAN("");
	o = o ? o : &defaults;
	bool is_sip = o->scheme == IW_SCHEME_SIP;
	/* A domain alone is an address with sip (RFC 3261 section 19.1.1), not with im and pres (RFC 3860 section 3: a mailbox). */
	int rc = j->local.data ? user_of(a, j->local, &user) : is_sip ? XFED_OK : XFED_ERR_INVALID;
	if (rc != XFED_OK) {
		return rc;
	}
	struct xfed_span gr = o->with_gr && is_sip && j->resource.data ? j->resource : XFED_SPAN("");
	return write_uri(a, prefixes[o->scheme], user, is_sip ? iw_raw_in_sip_user : iw_raw_in_im_user, j->domain, gr, uri);
}

int iw_ends_to_sip(struct xfed_arena *a, const struct xfed_jid *user, struct xfed_span inside, const struct xfed_jid *contact, struct iw_ends *out)
{
	struct xfed_jid to = { .local = user->local, .domain = inside }, from = { .local = contact->local, .domain = contact->domain };
	int rc = iw_jid_to_sip(a, &to, NULL, &out->user);
	return rc == XFED_OK ? iw_jid_to_sip(a, &from, NULL, &out->contact) : rc;
}

/* ---- SIP to XMPP ---- */

static struct xfed_span from(struct xfed_span s, size_t at)
{
	return xfed_span_make(s.data + at, s.len - at);
}

/* The first "<" outside a quoted string, or s.len. */
static size_t find_bracket(struct xfed_span s)
{
	bool is_quoted = false;
	for (size_t i = 0; i < s.len; i++) {
		if (is_quoted && s.data[i] == '\\') {
			i++;
		} else if (s.data[i] == '"') {
			is_quoted = !is_quoted;
		} else if (!is_quoted && s.data[i] == '<') {
			return i;
		}
	}
	return s.len;
}

/* Splits a name-addr into the URI and the header parameters behind the <>. */
static bool cut_brackets(struct xfed_span s, struct xfed_span *uri, struct xfed_span *params)
{
	s = xfed_span_trim(s);
	*uri = s;
	*params = xfed_span_make("", 0);
	size_t open = find_bracket(s);
	if (open == s.len) {
		return true;
	}
	struct xfed_span inside = from(s, open + 1);
	const char *close = memchr(inside.data, '>', inside.len);
	if (!close) {
		return false;
	}
	*uri = xfed_span_make(inside.data, (size_t)(close - inside.data));
	*params = from(inside, uri->len + 1);
	return true;
}

struct uri {
	struct xfed_span user; /* data NULL: none */
	struct xfed_span host, gr;
};

/* Splits the part behind the "@" into hostport, uri-parameters and headers. */
static bool cut_host(struct xfed_span rest, struct uri *out)
{
	size_t end = 0;
	if (rest.len > 0 && rest.data[0] == '[') {
		const char *close = memchr(rest.data, ']', rest.len);
		if (!close) {
			return false;
		}
		end = (size_t)(close - rest.data) + 1;
	} else {
		while (end < rest.len && rest.data[end] != ':' && rest.data[end] != ';' && rest.data[end] != '?') {
			end++;
		}
	}
	out->host = xfed_span_make(rest.data, end);
	rest = from(rest, end);
	if (rest.len > 0 && rest.data[0] == ':') {
		size_t digits = 1;
		while (digits < rest.len && rest.data[digits] >= '0' && rest.data[digits] <= '9') {
			digits++;
		}
		if (digits == 1) {
			return false;
		}
		rest = from(rest, digits);
	}
	const char *headers = memchr(rest.data, '?', rest.len);
	struct xfed_span params = xfed_span_make(rest.data, headers ? (size_t)(headers - rest.data) : rest.len);
	if (params.len > 0 && params.data[0] != ';') {
		return false;
	}
	out->gr = iw_content_param(params, "gr"); /* empty: there is none, or none with a value ([B2-10]) */
	return true;
}

static enum xfed_reason check_scheme(struct xfed_span uri, size_t *len, bool *is_sip)
{
	size_t n = 0;
	while (n < uri.len && uri.data[n] != ':') {
		n++;
	}
	struct xfed_span scheme = xfed_span_make(uri.data, n);
	*len = n + 1;
	if (n == 0 || n == uri.len) {
		return XFED_REASON_SIP_ADDRESS_UNMAPPABLE;
	}
	if (xfed_span_eq_nocase(scheme, XFED_SPAN("sips"))) {
		return XFED_REASON_SIP_SIPS_REFUSED;
	}
	*is_sip = xfed_span_eq_nocase(scheme, XFED_SPAN("sip"));
	bool is_known = *is_sip || xfed_span_eq_nocase(scheme, XFED_SPAN("im")) || xfed_span_eq_nocase(scheme, XFED_SPAN("pres"));
	return is_known ? XFED_REASON_NONE : XFED_REASON_SIP_SCHEME_UNSUPPORTED;
}

/*
 * The part behind the scheme. The first "@" ends the user part, where it cannot occur unescaped (RFC 7247 section 6.4 step 2). A sip URI
 * without "@" is a domain (RFC 3261 section 19.1.1).
 */
static bool cut_uri(struct xfed_span s, bool is_sip, struct uri *out)
{
	const char *at = memchr(s.data, '@', s.len);
	out->user = xfed_span_make(NULL, 0);
	if (!at) {
		return is_sip && cut_host(s, out);
	}
	out->user = xfed_span_make(s.data, (size_t)(at - s.data));
	const char *password = memchr(out->user.data, ':', out->user.len);
	if (password) {
		out->user.len = (size_t)(password - out->user.data);
	}
	return out->user.len > 0 && cut_host(from(s, (size_t)(at - s.data) + 1), out);
}

/* OK, INVALID, NOMEM. */
static int build_jid(struct xfed_arena *a, const struct uri *u, struct xfed_jid *out)
{
	struct xfed_span user, gr;
	struct xfed_jid j = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
	int rc = u->user.data ? iw_percent_decode(a, u->user, &user) : XFED_OK;
	if (rc == XFED_OK && u->user.data) {
		rc = xfed_jid_local_from_text(a, user, &j.local);
	}
	if (rc == XFED_OK) {
		rc = xfed_jid_domain(a, u->host, &j.domain);
	}
	if (rc == XFED_OK && u->gr.len > 0) {
		rc = iw_percent_decode(a, u->gr, &gr);
		j.resource = gr;
		if (rc == XFED_OK) {
			struct xfed_span full = xfed_jid_full(a, &j);
			rc = full.data ? xfed_jid_parse(a, full, &j) : XFED_ERR_NOMEM;
		}
	}
	if (rc == XFED_OK) {
		*out = j;
	}
	return rc;
}

int iw_sip_to_jid(struct xfed_arena *a, struct xfed_span text, struct xfed_jid *out, enum xfed_reason *why)
{
	struct xfed_span uri, params;
	struct uri u;
	size_t scheme_len;
	*why = XFED_REASON_SIP_ADDRESS_UNMAPPABLE;
	if (text.len == 0 || text.len > XFED_SIP_HEADER_BYTES || !cut_brackets(text, &uri, &params)) {
		return XFED_ERR_INVALID;
	}
	bool is_sip = false;
	enum xfed_reason scheme = check_scheme(uri, &scheme_len, &is_sip);
	if (scheme != XFED_REASON_NONE) {
		*why = scheme;
		return XFED_ERR_INVALID;
	}
	if (!cut_uri(from(uri, scheme_len), is_sip, &u)) {
		return XFED_ERR_INVALID;
	}
	if (u.gr.len == 0) {
		u.gr = iw_content_param(params, "gr");
	}
	int rc = build_jid(a, &u, out);
	if (rc != XFED_ERR_INVALID) {
		*why = XFED_REASON_NONE;
	}
	return rc;
}

/* ---- xmpp: URIs ---- */

int iw_jid_to_xmpp_uri(struct xfed_arena *a, const struct xfed_jid *j, struct xfed_span *uri)
{
	return j->local.data ? write_uri(a, "xmpp:", j->local, iw_raw_in_xmpp_node, j->domain, XFED_SPAN(""), uri) : XFED_ERR_INVALID;
}

int iw_xmpp_uri_to_jid(struct xfed_arena *a, struct xfed_span uri, struct xfed_jid *out)
{
	static const size_t scheme_len = sizeof("xmpp:") - 1;
	struct xfed_span text = xfed_span_trim(uri), plain;
	struct xfed_jid j;
	if (text.len <= scheme_len || text.len > 3 * XFED_JID_BYTES ||
		!xfed_span_eq_nocase(xfed_span_make(text.data, scheme_len), XFED_SPAN("xmpp:"))) {
		return XFED_ERR_INVALID;
	}
	text = from(text, scheme_len);
	size_t end = 0;
	while (end < text.len && !strchr("/?#", text.data[end])) {
		end++;
	}
	int rc = iw_percent_decode(a, xfed_span_make(text.data, end), &plain);
	if (rc == XFED_OK) {
		rc = xfed_jid_parse(a, plain, &j);
	}
	if (rc == XFED_OK && (!j.local.data || j.resource.data)) {
		rc = XFED_ERR_INVALID; /* an encoded slash is not allowed in the node */
	}
	if (rc == XFED_OK) {
		*out = j;
	}
	return rc;
}
