#include "sip/dispatch.h"

#include <stdio.h>

#include "sip/lex.h"

/* Which header field goes into the response. */
enum line { NONE, ALLOW, EVENTS, OPTIONS };

/*
 * Responses where no user takes the method: `outside` for a request without To tag, `inside` for one with a To tag whose dialog does not
 * exist (RFC 3261 section 12.2.2). OPTIONS is always answered, because it changes nothing.
 */
static const struct row {
	enum sip_disposition disposition;
	int outside, inside;
	enum line line; /* for `outside` */
} rows[SIP_METHOD_COUNT] = {
	[SIP_METHOD_UNKNOWN] = { SIP_DISPOSE_ANSWER, 501, 501, ALLOW },
	[SIP_METHOD_MESSAGE] = { SIP_DISPOSE_ANSWER, 405, 481, ALLOW },
	[SIP_METHOD_OPTIONS] = { SIP_DISPOSE_ANSWER, 200, 200, OPTIONS },
	[SIP_METHOD_ACK] = { SIP_DISPOSE_ABSORB, 0, 0, NONE },
	[SIP_METHOD_CANCEL] = { SIP_DISPOSE_CANCEL, 0, 0, NONE },
	[SIP_METHOD_INVITE] = { SIP_DISPOSE_ANSWER, 405, 481, ALLOW },
	[SIP_METHOD_BYE] = { SIP_DISPOSE_ANSWER, 481, 481, NONE },
	[SIP_METHOD_NOTIFY] = { SIP_DISPOSE_ANSWER, 481, 481, NONE },
	[SIP_METHOD_SUBSCRIBE] = { SIP_DISPOSE_ANSWER, 489, 481, EVENTS },
	[SIP_METHOD_PUBLISH] = { SIP_DISPOSE_ANSWER, 405, 405, ALLOW },
	[SIP_METHOD_REGISTER] = { SIP_DISPOSE_ANSWER, 405, 405, ALLOW },
	[SIP_METHOD_INFO] = { SIP_DISPOSE_ANSWER, 405, 481, ALLOW },
	[SIP_METHOD_PRACK] = { SIP_DISPOSE_ANSWER, 405, 481, ALLOW },
	[SIP_METHOD_UPDATE] = { SIP_DISPOSE_ANSWER, 405, 481, ALLOW },
	[SIP_METHOD_REFER] = { SIP_DISPOSE_ANSWER, 405, 481, ALLOW },
};

/* ---- registration ---- */

/* True: it fits. */
static bool append(char *line, size_t size, const char *separator, struct xfed_span s)
{
	size_t n = strlen(line);
	int more = snprintf(line + n, size - n, "%s%.*s", n > 0 ? separator : "", (int)s.len, s.data);
	return more >= 0 && (size_t)more < size - n;
}

static bool lists(const char *list, struct xfed_span word)
{
	struct xfed_span rest = xfed_span_str(list ? list : ""), element;
	bool bad = false;
	while (sip_list_next(&rest, &element, &bad)) {
		if (xfed_span_eq_nocase(element, word)) {
			return true;
		}
	}
	return false;
}

static bool append_new(char *line, size_t size, const char *list)
{
	struct xfed_span rest = xfed_span_str(list ? list : ""), element;
	bool bad = false, fits = true;
	while (fits && sip_list_next(&rest, &element, &bad)) {
		fits = lists(line, element) || append(line, size, ", ", element);
	}
	return fits && !bad;
}

static bool write_allow(const struct sip_users *u, char *out, size_t size)
{
	/* A user of INVITE takes these too. */
	const unsigned always = SIP_METHOD_BIT(OPTIONS), session = SIP_METHOD_BIT(ACK) | SIP_METHOD_BIT(CANCEL) | SIP_METHOD_BIT(BYE);
	unsigned taken = 0;
	bool fits = true;
	for (size_t i = 0; i < u->count; i++) {
		unsigned bits = u->list[i]->methods | u->list[i]->inside;
		bits |= bits & SIP_METHOD_BIT(INVITE) ? session : 0;
		for (int m = 0; m < SIP_METHOD_COUNT; m++) {
			if (bits & ~taken & ~always & 1U << m) {
				fits = fits && append(out, size, ", ", sip_method_name((enum sip_method)m));
			}
		}
		taken |= bits;
	}
	return fits && append(out, size, ", ", XFED_SPAN("OPTIONS"));
}

/* "Name: list" with CRLF; empty where the list is empty, unless `always`. */
static void write_line(char out[SIP_LINE_SIZE], const char *name, const char *list, bool even_empty)
{
	out[0] = '\0';
	if (list[0] || even_empty) {
		snprintf(out, SIP_LINE_SIZE, "%s:%s%s\r\n", name, list[0] ? " " : "", list);
	}
}

static int write_lines(struct sip_users *u)
{
	enum { LIST = SIP_LINE_SIZE - 32 };
	char allow[LIST] = "", accept[LIST] = "", supported[LIST] = "", events[LIST] = "";
	bool fits = write_allow(u, allow, sizeof(allow));
	for (size_t i = 0; i < u->count; i++) {
		fits = fits && append_new(accept, sizeof(accept), u->list[i]->accept) &&
		       append_new(supported, sizeof(supported), u->list[i]->supported) && append_new(events, sizeof(events), u->list[i]->events);
	}
	if (!fits) {
		return XFED_ERR_LIMIT;
	}
	write_line(u->allow, "Allow", allow, true);
	write_line(u->accept, "Accept", accept, false);
	write_line(u->supported, "Supported", supported, false);
	write_line(u->events, "Allow-Events", events, true); /* RFC 6665 section 8.2.2: an empty list says that there are no packages */
	snprintf(u->options, sizeof(u->options), "%s%s%s%s", u->allow, u->accept, u->supported, events[0] ? u->events : "");
	return XFED_OK;
}

void sip_users_init(struct sip_users *u)
{
	*u = (struct sip_users){ .count = 0 };
	write_lines(u); /* without users it fits */
}

static bool clashes(const struct sip_users *u, const struct sip_user *user)
{
	for (size_t i = 0; i < u->count; i++) {
		struct xfed_span rest = xfed_span_str(user->events ? user->events : ""), element;
		bool bad = false;
		if (u->list[i]->methods & user->methods & ~SIP_METHOD_BIT(SUBSCRIBE)) {
			return true;
		}
		while (sip_list_next(&rest, &element, &bad)) {
			if (lists(u->list[i]->events, element)) {
				return true;
			}
		}
	}
	return false;
}

int sip_users_add(struct sip_users *u, const struct sip_user *user)
{
	if (u->count == SIP_USERS_MAX) {
		return XFED_ERR_LIMIT;
	}
	if (clashes(u, user)) {
		return XFED_ERR_STATE;
	}
	u->list[u->count++] = user;
	int rc = write_lines(u);
	if (rc != XFED_OK) {
		u->count--;
		write_lines(u); /* as it was before, so it fits */
		return rc;
	}
	for (int m = 0; m < SIP_METHOD_COUNT; m++) {
		if (user->methods & 1U << m) {
			u->by_method[m] = user;
		}
	}
	return XFED_OK;
}

/* ---- verdicts ---- */

static struct sip_verdict answer(const struct sip_users *u, enum sip_method method, int status, enum line line)
{
	const char *const lines[] = { [NONE] = "", [ALLOW] = u->allow, [EVENTS] = u->events, [OPTIONS] = u->options };
	return (struct sip_verdict){ .disposition = SIP_DISPOSE_ANSWER, .method = method, .status = status, .extra = lines[line] };
}

static bool is_supported(const struct sip_users *u, struct xfed_span tag)
{
	for (size_t i = 0; i < u->count; i++) {
		if (lists(u->list[i]->supported, tag)) {
			return true;
		}
	}
	return false;
}

size_t sip_unsupported(const struct sip_users *u, struct xfed_span require, char *out, size_t size)
{
	struct xfed_span element;
	bool bad = false;
	out[0] = '\0';
	while (sip_list_next(&require, &element, &bad)) {
		if (!is_supported(u, element) && sip_is_token(element)) {
			append(out, size, ", ", element);
		}
	}
	return strlen(out);
}

static bool needs_unsupported(const struct sip_users *u, const struct sip_message *m)
{
	const struct sip_header *h = NULL;
	bool bad = false;
	while (!bad && (h = sip_message_header(m, SIP_HEADER_REQUIRE, h))) {
		struct xfed_span rest = h->value, element;
		while (!bad && sip_list_next(&rest, &element, &bad)) {
			bad = bad || !is_supported(u, element);
		}
	}
	return bad;
}

/* Checks that apply to requests for any user. True: `*out` is the refusal. */
static bool refuses(const struct sip_users *u, enum sip_method method, const struct sip_message *m, struct sip_verdict *out)
{
	bool is_bad_scheme = !m->uri.is_sip;
	if (is_bad_scheme || needs_unsupported(u, m)) {
		*out = answer(u, method, is_bad_scheme ? 416 : 420, NONE);
		out->needs_unsupported = !is_bad_scheme;
		return true;
	}
	return false;
}

static const struct sip_user *taker_of(const struct sip_users *u, enum sip_method method, const struct sip_message *m)
{
	const struct sip_user *user = u->by_method[method];
	if (!user || method != SIP_METHOD_SUBSCRIBE) {
		return user;
	}
	const struct sip_header *h = sip_message_header(m, SIP_HEADER_EVENT, NULL);
	size_t end = h ? sip_find_outside(h->value, ';') : 0;
	struct xfed_span package = h ? sip_trim(xfed_span_make(h->value.data, end == SIZE_MAX ? h->value.len : end)) : XFED_SPAN("");
	for (size_t i = 0; i < u->count; i++) {
		if (package.len > 0 && lists(u->list[i]->events, package)) {
			return u->list[i];
		}
	}
	return NULL;
}

struct sip_verdict sip_dispatch(const struct sip_users *u, const struct sip_message *m)
{
	enum sip_method method = sip_method_parse(m->method);
	const struct row *row = &rows[method];
	struct sip_verdict v;
	if (row->disposition != SIP_DISPOSE_ANSWER) {
		return (struct sip_verdict){ .disposition = row->disposition, .method = method, .extra = "" };
	}
	if (method == SIP_METHOD_OPTIONS) {
		return refuses(u, method, m, &v) ? v : answer(u, method, row->outside, row->line);
	}
	const struct sip_user *user = taker_of(u, method, m);
	if (m->to.tag.data) {
		v = answer(u, method, row->inside, row->inside == row->outside ? row->line : NONE);
		v.disposition = row->inside == 481 ? SIP_DISPOSE_DIALOG : SIP_DISPOSE_ANSWER;
		v.user = user && user->anew & 1U << method ? user : NULL;
		return v;
	}
	if (!user) {
		return answer(u, method, row->outside, row->line);
	}
	if (refuses(u, method, m, &v)) {
		return v;
	}
	return (struct sip_verdict){ .disposition = SIP_DISPOSE_USER, .method = method, .user = user, .extra = "" };
}

struct sip_verdict sip_dispatch_inside(const struct sip_users *u, const struct sip_user *user, const struct sip_message *m)
{
	enum sip_method method = sip_method_parse(m->method);
	struct sip_verdict v;
	if (!((user->methods | user->inside) & 1U << method)) {
		return answer(u, method, 405, ALLOW);
	}
	if (refuses(u, method, m, &v)) {
		return v;
	}
	return (struct sip_verdict){ .disposition = SIP_DISPOSE_USER, .method = method, .user = user, .extra = "" };
}
