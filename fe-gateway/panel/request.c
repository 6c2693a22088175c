#include "panel/request.h"

#include <stdlib.h>

#include "xfed/jid.h"
#include "xfed/rt/network.h"

/* ---- forms ---- */

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int decode(struct xfed_span in, char *out, struct xfed_span *text)
{
	size_t n = 0;
	for (size_t i = 0; i < in.len; i++) {
		char c = in.data[i] == '+' ? ' ' : in.data[i];
		if (c == '%') {
			int high = i + 2 < in.len ? digit(in.data[i + 1]) : -1, low = i + 2 < in.len ? digit(in.data[i + 2]) : -1;
			if (high < 0 || low < 0) {
				return XFED_ERR_INVALID;
			}
			c = (char)(high << 4 | low);
			i += 2;
		}
		out[n++] = c;
	}
	*text = xfed_span_make(out, n);
	return !memchr(out, '\0', n) && xfed_utf8_is_valid(*text) ? XFED_OK : XFED_ERR_INVALID;
}

int request_fields(struct xfed_span text, char *memory, struct panel_field fields[PANEL_FIELDS_MAX], size_t *count)
{
	while (text.len > 0) {
		struct xfed_span value = xfed_span_cut(&text, '&'), name = xfed_span_cut(&value, '=');
		if (name.len == 0 && value.len == 0) {
			continue;
		}
		if (*count == PANEL_FIELDS_MAX) {
			return XFED_ERR_LIMIT;
		}
		struct panel_field *f = &fields[*count];
		int rc = decode(name, memory, &f->name);
		rc = rc == XFED_OK ? decode(value, memory + name.len, &f->value) : rc;
		if (rc != XFED_OK) {
			return rc;
		}
		memory += name.len + value.len;
		(*count)++;
	}
	return XFED_OK;
}

struct xfed_span request_field(const struct panel_request *r, const char *name)
{
	for (size_t i = 0; i < r->field_count; i++) {
		if (xfed_span_is(r->fields[i].name, name)) {
			return r->fields[i].value;
		}
	}
	return (struct xfed_span){ NULL, 0 };
}

/* ---- headers ---- */

static bool is_token(struct xfed_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (digit(s.data[i]) < 0) {
			return false;
		}
	}
	return s.len == PANEL_TOKEN_HEX;
}

bool request_cookie(struct xfed_span header, const char *name, char out[PANEL_TOKEN_HEX + 1])
{
	while (header.len > 0) {
		struct xfed_span value = xfed_span_cut(&header, ';'), key = xfed_span_cut(&value, '=');
		value = xfed_span_trim(value);
		if (xfed_span_is(xfed_span_trim(key), name) && is_token(value)) {
			memcpy(out, value.data, value.len);
			out[value.len] = '\0';
			return true;
		}
	}
	return false;
}

/* Thousandths; without q it is 1. */
static int weight(struct xfed_span parameters)
{
	struct xfed_span q = xfed_span_trim(parameters);
	if (q.len < 3 || (q.data[0] != 'q' && q.data[0] != 'Q') || q.data[1] != '=') {
		return 1000;
	}
	int sum = q.data[2] == '1' ? 1000 : 0, unit = 100;
	for (size_t i = 4; sum < 1000 && i < q.len && i < 7 && q.data[i] >= '0' && q.data[i] <= '9'; i++, unit /= 10) {
		sum += (q.data[i] - '0') * unit;
	}
	return sum;
}

enum panel_language request_language(struct xfed_span accept)
{
	int english = 0, german = 0;
	while (accept.len > 0) {
		struct xfed_span parameters = xfed_span_cut(&accept, ',');
		struct xfed_span range = xfed_span_trim(xfed_span_cut(&parameters, ';')), tag = range;
		struct xfed_span primary = xfed_span_cut(&tag, '-');
		int q = weight(parameters);
		if (xfed_span_eq_nocase(primary, XFED_SPAN("de"))) {
			german = q > german ? q : german;
		} else if (xfed_span_eq_nocase(primary, XFED_SPAN("en"))) {
			english = q > english ? q : english;
		}
	}
	return german > english ? PANEL_DE : PANEL_EN;
}

/* Takes the port away; brackets of an IPv6 address stay. */
static struct xfed_span without_port(struct xfed_span host)
{
	const char *end = host.len > 0 && host.data[0] == '[' ? memchr(host.data, ']', host.len) : NULL;
	if (end) {
		return xfed_span_make(host.data, (size_t)(end - host.data) + 1);
	}
	return xfed_span_cut(&host, ':');
}

bool request_host_is_ours(struct xfed_span host, const struct request_hosts *ours)
{
	struct rt_addr named, own;
	struct xfed_span name = without_port(host);
	name.len -= name.len > 1 && name.data[name.len - 1] == '.';
	if (rt_addr_parse_host(&named, name, 0) == XFED_OK) {
		bool is_known = rt_addr_parse_host(&own, xfed_span_str(ours->listen), 0) == XFED_OK;
		return is_known && (rt_addr_eq(&named, &own) || rt_addr_kind(&own) == RT_ADDR_UNSPECIFIED);
	}
	if (xfed_span_eq_nocase(name, XFED_SPAN("localhost")) || (ours->host_name && xfed_span_eq_nocase(name, xfed_span_str(ours->host_name)))) {
		return true;
	}
	for (size_t i = 0; i < ours->names->count; i++) {
		if (xfed_span_eq_nocase(name, xfed_span_str(ours->names->items[i]))) {
			return true;
		}
	}
	return false;
}

bool request_origin_is_ours(struct xfed_span origin, struct xfed_span host)
{
	static const char *const schemes[] = { "https://", "http://" };
	if (!origin.data) {
		return true;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(schemes); i++) {
		size_t len = strlen(schemes[i]);
		if (origin.len > len && memcmp(origin.data, schemes[i], len) == 0) {
			return xfed_span_eq_nocase(xfed_span_make(origin.data + len, origin.len - len), host);
		}
	}
	return false;
}

bool request_next_is_fine(struct xfed_span next)
{
	if (next.len == 0 || next.len >= PANEL_LOCATION_MAX || next.data[0] != '/' ||
		(next.len > 1 && (next.data[1] == '/' || next.data[1] == '\\'))) {
		return false;
	}
	for (size_t i = 0; i < next.len; i++) {
		if ((unsigned char)next.data[i] <= ' ' || (unsigned char)next.data[i] >= 0x7f || next.data[i] == '\\') {
			return false;
		}
	}
	return true;
}
