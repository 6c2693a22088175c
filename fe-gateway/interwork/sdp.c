#include "interwork/sdp.h"

#include "interwork/text.h"
#include "sip/lex.h"

static const char *const accepts[IW_SDP_ACCEPT_COUNT] = {
#define IW_SDP_ACCEPT_WORD(id, type) type,
	IW_SDP_ACCEPTS(IW_SDP_ACCEPT_WORD)
#undef IW_SDP_ACCEPT_WORD
};

const char *iw_sdp_name_word(enum iw_sdp_name name)
{
	return name == IW_SDP_X_MS_MESSAGE ? "x-ms-message" : "message";
}

/* ---- reading ---- */

/* The next field of a line, of those separated by one or more blanks; empty: there is none. */
static struct xfed_span field(struct xfed_span *rest)
{
	struct xfed_span f = xfed_span_make(NULL, 0);
	while (rest->len > 0 && f.len == 0) {
		f = xfed_span_cut(rest, ' ');
	}
	return f;
}

static iw_sdp_accept_set accept_of(struct xfed_span types)
{
	iw_sdp_accept_set found = 0;
	for (struct xfed_span type = field(&types); type.len > 0; type = field(&types)) {
		bool is_any = xfed_span_is(type, "*"); /* RFC 4975 section 8.6 */
		for (unsigned i = 0; i < IW_SDP_ACCEPT_COUNT; i++) {
			found |= is_any || xfed_span_eq_nocase(type, xfed_span_str(accepts[i])) ? 1u << i : 0;
		}
	}
	return found;
}

/* `*is_im`: attributes that follow belong to the line for IM. */
static int read_media(struct xfed_span value, struct iw_sdp *out, bool *is_im)
{
	uint64_t number;
	struct xfed_span rest = value, name = field(&rest), port = field(&rest), protocol = field(&rest), format = field(&rest);
	struct xfed_span digits = xfed_span_cut(&port, '/'); /* "/" and the number of ports may follow */
	if (!sip_is_token(name) || !sip_number(digits, UINT16_MAX, &number) || protocol.len == 0 || format.len == 0) {
		return XFED_ERR_INVALID;
	}
	if (out->count == IW_SDP_MEDIA_MAX) {
		return XFED_ERR_LIMIT;
	}
	bool is_old = xfed_span_is(name, iw_sdp_name_word(IW_SDP_X_MS_MESSAGE));
	bool is_ours = (is_old || xfed_span_is(name, iw_sdp_name_word(IW_SDP_MESSAGE))) && xfed_span_eq_nocase(protocol, XFED_SPAN("sip"));
	*is_im = is_ours && number > 0 && !out->has_im;
	if (*is_im) {
		out->has_im = true;
		out->name = is_old ? IW_SDP_X_MS_MESSAGE : IW_SDP_MESSAGE;
		out->accept = 1u << IW_SDP_ACCEPT_TEXT;
		out->im = out->count;
	} else if (!is_ours && number > 0 && !out->other.data) {
		out->other = name;
	}
	out->media[out->count++] = value;
	return XFED_OK;
}

static int read_line(struct xfed_span line, struct iw_sdp *out, bool *is_im)
{
	static const struct xfed_span accept_types = { "accept-types:", 13 };
	if (line.len < 2 || line.data[0] < 'a' || line.data[0] > 'z' || line.data[1] != '=' || !sip_is_printable(line)) {
		return XFED_ERR_INVALID;
	}
	struct xfed_span value = xfed_span_make(line.data + 2, line.len - 2);
	if (line.data[0] == 'm') {
		return read_media(value, out, is_im);
	}
	bool is_accept = value.len >= accept_types.len && memcmp(value.data, accept_types.data, accept_types.len) == 0;
	if (*is_im && line.data[0] == 'a' && is_accept) {
		out->accept = accept_of(xfed_span_make(value.data + accept_types.len, value.len - accept_types.len));
	}
	return XFED_OK;
}

/* Lines end in CRLF, or LF alone (RFC 4566 section 5); the last one may have no end. */
int iw_sdp_read(struct xfed_span body, struct iw_sdp *out)
{
	bool is_im = false;
	*out = (struct iw_sdp){ 0 };
	if (body.len > IW_SDP_BYTES) {
		return XFED_ERR_LIMIT;
	}
	int rc = xfed_span_is(iw_text_next_line(&body), "v=0") ? XFED_OK : XFED_ERR_INVALID;
	while (rc == XFED_OK && body.len > 0) {
		rc = read_line(iw_text_next_line(&body), out, &is_im);
	}
	if (rc != XFED_OK) {
		*out = (struct iw_sdp){ 0 };
	}
	return rc;
}

/* ---- writing ---- */

static int put_im(struct xfed_buf *out, enum iw_sdp_name name, uint16_t port, iw_sdp_accept_set accept)
{
	const char *before = "a=accept-types:";
	int rc = xfed_buf_printf(out, "m=%s %u sip null\r\n", iw_sdp_name_word(name), port);
	for (unsigned i = 0; i < IW_SDP_ACCEPT_COUNT && rc == XFED_OK; i++) {
		if (accept & 1u << i) {
			rc = xfed_buf_printf(out, "%s%s", before, accepts[i]);
			before = " ";
		}
	}
	return rc == XFED_OK && accept ? xfed_buf_append_str(out, "\r\n") : rc;
}

/* A media line of the offer, refused: its port becomes 0, and the rest stays. */
static int put_refused(struct xfed_buf *out, struct xfed_span rest)
{
	struct xfed_span name = field(&rest);
	field(&rest);
	int rc = xfed_buf_append_str(out, "m=");
	rc = rc == XFED_OK ? xfed_buf_append(out, name) : rc;
	rc = rc == XFED_OK ? xfed_buf_append_str(out, " 0 ") : rc;
	rc = rc == XFED_OK ? xfed_buf_append(out, rest) : rc;
	return rc == XFED_OK ? xfed_buf_append_str(out, "\r\n") : rc;
}

static int put_media(struct xfed_buf *out, const struct iw_sdp *offer, uint16_t port, iw_sdp_accept_set accept)
{
	int rc = XFED_OK;
	for (size_t i = 0; i < offer->count && rc == XFED_OK; i++) {
		rc = i == offer->im ? put_im(out, offer->name, port, accept) : put_refused(out, offer->media[i]);
	}
	return rc;
}

int iw_sdp_write(
	struct xfed_buf *out, const struct iw_sdp *offer, enum iw_sdp_name name, struct xfed_span address, uint16_t port, iw_sdp_accept_set accept)
{
	XFED_REQUIRE(!offer || offer->has_im);
	size_t before = xfed_buf_len(out);
	int n = (int)address.len, version = memchr(address.data, ':', address.len) ? 6 : 4;
	int rc = xfed_buf_printf(
		out, "v=0\r\no=- 0 0 IN IP%d %.*s\r\ns=session\r\nc=IN IP%d %.*s\r\nt=0 0\r\n", version, n, address.data, version, n, address.data);
	rc = rc != XFED_OK ? rc : offer ? put_media(out, offer, port, accept) : put_im(out, name, port, accept);
	if (rc != XFED_OK) {
		out->end = out->start + before;
	}
	return rc;
}
