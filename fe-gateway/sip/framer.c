#include "sip/framer.h"

#include "sip/scan.h"
#include "xfed/limits.h"

void sip_framer_init(struct sip_framer *f)
{
	*f = (struct sip_framer){ 0 };
	/* Room for the largest message. */
	xfed_buf_init(&f->in, XFED_SIP_MESSAGE_BYTES);
}

void sip_framer_deinit(struct sip_framer *f)
{
	xfed_buf_deinit(&f->in);
	*f = (struct sip_framer){ 0 };
}

static void give_back(struct sip_framer *f)
{
	xfed_buf_consume(&f->in, f->give_back);
	f->give_back = 0;
	if (f->message == 0 && f->skip > 0) {
		size_t len = xfed_buf_len(&f->in), n = f->skip < len ? f->skip : len;
		xfed_buf_consume(&f->in, n);
		f->skip -= n;
	}
	xfed_buf_trim(&f->in);
}

int sip_framer_feed(struct sip_framer *f, struct xfed_span bytes, size_t *taken)
{
	give_back(f);
	size_t room = f->in.cap_bytes - xfed_buf_len(&f->in);
	*taken = bytes.len < room ? bytes.len : room;
	if (f->error) {
		/* After an error in the stream nothing more is kept. */
		*taken = bytes.len;
		return XFED_OK;
	}
	int rc = xfed_buf_append(&f->in, xfed_span_make(bytes.data, *taken));
	if (rc != XFED_OK) {
		*taken = 0;
	}
	return rc;
}

static struct sip_frame lose(struct sip_framer *f, const char *note, struct xfed_span head)
{
	f->error = note;
	return (struct sip_frame){ .kind = SIP_FRAME_ERROR, .bytes = head, .note = note };
}

/* May be the first half of a CRLF: the next byte decides. */
static bool is_lone_cr(struct xfed_span s)
{
	return s.len == 1 && s.data[0] == '\r';
}

void sip_framer_await_pong(struct sip_framer *f)
{
	f->awaits_pong = true;
	f->half_ping = false;
}

/* Skips CRLFs between messages: MORE, or PING where two in a row are one, or PONG (RFC 5626 section 4.4.1). */
static enum sip_frame_kind skip_leading(struct sip_framer *f)
{
	for (;;) {
		struct xfed_span s = xfed_buf_span(&f->in);
		if (s.len < 2 || s.data[0] != '\r' || s.data[1] != '\n') {
			f->half_ping &= is_lone_cr(s) || s.len == 0;
			return SIP_FRAME_MORE;
		}
		xfed_buf_consume(&f->in, 2);
		if (f->awaits_pong) {
			f->awaits_pong = false;
			return SIP_FRAME_PONG;
		}
		f->half_ping = !f->half_ping;
		if (!f->half_ping) {
			return SIP_FRAME_PING;
		}
	}
}

/* Finds the length of the message at the front. MORE: not known yet; MESSAGE: f->message is set; ERROR. */
static struct sip_frame measure(struct sip_framer *f)
{
	struct xfed_span s = xfed_buf_span(&f->in);
	size_t head_len = sip_scan_head_length(s, f->scanned);
	f->scanned = s.len;
	if (head_len > XFED_SIP_HEADER_BYTES || (head_len == 0 && s.len > XFED_SIP_HEADER_BYTES)) {
		return lose(f, "header block too large", (struct xfed_span){ "", 0 });
	}
	if (head_len == 0) {
		return (struct sip_frame){ .kind = SIP_FRAME_MORE };
	}
	struct xfed_span head = xfed_span_make(s.data, head_len);
	size_t body = 0;
	int rc = sip_scan_content_length(head, &body);
	if (rc != XFED_OK) {
		return lose(f, rc == XFED_ERR_NOT_FOUND ? "no Content-Length" : "bad Content-Length or line end", head);
	}
	if (body > XFED_SIP_SKIP_BYTES) {
		return lose(f, "message too large", head);
	}
	bool is_skipped = body > XFED_SIP_MESSAGE_BYTES - head_len;
	f->skip = is_skipped ? body : 0;
	f->message = is_skipped ? head_len : head_len + body;
	return (struct sip_frame){ .kind = SIP_FRAME_MESSAGE };
}

struct sip_frame sip_framer_next(struct sip_framer *f)
{
	struct sip_frame frame = { .kind = SIP_FRAME_MORE };
	if (f->error) {
		return (struct sip_frame){ .kind = SIP_FRAME_ERROR, .bytes = { "", 0 }, .note = f->error };
	}
	give_back(f);
	if (f->message == 0 && f->skip > 0) {
		return frame;
	}
	if (f->message == 0) {
		frame.kind = f->scanned == 0 ? skip_leading(f) : SIP_FRAME_MORE;
		if (frame.kind != SIP_FRAME_MORE) {
			return frame;
		}
		struct xfed_span front = xfed_buf_span(&f->in);
		if (f->scanned > 0 || (front.len > 0 && !is_lone_cr(front))) {
			frame = measure(f);
		}
		if (frame.kind != SIP_FRAME_MESSAGE) {
			return frame;
		}
	}
	struct xfed_span s = xfed_buf_span(&f->in);
	if (s.len < f->message) {
		return (struct sip_frame){ .kind = SIP_FRAME_MORE };
	}
	frame = (struct sip_frame){ .kind = SIP_FRAME_MESSAGE, .bytes = xfed_span_make(s.data, f->message) };
	f->give_back = f->message;
	f->message = f->scanned = 0;
	return frame;
}

bool sip_framer_is_partial(const struct sip_framer *f)
{
	return xfed_buf_len(&f->in) > f->give_back || f->skip > 0;
}
