#include "jid/internal.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <unistr.h>

static int from_idn2(int rc)
{
	return rc == IDN2_OK ? XFED_OK : rc == IDN2_MALLOC ? XFED_ERR_NOMEM : XFED_ERR_INVALID;
}

static bool is_continuation(char c)
{
	return (c & 0xC0) == 0x80;
}

/*
 * Whether the name can exist in the DNS; checked before costly work. A label with other than ASCII characters becomes "xn--", its ASCII
 * characters with a hyphen, and at least one digit for each other code point (RFC 3492 section 6.3).
 */
static bool can_be_in_dns(struct xfed_span name)
{
	size_t total = 0, points = 0, others = 0;
	for (size_t i = 0; i <= name.len; i++) {
		if (i < name.len && name.data[i] != '.') {
			points += !is_continuation(name.data[i]);
			others += (name.data[i] & 0xC0) == 0xC0;
			continue;
		}
		size_t least = others == 0 ? points : 4 + points + (points > others);
		if (least > XFED_LABEL_POINTS) {
			return false;
		}
		total += least + 1;
		points = others = 0;
	}
	return total <= XFED_DOMAIN_POINTS + 1;
}

/* The same for a name as received, because mapping it is costly too; some dots appear only by the mapping. */
static bool is_worth_mapping(struct xfed_span name)
{
	size_t points = 0;
	for (size_t i = 0; i < name.len; i++) {
		points += !is_continuation(name.data[i]);
	}
	return points <= XFED_DOMAIN_POINTS + 1;
}

/* One U-label to its A-label, by the rules of registration; `out` has room for XFED_LABEL_POINTS + 1. OK, INVALID, NOMEM. */
static int label_to_ascii(struct xfed_span label, char *out)
{
	char text[XFED_JID_PART_BYTES + 1];
	if (label.len == 0 || label.len > XFED_JID_PART_BYTES || memchr(label.data, '\0', label.len)) {
		return XFED_ERR_INVALID;
	}
	memcpy(text, label.data, label.len);
	text[label.len] = '\0';
	/*
	 * The lookup functions do not check the contextual rules of the CONTEXTO code points; registration applies them all (RFC 5891 sections
	 * 4.2.3 and 5.4), and never maps.
	 */
	uint8_t *ascii = NULL;
	int rc = from_idn2(idn2_register_u8((const uint8_t *)text, NULL, &ascii, 0));
	if (rc != XFED_OK) {
		return rc;
	}
	size_t len = strlen((const char *)ascii);
	if (len == 0 || len > XFED_LABEL_POINTS) {
		rc = XFED_ERR_INVALID;
	} else {
		memcpy(out, ascii, len + 1);
	}
	idn2_free(ascii);
	return rc;
}

/* An A-label in lower case to its U-label, which has to give exactly that A-label again. `*out` is idn2's memory. */
static int label_to_unicode(struct xfed_span label, char **out)
{
	char text[XFED_LABEL_POINTS + 1], again[XFED_LABEL_POINTS + 1];
	memcpy(text, label.data, label.len);
	text[label.len] = '\0';
	int rc = from_idn2(idn2_to_unicode_8z8z(text, out, 0));
	if (rc != XFED_OK) {
		return rc;
	}
	struct xfed_span u = xfed_span_str(*out);
	rc = jid_is_ascii(u) ? XFED_ERR_INVALID : label_to_ascii(u, again);
	if (rc == XFED_OK && strcmp(text, again) != 0) {
		rc = XFED_ERR_INVALID;
	}
	if (rc != XFED_OK) {
		idn2_free(*out);
	}
	return rc;
}

/* Collects the labels of a domain, and what DNS and the Bidi rule demand of all of them together. */
struct labels {
	char *p;
	size_t len, room;
	size_t dns_len; /* length as A-labels, each with a dot */
	bool has_rtl, all_sound;
};

static int note_bidi(struct labels *to, struct xfed_span label)
{
	uint32_t points[XFED_JID_PART_BYTES];
	size_t n = XFED_ARRAY_LEN(points);
	if (label.len > n || u8_to_u32((const uint8_t *)label.data, label.len, points, &n) != points) {
		return XFED_ERR_INVALID;
	}
	to->has_rtl |= jid_bidi_has_rtl(points, n);
	to->all_sound &= jid_bidi_is_sound(points, n);
	return XFED_OK;
}

static int put_label(struct labels *to, struct xfed_span label, size_t dns_len)
{
	bool is_first = to->len == 0;
	to->dns_len += dns_len + 1;
	if (to->dns_len > XFED_DOMAIN_POINTS + 1 || label.len + !is_first > to->room - to->len) {
		return XFED_ERR_INVALID;
	}
	if (!is_first) {
		to->p[to->len++] = '.';
	}
	memcpy(to->p + to->len, label.data, label.len);
	to->len += label.len;
	return note_bidi(to, label);
}

/* A label already mapped: LDH, an A-label, or a U-label. */
static int add_label(struct labels *to, struct xfed_span label)
{
	char ascii[XFED_LABEL_POINTS + 1];
	if (!jid_is_ascii(label)) {
		int rc = label_to_ascii(label, ascii);
		return rc == XFED_OK ? put_label(to, label, strlen(ascii)) : rc;
	}
	switch (jid_label_check_ascii(label.data, label.len)) {
	case JID_ASCII_OK:
		return put_label(to, label, label.len);
	case JID_ASCII_BAD:
		return XFED_ERR_INVALID;
	case JID_ASCII_NO:
		break;
	}
	char *unicode = NULL;
	int rc = label_to_unicode(label, &unicode);
	if (rc == XFED_OK) {
		rc = put_label(to, xfed_span_str(unicode), label.len);
		idn2_free(unicode);
	}
	return rc;
}

/* The label separators of IDNA (RFC 5895 section 2), but for two that width mapping has turned into U+002E and U+3002. */
static void map_dots(char *p, size_t *len)
{
	static const char ideographic[] = "\xE3\x80\x82";
	size_t to = 0;
	for (size_t from = 0; from < *len; to++) {
		if (*len - from >= 3 && memcmp(p + from, ideographic, 3) == 0) {
			p[to] = '.';
			from += 3;
		} else {
			p[to] = p[from++];
		}
	}
	*len = to;
}

static int add_labels(struct labels *to, struct xfed_span mapped)
{
	size_t start = 0;
	for (size_t i = 0; i <= mapped.len; i++) {
		if (i < mapped.len && mapped.data[i] != '.') {
			continue;
		}
		int rc = add_label(to, xfed_span_make(mapped.data + start, i - start));
		if (rc != XFED_OK) {
			return rc;
		}
		start = i + 1;
	}
	/* With one right-to-left label all labels have to obey the Bidi rule (RFC 5893 section 1.4). */
	bool is_sound = !to->has_rtl || to->all_sound;
	return is_sound && !jid_domain_is_false_address(to->p, to->len) ? XFED_OK : XFED_ERR_INVALID;
}

/* "[...]" in canonical spelling, so that addresses can be compared as bytes. */
static int canonical_ipv6(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	if (in.len < 4 || in.len - 2 >= sizeof(text) || in.data[in.len - 1] != ']' || memchr(in.data, '\0', in.len)) {
		return XFED_ERR_INVALID;
	}
	memcpy(text, in.data + 1, in.len - 2);
	text[in.len - 2] = '\0';
	if (inet_pton(AF_INET6, text, &addr) != 1 || !inet_ntop(AF_INET6, &addr, text, sizeof(text))) {
		return XFED_ERR_INVALID;
	}
	*out = xfed_arena_printf(a, "[%s]", text);
	return out->data ? XFED_OK : XFED_ERR_NOMEM;
}

int jid_domain_full(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out)
{
	if (in.len > 0 && in.data[0] == '[') {
		return canonical_ipv6(a, in, out);
	}
	struct xfed_span mapped;
	if (!is_worth_mapping(in)) {
		return XFED_ERR_INVALID;
	}
	int rc = jid_precis_map_domain(a, in, &mapped);
	if (rc != XFED_OK) {
		return rc;
	}
	char *text = (char *)mapped.data; /* memory made by us above */
	map_dots(text, &mapped.len);
	if (mapped.len > 0 && text[mapped.len - 1] == '.') {
		mapped.len--;
	}
	if (!can_be_in_dns(mapped)) {
		return XFED_ERR_INVALID;
	}
	struct labels to = { .room = XFED_JID_PART_BYTES, .all_sound = true };
	to.p = xfed_arena_alloc(a, to.room + 1);
	if (!to.p) {
		return XFED_ERR_NOMEM;
	}
	rc = add_labels(&to, mapped);
	if (rc == XFED_OK) {
		*out = xfed_span_make(to.p, to.len);
	}
	return rc;
}

/* Appends one label of a normalised domain as an A-label. */
static int append_ascii_label(char *p, size_t *len, struct xfed_span label)
{
	char ascii[XFED_LABEL_POINTS + 1];
	if (!jid_is_ascii(label)) {
		int rc = label_to_ascii(label, ascii);
		if (rc != XFED_OK) {
			return rc;
		}
		label = xfed_span_str(ascii);
	}
	if (*len + label.len + 1 > XFED_DOMAIN_POINTS + 1) {
		return XFED_ERR_INVALID;
	}
	memcpy(p + *len, label.data, label.len);
	*len += label.len;
	p[(*len)++] = '.';
	return XFED_OK;
}

int xfed_jid_domain_ascii(struct xfed_arena *a, struct xfed_span domain, struct xfed_span *out)
{
	char text[XFED_DOMAIN_POINTS + 1];
	size_t len = 0, start = 0;
	if (domain.len == 0 || domain.len > XFED_JID_PART_BYTES || !can_be_in_dns(domain)) {
		return XFED_ERR_INVALID;
	}
	for (size_t i = 0; i <= domain.len; i++) {
		if (i < domain.len && domain.data[i] != '.') {
			continue;
		}
		int rc = append_ascii_label(text, &len, xfed_span_make(domain.data + start, i - start));
		if (rc != XFED_OK) {
			return rc;
		}
		start = i + 1;
	}
	*out = xfed_arena_copy(a, xfed_span_make(text, len - 1));
	return out->data ? XFED_OK : XFED_ERR_NOMEM;
}
