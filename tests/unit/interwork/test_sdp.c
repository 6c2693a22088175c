/* Session descriptions of IM sessions: RFC 4566, RFC 3264, and what clients of this dialect were seen to send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "interwork/sdp.h"

#define HEAD	  "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
#define TYPES	  "text/plain text/html image/gif application/im-iscomposing+xml application/ms-imdn+xml text/x-msmsgsinvite"
#define ACCEPT(x) "a=accept-types:" x "\r\n"
#define M2	  "m=a 1 b c\r\nm=a 1 b c\r\n"
#define M8	  M2 M2 M2 M2

static const char *const words[IW_SDP_ACCEPT_COUNT] = { "text", "multipart", "html", "rtf", "gif", "typing", "imdn", "file" };

/* "message:text+html other=audio media=2", or the error. */
static const char *model(int rc, const struct iw_sdp *s)
{
	static char out[256];
	size_t len = 0;
	if (rc != XFED_OK) {
		return rc == XFED_ERR_LIMIT ? "limit" : rc == XFED_ERR_INVALID ? "invalid" : "?";
	}
	len += (size_t)snprintf(out + len, sizeof(out) - len, "%s:", s->has_im ? iw_sdp_name_word(s->name) : "none");
	const char *before = "";
	for (unsigned i = 0; i < IW_SDP_ACCEPT_COUNT; i++) {
		if (s->accept & 1u << i) {
			len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%s", before, words[i]);
			before = "+";
		}
	}
	if (s->other.data) {
		len += (size_t)snprintf(out + len, sizeof(out) - len, " other=%.*s", (int)s->other.len, s->other.data);
	}
	snprintf(out + len, sizeof(out) - len, " media=%zu", s->count);
	return out;
}

static const struct row {
	const char *name, *in, *model;
} rows[] = {
	/* as seen on the wire */
	{ "offer of a client, 2007 and later", HEAD "m=message 15080 sip null\r\n" ACCEPT(TYPES), "message:text+html+gif+typing+imdn+file media=1" },
	{ "offer of a client, 2005", HEAD "m=x-ms-message 15080 sip null\r\n" ACCEPT(TYPES), "x-ms-message:text+html+gif+typing+imdn+file media=1" },
	{ "answer of a client: its address for null", HEAD "m=message 15080 sip sip:alice@corp.example\r\n" ACCEPT(TYPES),
		"message:text+html+gif+typing+imdn+file media=1" },
	{ "answer in the name of the client's own mode", HEAD "m=x-ms-message 15060 sip sip:alice@corp.example\r\n" ACCEPT("text/plain"),
		"x-ms-message:text media=1" },
	{ "an endpoint without an address", "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=session\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=message 5060 sip null\r\n",
		"message:text media=1" },
	{ "an enterprise client", HEAD "m=message 5060 sip null\r\n" ACCEPT("text/plain multipart/alternative image/gif text/rtf text/html"),
		"message:text+multipart+html+rtf+gif media=1" },
	{ "MSRP is another thing", HEAD "m=message 9 TCP/MSRP *\r\n" ACCEPT("text/plain") "a=path:msrp://127.0.0.1:9/x;tcp\r\n",
		"none: other=message media=1" },
	{ "real-time text alone", HEAD "m=text 9000 RTP/AVP 98\r\n", "none: other=text media=1" },
	{ "audio alone", HEAD "m=audio 9000 RTP/AVP 0\r\n", "none: other=audio media=1" },
	/* several lines */
	{ "audio before IM", HEAD "m=audio 9000 RTP/AVP 0\r\nm=message 5060 sip null\r\n" ACCEPT("text/html"), "message:html other=audio media=2" },
	{ "IM before audio and video: attributes belong to the line above",
		HEAD
		"m=message 5060 sip null\r\n" ACCEPT("text/plain") "m=audio 9000 RTP/AVP 0\r\n" ACCEPT("text/html") "m=video 9002 RTP/AVP 31\r\n",
		"message:text other=audio media=3" },
	{ "other media that is refused is not there", HEAD "m=message 5060 sip null\r\nm=audio 0 RTP/AVP 0\r\n", "message:text media=2" },
	{ "of two lines for IM the first one", HEAD "m=message 1 sip null\r\n" ACCEPT("text/rtf") "m=x-ms-message 2 sip null\r\n" ACCEPT("text/html"),
		"message:rtf media=2" },
	{ "the first one that is not refused", HEAD "m=message 0 sip null\r\n" ACCEPT("text/rtf") "m=x-ms-message 2 sip null\r\n",
		"x-ms-message:text media=2" },
	{ "IM refused", HEAD "m=message 0 sip null\r\n" ACCEPT("text/plain"), "none: media=1" },
	{ "no media", HEAD, "none: media=0" },
	/* accept-types */
	{ "in capitals", HEAD "m=message 5060 sip null\r\n" ACCEPT("TEXT/Plain"), "message:text media=1" },
	{ "none of what we know", HEAD "m=message 5060 sip null\r\n" ACCEPT("image/png"), "message: media=1" },
	{ "an empty list", HEAD "m=message 5060 sip null\r\n" ACCEPT(""), "message: media=1" },
	{ "any", HEAD "m=message 5060 sip null\r\n" ACCEPT("*"), "message:text+multipart+html+rtf+gif+typing+imdn+file media=1" },
	{ "blanks between", HEAD "m=message 5060 sip null\r\n" ACCEPT("  text/plain   text/html "), "message:text+html media=1" },
	{ "before any media: of the session, and unknown there", HEAD ACCEPT("text/rtf") "m=message 5060 sip null\r\n", "message:text media=1" },
	/* the form */
	{ "LF alone", "v=0\no=- 0 0 IN IP4 1.2.3.4\ns=x\nt=0 0\nm=message 5060 sip null\na=accept-types:text/html\n", "message:html media=1" },
	{ "no end of the last line", HEAD "m=message 5060 sip null", "message:text media=1" },
	{ "two ports", HEAD "m=message 5060/2 sip null\r\n", "message:text media=1" },
	{ "the protocol in capitals", HEAD "m=message 5060 SIP null\r\n", "message:text media=1" },
	{ "the name in capitals is another one", HEAD "m=Message 5060 sip null\r\n", "none: other=Message media=1" },
	{ "lines of which we know nothing", HEAD "b=CT:53980\r\na=x-devicecaps:audio:send\r\nm=message 5060 sip null\r\n", "message:text media=1" },
	{ "16 media lines", HEAD M8 M8, "none: other=a media=16" },
	/* what is none */
	{ "17 media lines", HEAD M8 M8 "m=a 1 b c\r\n", "limit" },
	{ "nothing", "", "invalid" },
	{ "a text", "hello", "invalid" },
	{ "another version", "v=1\r\nm=message 5060 sip null\r\n", "invalid" },
	{ "no version", "o=- 0 0 IN IP4 1.2.3.4\r\nm=message 5060 sip null\r\n", "invalid" },
	{ "a line without a type", HEAD "message 5060 sip null\r\n", "invalid" },
	{ "a type in capitals", HEAD "M=message 5060 sip null\r\n", "invalid" },
	{ "an empty line", HEAD "\r\nm=message 5060 sip null\r\n", "invalid" },
	{ "CR inside", HEAD "m=message 5060\rsip null\r\n", "invalid" },
	{ "a control character", HEAD "s=\x01\r\n", "invalid" },
	{ "no format", HEAD "m=message 5060 sip\r\n", "invalid" },
	{ "no port", HEAD "m=message sip null\r\n", "invalid" },
	{ "a port too large", HEAD "m=message 65536 sip null\r\n", "invalid" },
	{ "a port below 0", HEAD "m=message -1 sip null\r\n", "invalid" },
	{ "a name that is no token", HEAD "m=a\"b 5060 sip null\r\n", "invalid" },
	{ "broken behind what is good", HEAD "m=message 5060 sip null\r\n=\r\n", "invalid" },
};

static void read_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct iw_sdp s;
		int rc = iw_sdp_read(xfed_span_str(rows[i].in), &s);
		const char *got = model(rc, &s);
		if (strcmp(got, rows[i].model) != 0) {
			fail_msg("%s: \"%s\", expected \"%s\"", rows[i].name, got, rows[i].model);
		}
		if (rc != XFED_OK) {
			assert_false(s.has_im || s.count > 0 || s.other.data);
		}
	}
}

/* The limit of bytes is looked at before anything is read: what is one byte more is refused whatever it is. */
static void size_limit(void **state)
{
	(void)state;
	struct iw_sdp s;
	char *big = malloc(IW_SDP_BYTES + 1);
	memset(big, 'x', IW_SDP_BYTES + 1);
	memcpy(big, "v=0\ns=", 6);
	assert_int_equal(iw_sdp_read(xfed_span_make(big, IW_SDP_BYTES), &s), XFED_OK);
	assert_int_equal(iw_sdp_read(xfed_span_make(big, IW_SDP_BYTES + 1), &s), XFED_ERR_LIMIT);
	memset(big, 0, IW_SDP_BYTES + 1);
	assert_int_equal(iw_sdp_read(xfed_span_make(big, IW_SDP_BYTES + 1), &s), XFED_ERR_LIMIT);
	free(big);
}

#define OURS "a=accept-types:text/plain multipart/alternative text/html application/im-iscomposing+xml application/ms-imdn+xml\r\n"

static const struct written {
	const char *name, *offer, *address, *out;
	enum iw_sdp_name im;
	iw_sdp_accept_set accept;
} written[] = {
	{ "an offer", NULL, "192.0.2.7",
		"v=0\r\no=- 0 0 IN IP4 192.0.2.7\r\ns=session\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=message 5060 sip null\r\n" OURS, IW_SDP_MESSAGE,
		IW_SDP_ACCEPT_OURS },
	{ "an offer over IPv6, by the old name", NULL, "2001:db8::7",
		"v=0\r\no=- 0 0 IN IP6 2001:db8::7\r\ns=session\r\nc=IN IP6 2001:db8::7\r\nt=0 0\r\nm=x-ms-message 5060 sip null\r\n"
		"a=accept-types:text/plain\r\n",
		IW_SDP_X_MS_MESSAGE, 1u << IW_SDP_ACCEPT_TEXT },
	{ "an answer has the name that was offered", HEAD "m=x-ms-message 15080 sip null\r\n" ACCEPT(TYPES), "127.0.0.1",
		HEAD "m=x-ms-message 5060 sip null\r\n" OURS, IW_SDP_MESSAGE, IW_SDP_ACCEPT_OURS },
	{ "an answer refuses the rest, line by line",
		HEAD "m=audio 9000/2 RTP/AVP 0 8\r\na=sendrecv\r\nm=message 1 sip null\r\nm=message 2 sip null\r\nm=video 0 RTP/AVP 31\r\n",
		"127.0.0.1", HEAD "m=audio 0 RTP/AVP 0 8\r\nm=message 5060 sip null\r\n" OURS "m=message 0 sip null\r\nm=video 0 RTP/AVP 31\r\n",
		IW_SDP_MESSAGE, IW_SDP_ACCEPT_OURS },
};

/* What is written is read as what it says; with any smaller buffer nothing is written. */
static void write_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(written); i++) {
		const struct written *row = &written[i];
		struct iw_sdp offer, back;
		struct xfed_buf out;
		assert_int_equal(row->offer ? iw_sdp_read(xfed_span_str(row->offer), &offer) : XFED_OK, XFED_OK);
		for (size_t cap = 0; cap <= strlen(row->out); cap++) {
			xfed_buf_init(&out, cap);
			int rc = iw_sdp_write(&out, row->offer ? &offer : NULL, row->im, xfed_span_str(row->address), 5060, row->accept);
			assert_int_equal(rc, cap < strlen(row->out) ? XFED_ERR_LIMIT : XFED_OK);
			if (!xfed_span_is(xfed_buf_span(&out), rc == XFED_OK ? row->out : "")) {
				fail_msg("%s: %.*s", row->name, (int)xfed_buf_len(&out), xfed_buf_span(&out).data);
			}
			if (rc == XFED_OK) {
				assert_int_equal(iw_sdp_read(xfed_buf_span(&out), &back), XFED_OK);
				assert_true(back.has_im && back.name == (row->offer ? offer.name : row->im) && back.accept == row->accept);
				assert_true(!back.other.data && back.count == (row->offer ? offer.count : 1));
			}
			xfed_buf_deinit(&out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_rows),
		cmocka_unit_test(size_limit),
		cmocka_unit_test(write_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
