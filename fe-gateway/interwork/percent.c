#include "interwork/percent.h"

const char iw_raw_in_sip_user[] = "!$&'()*+,-./;=?_~";
const char iw_raw_in_im_user[] = "!#$&'*+-/=?^_`{|}~";
const char iw_raw_in_xmpp_node[] = "!$()*+,-.;=_~";
const char iw_raw_in_param[] = "-_.!~*'()[]/:&+$";

static bool is_raw(char c, const char *raw)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c != '\0' && strchr(raw, c));
}

size_t iw_percent_encode(struct xfed_span s, const char *raw, char *out)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t len = 0;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.data[i];
		if (is_raw(s.data[i], raw)) {
			out[len++] = s.data[i];
		} else {
			out[len++] = '%';
			out[len++] = hex[c >> 4];
			out[len++] = hex[c & 15];
		}
	}
	return len;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes the byte at `*at` and moves on; -1: it is not allowed there. */
static int decode_byte(struct xfed_span s, size_t *at)
{
	char c = s.data[(*at)++];
	if (c != '%') {
		return c == ' ' || c == '"' || c == '<' || c == '>' ? -1 : (uint8_t)c;
	}
	if (s.len - *at < 2) {
		return -1;
	}
	int high = hex_value(s.data[*at]), low = hex_value(s.data[*at + 1]);
	*at += 2;
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

int iw_percent_decode(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out)
{
	char *p = xfed_arena_alloc(a, s.len + 1);
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	size_t len = 0;
	for (size_t i = 0; i < s.len;) {
		int c = decode_byte(s, &i);
		if (c < 0x20 || c == 0x7F) {
			return XFED_ERR_INVALID;
		}
		p[len++] = (char)c;
	}
	*out = xfed_span_make(p, len);
	return XFED_OK;
}
