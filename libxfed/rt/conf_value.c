#include "conf_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <unistr.h>

struct unit {
	const char *name;
	uint64_t factor;
};
/* Ascending; conf_number_text() takes the largest unit that divides the number. */
static const struct unit durations[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
static const struct unit sizes[] = { { "B", 1 }, { "KiB", 1024 }, { "MiB", 1024 * 1024 }, { "GiB", 1024 * 1024 * 1024 } };

const char *rt_conf_transport_name(enum rt_conf_transport t)
{
	switch (t) {
	case RT_TRANSPORT_NONE:
		return "";
	case RT_TRANSPORT_UDP:
		return "udp";
	case RT_TRANSPORT_TCP:
		return "tcp";
	case RT_TRANSPORT_TLS:
		return "tls";
	}
	return "";
}

/* ---- numbers ---- */

/* Decimal digits without sign or leading zero (YAML 1.1 reads 010 as 8); `*rest` is what follows. */
static int parse_digits(struct xfed_span s, uint64_t *out, struct xfed_span *rest)
{
	size_t i = 0;
	uint64_t n = 0;
	for (; i < s.len && s.data[i] >= '0' && s.data[i] <= '9'; i++) {
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(s.data[i] - '0'), &n)) {
			return XFED_ERR_INVALID;
		}
	}
	if (i == 0 || (i > 1 && s.data[0] == '0')) {
		return XFED_ERR_INVALID;
	}
	*out = n;
	*rest = xfed_span_make(s.data + i, s.len - i);
	return XFED_OK;
}

static int parse_with_unit(struct xfed_span s, const struct unit *units, size_t count, uint64_t *out)
{
	struct xfed_span rest;
	uint64_t n;
	if (parse_digits(s, &n, &rest) != XFED_OK) {
		return XFED_ERR_INVALID;
	}
	for (size_t i = 0; i < count; i++) {
		if (xfed_span_is(rest, units[i].name)) {
			return __builtin_mul_overflow(n, units[i].factor, out) ? XFED_ERR_INVALID : XFED_OK;
		}
	}
	return XFED_ERR_INVALID;
}

int rt_conf_parse_duration(struct xfed_span s, uint64_t *ms)
{
	return parse_with_unit(s, durations, XFED_ARRAY_LEN(durations), ms);
}

int rt_conf_parse_size(struct xfed_span s, uint64_t *bytes)
{
	return parse_with_unit(s, sizes, XFED_ARRAY_LEN(sizes), bytes);
}

const char *conf_number_text(enum rt_conf_type type, uint64_t n, char out[32])
{
	const struct unit *u = NULL;
	if (type == RT_CONF_DURATION || type == RT_CONF_SIZE) {
		const struct unit *units = type == RT_CONF_DURATION ? durations : sizes;
		size_t count = type == RT_CONF_DURATION ? XFED_ARRAY_LEN(durations) - 1 : XFED_ARRAY_LEN(sizes);
		u = &units[0];
		for (size_t i = 1; i < count && n > 0; i++) {
			if (n % units[i].factor == 0) {
				u = &units[i];
			}
		}
	}
	snprintf(out, 32, "%llu%s", (unsigned long long)(u ? n / u->factor : n), u ? u->name : "");
	return out;
}

const char *conf_fallback(const struct rt_conf_row *row, char out[32])
{
	return row->standard > 0 ? conf_number_text(row->type, row->standard, out) : row->fallback;
}

static int store_number(const struct rt_conf_row *row, struct xfed_span text, void *out)
{
	uint64_t n;
	struct xfed_span rest = { NULL, 0 };
	int rc;
	if (row->type == RT_CONF_INT) {
		rc = parse_digits(text, &n, &rest);
		rc = rc == XFED_OK && rest.len > 0 ? XFED_ERR_INVALID : rc;
	} else {
		rc = row->type == RT_CONF_DURATION ? rt_conf_parse_duration(text, &n) : rt_conf_parse_size(text, &n);
	}
	if (rc != XFED_OK || n < row->min || n > (row->max > 0 ? row->max : UINT32_MAX)) {
		return XFED_ERR_INVALID;
	}
	uint32_t value = (uint32_t)n;
	memcpy(out, &value, sizeof(value));
	return XFED_OK;
}

/* ---- addresses ---- */

static bool is_host(struct xfed_span s)
{
	if (s.len == 0 || s.len > 253 || s.data[0] == '.' || s.data[0] == '-') {
		return false;
	}
	bool has_letter = false;
	size_t label = 0;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];
		label = c == '.' ? 0 : label + 1;
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		has_letter = has_letter || is_letter;
		if (!is_letter && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_') {
			return false;
		}
		if (label > 63 || (c == '.' && i > 0 && s.data[i - 1] == '.')) {
			return false;
		}
	}
	/* Something that looks like a number and is no IPv4 address is a mistyped address, not a name. */
	return has_letter;
}

static bool is_ip(const char *s, bool is_v6)
{
	unsigned char addr[16];
	return inet_pton(is_v6 ? AF_INET6 : AF_INET, s, addr) == 1;
}

static int split_transport(struct xfed_span *s, enum rt_conf_transport *t)
{
	static const enum rt_conf_transport all[] = { RT_TRANSPORT_UDP, RT_TRANSPORT_TCP, RT_TRANSPORT_TLS };
	for (size_t i = 0; i < XFED_ARRAY_LEN(all); i++) {
		if (s->len > 4 && memcmp(s->data, rt_conf_transport_name(all[i]), 3) == 0 && s->data[3] == ':') {
			*t = all[i];
			*s = xfed_span_make(s->data + 4, s->len - 4);
			return XFED_OK;
		}
	}
	return XFED_ERR_INVALID;
}

static int split_port(struct xfed_span *s, uint16_t *port)
{
	size_t colon = s->len;
	while (colon > 0 && s->data[colon - 1] != ':') {
		colon--;
	}
	struct xfed_span rest;
	uint64_t n;
	if (colon == 0 || parse_digits(xfed_span_make(s->data + colon, s->len - colon), &n, &rest) != XFED_OK || rest.len > 0 || n < 1 || n > 65535) {
		return XFED_ERR_INVALID;
	}
	*port = (uint16_t)n;
	s->len = colon - 1;
	return XFED_OK;
}

int rt_conf_parse_address(struct xfed_arena *a, struct xfed_span s, enum rt_conf_type type, struct rt_conf_address *out)
{
	struct rt_conf_address addr = { 0 };
	bool has_transport = type == RT_CONF_SIP_LISTENS;
	if (has_transport && split_transport(&s, &addr.transport) != XFED_OK) {
		return XFED_ERR_INVALID;
	}
	if (split_port(&s, &addr.port) != XFED_OK) {
		return XFED_ERR_INVALID;
	}
	bool is_bracketed = s.len > 2 && s.data[0] == '[' && s.data[s.len - 1] == ']';
	struct xfed_span host = is_bracketed ? xfed_span_make(s.data + 1, s.len - 2) : s;
	struct xfed_span copy = xfed_arena_copy(a, host);
	if (!copy.data) {
		return XFED_ERR_NOMEM;
	}
	if (strlen(copy.data) != copy.len) {
		return XFED_ERR_INVALID;
	}
	addr.host = copy.data;
	addr.is_ip = is_ip(copy.data, is_bracketed);
	if (!addr.is_ip && (type != RT_CONF_ADDRESS || is_bracketed || !is_host(host))) {
		return XFED_ERR_INVALID;
	}
	*out = addr;
	return XFED_OK;
}

const char *rt_conf_address_text(const struct rt_conf_address *a, char out[320])
{
	bool is_v6 = a->host && strchr(a->host, ':');
	snprintf(out, 320, "%s%s%s%s%s:%u", rt_conf_transport_name(a->transport), a->transport != RT_TRANSPORT_NONE ? ":" : "", is_v6 ? "[" : "",
		a->host ? a->host : "", is_v6 ? "]" : "", a->port);
	return out;
}

/* ---- words and texts ---- */

static int store_word(const struct rt_conf_row *row, struct xfed_span text, void *out, const char **not_built)
{
	for (const struct rt_conf_word *w = row->words; w->word; w++) {
		if (!xfed_span_is(text, w->word)) {
			continue;
		}
		if (w->not_built) {
			*not_built = w->not_built;
			return XFED_ERR_INVALID;
		}
		if (row->type == RT_CONF_ENUM_SET) {
			unsigned bits;
			memcpy(&bits, out, sizeof(bits));
			bits |= (unsigned)w->value;
			memcpy(out, &bits, sizeof(bits));
		} else {
			memcpy(out, &w->value, sizeof(w->value));
		}
		return XFED_OK;
	}
	return XFED_ERR_INVALID;
}

/*
 * Control characters do not belong in a name, path or description. An escape ("\x85") can produce some that the file itself may not
 * contain; and line separators and byte order marks would not survive being printed and read again.
 */
static bool is_printable(struct xfed_span text)
{
	for (size_t i = 0; i < text.len;) {
		ucs4_t c;
		int n = u8_mbtoucr(&c, (const uint8_t *)text.data + i, text.len - i);
		bool is_control = c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
		if (n < 1 || is_control || c == 0xfeff || c == 0xfffe || c == 0xffff) {
			return false;
		}
		i += (size_t)n;
	}
	return true;
}

static int store_text(struct xfed_arena *a, const struct rt_conf_row *row, struct xfed_span text, void *out, const char **accepted)
{
	if (text.len == 0 || memchr(text.data, '\0', text.len)) {
		return XFED_ERR_INVALID;
	}
	if (!is_printable(text)) {
		*accepted = memchr(text.data, '\n', text.len) ? "one line; it has a line end, as every text with > or | has (>- has none at its end)"
							      : "a text without control characters";
		return XFED_ERR_INVALID;
	}
	struct xfed_span copy = xfed_arena_copy(a, text);
	if (!copy.data) {
		return XFED_ERR_NOMEM;
	}
	bool is_path = row->type == RT_CONF_PATH || row->type == RT_CONF_PATHS;
	if ((is_path && text.data[0] != '/') || (is_path && text.len >= 4096)) {
		return XFED_ERR_INVALID;
	}
	if (row->type == RT_CONF_IP && !is_ip(copy.data, strchr(copy.data, ':') != NULL)) {
		return XFED_ERR_INVALID;
	}
	if (row->convert) {
		int rc = row->convert(a, copy, &copy, accepted);
		if (rc != XFED_OK) {
			return rc;
		}
	}
	memcpy(out, &copy.data, sizeof(copy.data));
	return XFED_OK;
}

static int store_bool(struct xfed_span text, void *out)
{
	if (!xfed_span_is(text, "true") && !xfed_span_is(text, "false")) {
		return XFED_ERR_INVALID;
	}
	*(bool *)out = text.len == 4;
	return XFED_OK;
}

int conf_store(struct xfed_arena *a, const struct rt_conf_row *row, struct xfed_span text, void *out, const char **accepted, const char **not_built)
{
	switch (row->type) {
	case RT_CONF_STRING:
	case RT_CONF_PATH:
	case RT_CONF_IP:
	case RT_CONF_STRINGS:
	case RT_CONF_PATHS:
		return store_text(a, row, text, out, accepted);
	case RT_CONF_BOOL:
		return store_bool(text, out);
	case RT_CONF_INT:
	case RT_CONF_DURATION:
	case RT_CONF_SIZE:
		return store_number(row, text, out);
	case RT_CONF_ENUM:
	case RT_CONF_ENUM_SET:
		return store_word(row, text, out, not_built);
	case RT_CONF_ADDRESS:
	case RT_CONF_LISTEN:
	case RT_CONF_LISTENS:
	case RT_CONF_SIP_LISTENS:
		return rt_conf_parse_address(a, text, row->type, out);
	case RT_CONF_OBJECT:
	case RT_CONF_OBJECTS:
		break;
	}
	return XFED_ERR_INVALID;
}

bool conf_is_scalar_list(enum rt_conf_type type)
{
	return type == RT_CONF_STRINGS || type == RT_CONF_PATHS || type == RT_CONF_LISTENS || type == RT_CONF_SIP_LISTENS || type == RT_CONF_ENUM_SET;
}

bool conf_is_text(enum rt_conf_type type)
{
	return type != RT_CONF_BOOL && type != RT_CONF_INT;
}

size_t conf_item_size(const struct rt_conf_row *row)
{
	switch (row->type) {
	case RT_CONF_STRING:
	case RT_CONF_PATH:
	case RT_CONF_IP:
	case RT_CONF_STRINGS:
	case RT_CONF_PATHS:
		return sizeof(const char *);
	case RT_CONF_BOOL:
		return sizeof(bool);
	case RT_CONF_INT:
	case RT_CONF_DURATION:
	case RT_CONF_SIZE:
		return sizeof(uint32_t);
	case RT_CONF_ENUM:
	case RT_CONF_ENUM_SET:
		return sizeof(int);
	case RT_CONF_ADDRESS:
	case RT_CONF_LISTEN:
	case RT_CONF_LISTENS:
	case RT_CONF_SIP_LISTENS:
		return sizeof(struct rt_conf_address);
	case RT_CONF_OBJECT:
	case RT_CONF_OBJECTS:
		return row->table->struct_size;
	}
	return 0;
}

bool conf_next_word(struct xfed_span *rest, struct xfed_span *word)
{
	size_t i = 0;
	while (i < rest->len && rest->data[i] == ' ') {
		i++;
	}
	size_t start = i;
	while (i < rest->len && rest->data[i] != ' ') {
		i++;
	}
	*word = xfed_span_make(rest->data + start, i - start);
	*rest = xfed_span_make(rest->data + i, rest->len - i);
	return word->len > 0;
}
