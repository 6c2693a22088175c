#include "sip/dialog.h"

#include "sip/lex.h"
#include "sip/method.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

#define CSEQ_LAST ((uint32_t)1 << 31) /* RFC 3261 section 8.1.1.5: CSeq numbers stay below it */

/* ---- Contact and Record-Route of a message ---- */

/* The Contact, if there is exactly one, with a SIP URI. data NULL: there is none; false: there is an unusable one. */
static bool find_target(const struct sip_message *m, struct xfed_span *target)
{
	const struct sip_header *h = sip_message_header(m, SIP_HEADER_CONTACT, NULL);
	struct xfed_span rest = h ? h->value : (struct xfed_span){ NULL, 0 }, element, more;
	struct sip_addr addr;
	struct sip_uri uri;
	bool bad = false;
	*target = (struct xfed_span){ NULL, 0 };
	if (!h) {
		return true;
	}
	bool is_one =
		sip_list_next(&rest, &element, &bad) && !sip_list_next(&rest, &more, &bad) && !bad && !sip_message_header(m, SIP_HEADER_CONTACT, h);
	if (!is_one || sip_addr_parse(element, &addr) != XFED_OK || sip_uri_parse(addr.uri, &uri) != XFED_OK || !uri.is_sip) {
		return false;
	}
	*target = addr.uri;
	return true;
}

/* Whether a value of Record-Route is a SIP URI in <> (section 20.30). */
static bool is_route(struct xfed_span value)
{
	struct sip_addr addr;
	struct sip_uri uri;
	return value.len > 0 && memchr(value.data, '<', value.len) && sip_addr_parse(value, &addr) == XFED_OK &&
	       sip_uri_parse(addr.uri, &uri) == XFED_OK && uri.is_sip;
}

struct routes {
	struct xfed_span list[XFED_SIP_ROUTES_MAX];
	size_t count;
};

/* The Record-Route values: in order for the side that was asked, reversed for the side that asked (sections 12.1.1, 12.1.2). */
static bool find_routes(const struct sip_message *m, bool is_reversed, struct routes *r)
{
	const struct sip_header *h = NULL;
	bool bad = false;
	r->count = 0;
	while (!bad && (h = sip_message_header(m, SIP_HEADER_RECORD_ROUTE, h))) {
		struct xfed_span rest = h->value, element;
		while (!bad && sip_list_next(&rest, &element, &bad)) {
			bad = r->count == XFED_SIP_ROUTES_MAX || !is_route(element);
			if (!bad) {
				r->list[r->count++] = element;
			}
		}
	}
	for (size_t i = 0; is_reversed && i < r->count / 2; i++) {
		struct xfed_span other = r->list[r->count - 1 - i];
		r->list[r->count - 1 - i] = r->list[i];
		r->list[i] = other;
	}
	return !bad;
}

/* ---- memory ---- */

struct xfed_span sip_dialog_text(const struct sip_dialog *d, enum sip_dialog_text which)
{
	bool is_identity = which < SIP_DIALOG_ROUTE_SET;
	const char *at = is_identity ? d->identity : d->way;
	for (size_t i = is_identity ? SIP_DIALOG_CALL_ID : SIP_DIALOG_ROUTE_SET; i < which; i++) {
		at += d->len[i];
	}
	return xfed_span_make(at, d->len[which]);
}

static bool is_strict(const struct sip_dialog *d)
{
	return d->len[SIP_DIALOG_STRICT_URI] > 0;
}

struct xfed_span sip_dialog_uri(const struct sip_dialog *d)
{
	return sip_dialog_text(d, is_strict(d) ? SIP_DIALOG_STRICT_URI : SIP_DIALOG_TARGET);
}

struct xfed_span sip_dialog_route(const struct sip_dialog *d)
{
	return sip_dialog_text(d, is_strict(d) ? SIP_DIALOG_STRICT_ROUTE : SIP_DIALOG_ROUTE_SET);
}

static void put(char **at, struct xfed_span s)
{
	memcpy(*at, s.len > 0 ? s.data : "", s.len);
	*at += s.len;
}

static struct xfed_span uri_of(struct xfed_span route)
{
	struct sip_addr addr;
	return sip_addr_parse(route, &addr) == XFED_OK ? addr.uri : (struct xfed_span){ NULL, 0 };
}

/*
 * Request-URI and Route of the next request (section 12.2.1.1). Where the first route is a strict router its URI becomes the Request-URI,
 * and the target is put at the end of the routes. `routes`: values separated by commas.
 */
static int set_way(struct sip_dialog *d, struct xfed_span target, struct xfed_span routes)
{
	struct xfed_span first = { NULL, 0 }, rest = routes;
	struct sip_uri uri;
	bool bad = false;
	bool has_strict = sip_list_next(&rest, &first, &bad) && sip_uri_parse(uri_of(first), &uri) == XFED_OK && !uri.is_loose;
	size_t size = routes.len + target.len, router_len = has_strict ? uri.text.len : 0;
	rest = sip_trim(rest);
	char *mem = xfed_malloc(size + (has_strict ? router_len + rest.len + target.len + 5 : 1)), *at = mem;
	if (!mem) {
		return XFED_ERR_NOMEM;
	}
	put(&at, routes);
	put(&at, target);
	if (has_strict) {
		put(&at, uri.text);
		put(&at, rest);
		put(&at, rest.len > 0 ? XFED_SPAN(", <") : XFED_SPAN("<"));
		put(&at, target);
		put(&at, XFED_SPAN(">"));
	}
	d->len[SIP_DIALOG_ROUTE_SET] = (uint32_t)routes.len;
	d->len[SIP_DIALOG_TARGET] = (uint32_t)target.len;
	d->len[SIP_DIALOG_STRICT_URI] = (uint32_t)router_len;
	d->len[SIP_DIALOG_STRICT_ROUTE] = (uint32_t)((size_t)(at - mem) - size - router_len);
	xfed_free(d->way);
	d->way = mem;
	d->judged = 0;
	d->is_printable = false;
	return XFED_OK;
}

static int set_way_of_list(struct sip_dialog *d, struct xfed_span target, const struct routes *r)
{
	size_t size = 1;
	for (size_t i = 0; i < r->count; i++) {
		size += r->list[i].len + 2;
	}
	char *text = xfed_malloc(size), *at = text;
	if (!text) {
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; i < r->count; i++) {
		put(&at, i > 0 ? XFED_SPAN(", ") : XFED_SPAN(""));
		put(&at, r->list[i]);
	}
	int rc = set_way(d, target, xfed_span_make(text, (size_t)(at - text)));
	xfed_free(text);
	return rc;
}

static int make(
	const struct sip_dialog_start *s, struct xfed_span remote_tag, struct xfed_span target, const struct routes *routes, struct sip_dialog **out)
{
	struct sip_dialog *d = xfed_calloc(1, sizeof(*d));
	if (!d) {
		return XFED_ERR_NOMEM;
	}
	const struct xfed_span texts[] = { s->call_id, s->local_tag, remote_tag, s->local_uri, s->remote_uri };
	d->identity = xfed_malloc(s->call_id.len + s->local_tag.len + s->local_uri.len + s->remote_uri.len + remote_tag.len + 1);
	char *at = d->identity;
	if (!at || set_way_of_list(d, target, routes) != XFED_OK) {
		sip_dialog_free(d);
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(texts); i++) {
		put(&at, texts[i]);
		d->len[SIP_DIALOG_CALL_ID + i] = (uint32_t)texts[i].len;
	}
	d->local_cseq = s->cseq;
	*out = d;
	return XFED_OK;
}

void sip_dialog_free(struct sip_dialog *d)
{
	if (d) {
		xfed_free(d->identity);
		xfed_free(d->way);
		xfed_free(d);
	}
}

/* ---- as text ---- */

enum {
	LINE_CALL_ID,
	LINE_LOCAL_TAG,
	LINE_REMOTE_TAG,
	LINE_LOCAL_URI,
	LINE_REMOTE_URI,
	LINE_TARGET,
	LINE_ROUTES,
	LINE_LOCAL_CSEQ,
	LINE_REMOTE_CSEQ,
	LINES
};

int sip_dialog_write(const struct sip_dialog *d, struct xfed_buf *out)
{
	static const enum sip_dialog_text lines[] = { SIP_DIALOG_CALL_ID, SIP_DIALOG_LOCAL_TAG, SIP_DIALOG_REMOTE_TAG, SIP_DIALOG_LOCAL_URI,
		SIP_DIALOG_REMOTE_URI, SIP_DIALOG_TARGET, SIP_DIALOG_ROUTE_SET };
	int rc = XFED_OK;
	for (size_t i = 0; i < XFED_ARRAY_LEN(lines) && rc == XFED_OK; i++) {
		rc = xfed_buf_append(out, sip_dialog_text(d, lines[i]));
		rc = rc == XFED_OK ? xfed_buf_append(out, XFED_SPAN("\n")) : rc;
	}
	return rc == XFED_OK ? xfed_buf_printf(out, "%u\n%lld\n", d->local_cseq, d->has_remote_cseq ? (long long)d->remote_cseq : -1) : rc;
}

static bool split(struct xfed_span text, struct xfed_span lines[LINES])
{
	for (size_t i = 0; i < LINES; i++) {
		const char *end = text.len > 0 ? memchr(text.data, '\n', text.len) : NULL;
		if (!end) {
			return false;
		}
		lines[i] = xfed_span_make(text.data, (size_t)(end - text.data));
		text = xfed_span_make(end + 1, text.len - lines[i].len - 1);
	}
	return text.len == 0;
}

int sip_dialog_read(struct xfed_span text, struct sip_dialog **out)
{
	struct xfed_span lines[LINES];
	uint64_t ours, theirs = 0;
	*out = NULL;
	if (!split(text, lines) || !sip_number(lines[LINE_LOCAL_CSEQ], CSEQ_LAST - 1 - SIP_DIALOG_CSEQ_AHEAD, &ours)) {
		return XFED_ERR_INVALID;
	}
	bool has_theirs = !xfed_span_is(lines[LINE_REMOTE_CSEQ], "-1");
	if (lines[LINE_CALL_ID].len == 0 || lines[LINE_TARGET].len == 0 ||
		(has_theirs && !sip_number(lines[LINE_REMOTE_CSEQ], UINT32_MAX, &theirs))) {
		return XFED_ERR_INVALID;
	}
	struct sip_dialog_start s = { lines[LINE_CALL_ID], lines[LINE_LOCAL_TAG], lines[LINE_LOCAL_URI], lines[LINE_REMOTE_URI],
		(uint32_t)ours + SIP_DIALOG_CSEQ_AHEAD };
	struct routes none = { .count = 0 };
	int rc = make(&s, lines[LINE_REMOTE_TAG], lines[LINE_TARGET], &none, out);
	rc = rc == XFED_OK ? set_way(*out, lines[LINE_TARGET], lines[LINE_ROUTES]) : rc;
	if (rc != XFED_OK) {
		sip_dialog_free(*out);
		*out = NULL;
		return rc;
	}
	(*out)->has_remote_cseq = has_theirs;
	(*out)->remote_cseq = (uint32_t)theirs;
	return XFED_OK;
}

/* ---- making dialogs ---- */

int sip_dialog_of_request(const struct sip_message *request, struct xfed_span local_tag, struct sip_dialog **out)
{
	struct sip_dialog_start s = {
		.call_id = request->call_id, .local_tag = local_tag, .local_uri = request->to.uri, .remote_uri = request->from.uri
	};
	struct routes r;
	struct xfed_span target;
	*out = NULL;
	if (!find_target(request, &target) || !target.data || !find_routes(request, false, &r)) {
		return XFED_ERR_INVALID;
	}
	int rc = make(&s, request->from.tag, target, &r, out);
	if (rc == XFED_OK) {
		(*out)->remote_cseq = request->cseq;
		(*out)->has_remote_cseq = true;
		(*out)->local_cseq += request->to.tag.data ? SIP_DIALOG_CSEQ_AHEAD : 0;
	}
	return rc;
}

int sip_dialog_of_response(const struct sip_dialog_start *sent, const struct sip_message *response, struct sip_dialog **out)
{
	struct routes r;
	struct xfed_span target;
	bool is_early = response->status < 200;
	*out = NULL;
	if (!response->to.tag.data || !find_target(response, &target) || !find_routes(response, true, &r)) {
		return XFED_ERR_INVALID;
	}
	if (!target.data && is_early) {
		target = sent->remote_uri;
	}
	int rc = target.data ? make(sent, response->to.tag, target, &r, out) : XFED_ERR_INVALID;
	if (rc == XFED_OK) {
		(*out)->is_early = is_early;
	}
	return rc;
}

static int of_peers_request(const struct sip_dialog_start *sent, const struct sip_message *m, bool is_early, struct sip_dialog **out)
{
	struct routes r;
	struct xfed_span target;
	*out = NULL;
	if (!find_target(m, &target) || (!target.data && !is_early) || !find_routes(m, false, &r)) {
		return XFED_ERR_INVALID;
	}
	int rc = make(sent, m->from.tag, target.data ? target : sent->remote_uri, &r, out);
	if (rc == XFED_OK) {
		(*out)->remote_cseq = m->cseq;
		(*out)->has_remote_cseq = true;
		(*out)->is_early = is_early;
	}
	return rc;
}

int sip_dialog_of_notify(const struct sip_dialog_start *sent, const struct sip_message *notify, struct sip_dialog **out)
{
	return of_peers_request(sent, notify, false, out);
}

int sip_dialog_of_early(const struct sip_dialog_start *sent, const struct sip_message *request, struct sip_dialog **out)
{
	return of_peers_request(sent, request, true, out);
}

int sip_dialog_confirm(struct sip_dialog *d, const struct sip_message *response)
{
	struct routes r;
	struct xfed_span target;
	if (!find_target(response, &target) || !target.data || !find_routes(response, true, &r)) {
		return XFED_ERR_INVALID;
	}
	int rc = set_way_of_list(d, target, &r);
	if (rc == XFED_OK) {
		d->is_early = false;
	}
	return rc;
}

/* ---- requests inside ---- */

/* Methods that may change the remote target: section 12.2, RFC 3311, RFC 6665 section 4.1.2.2. */
static bool is_target_refresh(struct xfed_span method)
{
	switch (sip_method_parse(method)) {
	case SIP_METHOD_INVITE:
	case SIP_METHOD_UPDATE:
	case SIP_METHOD_SUBSCRIBE:
	case SIP_METHOD_NOTIFY:
		return true;
	default:
		return false;
	}
}

static int move_to(struct sip_dialog *d, struct xfed_span target)
{
	bool is_same = xfed_span_eq(target, sip_dialog_text(d, SIP_DIALOG_TARGET));
	return is_same ? XFED_OK : set_way(d, target, sip_dialog_text(d, SIP_DIALOG_ROUTE_SET));
}

enum sip_dialog_verdict sip_dialog_take(struct sip_dialog *d, const struct sip_message *request)
{
	struct xfed_span target;
	if (xfed_span_is(request->method, "ACK") || xfed_span_is(request->method, "CANCEL")) {
		return SIP_DIALOG_TAKEN; /* ACK and CANCEL have the CSeq number of their INVITE */
	}
	if (d->has_remote_cseq && request->cseq <= d->remote_cseq) {
		return SIP_DIALOG_OUT_OF_ORDER;
	}
	if (is_target_refresh(request->method)) {
		if (!find_target(request, &target)) {
			return SIP_DIALOG_BAD_CONTACT;
		}
		if (target.data && move_to(d, target) != XFED_OK) {
			return SIP_DIALOG_NO_MEMORY;
		}
	}
	d->remote_cseq = request->cseq;
	d->has_remote_cseq = true;
	return SIP_DIALOG_TAKEN;
}

int sip_dialog_answered(struct sip_dialog *d, const struct sip_message *response)
{
	struct xfed_span target;
	bool is_new = response->status >= 200 && response->status < 300 && is_target_refresh(response->cseq_method) &&
		      find_target(response, &target) && target.data;
	return is_new ? move_to(d, target) : XFED_OK;
}

static void fill(const struct sip_dialog *d, struct xfed_span method, uint32_t cseq, struct sip_request *out)
{
	const struct xfed_span none = { NULL, 0 }, route = sip_dialog_route(d);
	out->method = method;
	out->uri = sip_dialog_uri(d);
	out->route = route.len > 0 ? route : none;
	out->from_uri = sip_dialog_text(d, SIP_DIALOG_LOCAL_URI);
	out->from_tag = sip_dialog_text(d, SIP_DIALOG_LOCAL_TAG);
	out->to_uri = sip_dialog_text(d, SIP_DIALOG_REMOTE_URI);
	out->to_tag = d->len[SIP_DIALOG_REMOTE_TAG] > 0 ? sip_dialog_text(d, SIP_DIALOG_REMOTE_TAG) : none;
	out->call_id = sip_dialog_text(d, SIP_DIALOG_CALL_ID);
	out->cseq = cseq;
	out->is_of_dialog = d->is_printable;
}

bool sip_dialog_request(struct sip_dialog *d, struct xfed_span method, struct sip_request *out)
{
	if (d->local_cseq + 1 >= CSEQ_LAST) {
		return false;
	}
	fill(d, method, ++d->local_cseq, out);
	return true;
}

void sip_dialog_ack(const struct sip_dialog *d, uint32_t invite_cseq, struct sip_request *out)
{
	fill(d, XFED_SPAN("ACK"), invite_cseq, out);
}

struct xfed_span sip_dialog_next_hop(const struct sip_dialog *d)
{
	struct xfed_span rest = sip_dialog_route(d), first;
	bool bad = false;
	return !is_strict(d) && sip_list_next(&rest, &first, &bad) ? uri_of(first) : sip_dialog_uri(d);
}
