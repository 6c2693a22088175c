#include "jid/internal.h"

/* RFC 7622 section 3.3.1, and the space. */
static bool is_excluded(char c)
{
	switch (c) {
	case ' ':
	case '"':
	case '&':
	case '\'':
	case '/':
	case ':':
	case '<':
	case '>':
	case '@':
		return true;
	default:
		return false;
	}
}

enum jid_ascii_result jid_local_fold_ascii(char *p, size_t len)
{
	bool is_bad = len == 0 || len > XFED_JID_PART_BYTES;
	for (size_t i = 0; i < len; i++) {
		char c = p[i];
		if (c & 0x80) {
			return JID_ASCII_NO;
		}
		if (c >= 'A' && c <= 'Z') {
			p[i] = (char)(c | 0x20);
		} else if (c < 0x21 || c == 0x7F || is_excluded(c)) {
			is_bad = true;
		}
	}
	return is_bad ? JID_ASCII_BAD : JID_ASCII_OK;
}

enum jid_ascii_result jid_resource_check_ascii(const char *p, size_t len)
{
	bool is_bad = len == 0 || len > XFED_JID_PART_BYTES;
	for (size_t i = 0; i < len; i++) {
		if (p[i] & 0x80) {
			return JID_ASCII_NO;
		}
		is_bad |= p[i] < 0x20 || p[i] == 0x7F;
	}
	return is_bad ? JID_ASCII_BAD : JID_ASCII_OK;
}

int jid_local_full(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out)
{
	struct xfed_span local;
	int rc = jid_precis_username(a, in, &local);
	if (rc != XFED_OK) {
		return rc;
	}
	/* Checked after the mappings: a fullwidth commercial at has become an '@'. */
	for (size_t i = 0; i < local.len; i++) {
		if (is_excluded(local.data[i])) {
			return XFED_ERR_INVALID;
		}
	}
	*out = local;
	return XFED_OK;
}

/* Width, case and NFC; ASCII without the library. */
static int map_text(struct xfed_arena *a, struct xfed_span text, struct xfed_span *out)
{
	if (!jid_is_ascii(text)) {
		return jid_precis_map(a, text, out);
	}
	*out = xfed_arena_copy(a, text);
	if (!out->data) {
		return XFED_ERR_NOMEM;
	}
	char *p = (char *)out->data;
	for (size_t i = 0; i < out->len; i++) {
		p[i] = xfed_lower(p[i]);
	}
	return XFED_OK;
}

int xfed_jid_local_from_text(struct xfed_arena *a, struct xfed_span text, struct xfed_span *out)
{
	struct xfed_span mapped, escaped, local;
	if (text.len > JID_RAW_PART_BYTES) {
		return XFED_ERR_INVALID;
	}
	/* Escaped after the mappings, because these can turn other text into an escape sequence ("\\" and fullwidth digits). */
	int rc = map_text(a, text, &mapped);
	if (rc == XFED_OK) {
		rc = xfed_jid_escape(a, mapped, &escaped);
	}
	if (rc != XFED_OK) {
		return rc;
	}
	switch (jid_local_fold_ascii((char *)escaped.data, escaped.len)) {
	case JID_ASCII_OK:
		*out = escaped;
		return XFED_OK;
	case JID_ASCII_BAD:
		return XFED_ERR_INVALID;
	case JID_ASCII_NO:
		break;
	}
	rc = jid_local_full(a, escaped, &local);
	if (rc != XFED_OK) {
		return rc;
	}
	/* A combining mark after an escape would have been composed with its last digit. */
	if (!xfed_span_eq(local, escaped)) {
		return XFED_ERR_INVALID;
	}
	*out = local;
	return XFED_OK;
}
