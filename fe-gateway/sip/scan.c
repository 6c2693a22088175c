#include "sip/scan.h"

#include "sip/chars.h"
#include "sip/lex.h"

size_t sip_scan_leading(struct xfed_span s)
{
	size_t n = 0;
	while (s.len - n >= 2 && s.data[n] == '\r' && s.data[n + 1] == '\n') {
		n += 2;
	}
	return n;
}

size_t sip_scan_head_length(struct xfed_span s, size_t from)
{
	/* The four bytes CRLF CRLF may begin before `from`. */
	from = from > 3 ? from - 3 : 0;
	while (from < s.len) { /* by lines, which is quicker than memmem() */
		const char *cr = memchr(s.data + from, '\r', s.len - from);
		size_t at = cr ? (size_t)(cr - s.data) : s.len;
		if (s.len - at < 4) {
			return 0;
		}
		if (memcmp(cr, "\r\n\r\n", 4) == 0) {
			return at + 4;
		}
		from = at + 1;
	}
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* True: the line has a CR other than in the CRLF of a fold. */
static bool has_lone_cr(struct xfed_span line)
{
	for (size_t i = 0; i < line.len; i++) {
		const char *cr = memchr(line.data + i, '\r', line.len - i);
		if (!cr) {
			return false;
		}
		i = (size_t)(cr - line.data) + 1;
		if (i >= line.len || line.data[i] != '\n') {
			return true;
		}
	}
	return false;
}

int sip_scan_line(struct xfed_span *rest, struct xfed_span *line)
{
	size_t end = 0;
	for (;;) {
		const char *lf = end < rest->len ? memchr(rest->data + end, '\n', rest->len - end) : NULL;
		size_t at = lf ? (size_t)(lf - rest->data) : 0;
		if (!lf || at == 0 || rest->data[at - 1] != '\r') {
			return XFED_ERR_INVALID;
		}
		end = at + 1;
		if (at == 1) {
			return XFED_ERR_NOT_FOUND;
		}
		if (end >= rest->len || !is_blank(rest->data[end])) {
			break;
		}
	}
	*line = xfed_span_make(rest->data, end - 2);
	*rest = xfed_span_make(rest->data + end, rest->len - end);
	return has_lone_cr(*line) ? XFED_ERR_INVALID : XFED_OK;
}

static struct xfed_span trim_folds(struct xfed_span s)
{
	while (s.len > 0 && (is_blank(s.data[0]) || s.data[0] == '\r' || s.data[0] == '\n')) {
		s.data++;
		s.len--;
	}
	while (s.len > 0 && (is_blank(s.data[s.len - 1]) || s.data[s.len - 1] == '\r' || s.data[s.len - 1] == '\n')) {
		s.len--;
	}
	return s;
}

bool sip_scan_header(struct xfed_span line, struct xfed_span *name, struct xfed_span *value)
{
	const char *colon = line.len > 0 ? memchr(line.data, ':', line.len) : NULL;
	if (!colon) {
		return false;
	}
	size_t n = (size_t)(colon - line.data);
	*name = xfed_span_make(line.data, n);
	while (name->len > 0 && is_blank(name->data[name->len - 1])) {
		name->len--;
	}
	*value = trim_folds(xfed_span_make(colon + 1, line.len - n - 1));
	return sip_is_token(*name);
}

static const struct {
	struct xfed_span name;
	char compact;
} header_names[SIP_HEADER_COUNT] = { [SIP_HEADER_OTHER] = { { "Other", 0 }, 0 },
#define X(id, text, compact, single) [SIP_HEADER_##id] = { { text, sizeof(text) - 1 }, compact },
	SIP_HEADERS(X)
#undef X
};

const char *sip_header_name(enum sip_header_id id)
{
	return header_names[id < SIP_HEADER_COUNT ? id : SIP_HEADER_OTHER].name.data;
}

enum sip_header_id sip_scan_header_id(struct xfed_span name)
{
	char first = name.len == 1 ? (char)(name.data[0] | 0x20) : 0;
	for (int id = SIP_HEADER_OTHER + 1; id < SIP_HEADER_COUNT; id++) {
		/* The length distinguishes most of them. */
		bool match = first ? first == header_names[id].compact
				   : name.len == header_names[id].name.len && xfed_span_eq_nocase(name, header_names[id].name);
		if (match) {
			return (enum sip_header_id)id;
		}
	}
	return SIP_HEADER_OTHER;
}

/* Length of the beginning, in steps of eight bytes, that has no control character, quotation mark or backslash. */
static size_t plain_length(struct xfed_span s)
{
	size_t i = 0;
	for (uint64_t v; s.len - i >= sizeof(v); i += sizeof(v)) {
		memcpy(&v, s.data + i, sizeof(v));
		if (sip_bytes_have_control(v) || sip_bytes_have(v, '"') || sip_bytes_have(v, '\\')) {
			break;
		}
	}
	return i;
}

bool sip_scan_controls_fine(struct xfed_span line)
{
	/* Most lines have none of these, and are not looked at any closer. */
	const struct sip_set notable = { ~(SIP_PRINTABLE_LOW | SIP_BIT('\t') | SIP_BIT('\r') | SIP_BIT('\n')) | SIP_BIT('"'),
		SIP_BIT('\\') | SIP_BIT(0x7f) };
	bool quoted = false;
	for (size_t i = plain_length(line); i < line.len; i++) {
		unsigned char c = (unsigned char)line.data[i];
		if (!sip_set_has(notable, c)) {
			continue;
		}
		if (c == '"') {
			quoted = !quoted;
		} else if (c == '\\' && quoted) {
			i++;
		} else if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f) {
			return false;
		}
	}
	return true;
}

int sip_scan_content_length(struct xfed_span head, size_t *out)
{
	struct xfed_span line, name, value;
	int found = XFED_ERR_NOT_FOUND;
	int rc;
	while ((rc = sip_scan_line(&head, &line)) == XFED_OK) {
		if (!sip_scan_header(line, &name, &value) || sip_scan_header_id(name) != SIP_HEADER_CONTENT_LENGTH) {
			continue;
		}
		uint64_t n;
		if (found == XFED_OK || !sip_number(value, UINT32_MAX, &n)) {
			return XFED_ERR_INVALID;
		}
		*out = (size_t)n;
		found = XFED_OK;
	}
	return rc == XFED_ERR_NOT_FOUND ? found : XFED_ERR_INVALID;
}
