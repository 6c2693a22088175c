/*
 * Dialogs: the input is messages with a NUL byte between them. The first makes a dialog (as a request that we answer, as an
 * answer to ours, or as a NOTIFY), the others happen inside it. Properties: what a dialog holds can always be printed as a request that parses
 * again and is found by the same key from the other side; our CSeq counts up, the peer's never goes back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sip/dialog.h"
#include "xfed/limits.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sip_secret secret = { .bytes = { 1 } };
static const struct sip_dialog_start start = { { "c1@a", 4 }, { "ta", 2 }, { "sip:alice@a.example", 19 }, { "sip:bob@b.example", 17 }, 7 };

static struct sip_dialog *begin(const struct sip_message *m)
{
	struct sip_dialog *d;
	int rc = !m->is_request			     ? sip_dialog_of_response(&start, m, &d)
		 : xfed_span_is(m->method, "NOTIFY") ? sip_dialog_of_notify(&start, m, &d)
						     : sip_dialog_of_request(m, XFED_SPAN("tb"), &d);
	MUST(rc == XFED_OK ? d != NULL : rc == XFED_ERR_INVALID && !d);
	return d;
}

static void check(struct sip_dialog *d)
{
	static char out[200000];
	struct sip_request r = { .contact = XFED_SPAN("<sip:us@10.0.0.1>") };
	struct sip_via_out via = { "TCP", XFED_SPAN("a.example"), 5060, XFED_SPAN("b1"), false };
	struct sip_message *m;
	struct sip_error err;
	size_t len;
	uint32_t before = d->local_cseq;
	MUST(sip_dialog_request(d, XFED_SPAN("MESSAGE"), &r) && r.cseq == before + 1);
	int rc = sip_print_request(&r, &via, out, sizeof(out), &len);
	/* An identity with odd octets in it stays with its peer: what cannot be printed is told, never sent. */
	if (rc != XFED_OK) {
		MUST(rc == XFED_ERR_INVALID);
		return;
	}
	rc = sip_message_parse(xfed_span_make(out, len), SIP_PARSE_STREAM, &m, &err);
	MUST(rc == XFED_OK || err.status == 513 || err.status == 413);
	if (rc == XFED_OK) {
		struct sip_key ours = sip_key_dialog(&secret, sip_dialog_text(d, SIP_DIALOG_CALL_ID), sip_dialog_text(d, SIP_DIALOG_LOCAL_TAG),
			sip_dialog_text(d, SIP_DIALOG_REMOTE_TAG));
		struct sip_key theirs = sip_key_dialog(&secret, m->call_id, m->from.tag, m->to.tag);
		MUST(ours.a == theirs.a && ours.b == theirs.b && m->cseq == r.cseq);
		MUST(xfed_span_eq(m->request_uri, sip_dialog_uri(d)) && sip_dialog_next_hop(d).len > 0);
	}
	sip_message_free(m);
}

static void inside(struct sip_dialog *d, const struct sip_message *m)
{
	uint32_t before = d->remote_cseq;
	bool had = d->has_remote_cseq;
	if (m->is_request) {
		enum sip_dialog_verdict v = sip_dialog_take(d, m);
		MUST(!had || d->remote_cseq >= before);
		MUST(v == SIP_DIALOG_TAKEN || d->remote_cseq == before);
	} else if (d->is_early && m->status >= 200 && m->status < 300) {
		MUST(sip_dialog_confirm(d, m) == XFED_OK ? !d->is_early : d->is_early);
	} else {
		MUST(sip_dialog_answered(d, m) == XFED_OK);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sip_dialog *d = NULL;
	const uint8_t *end = data + size;
	for (int i = 0; i < 16 && data < end; i++) {
		const uint8_t *stop = memchr(data, 0, (size_t)(end - data));
		size_t len = (size_t)((stop ? stop : end) - data);
		struct sip_message *m;
		struct sip_error err;
		if (sip_message_parse(xfed_span_make((const char *)data, len), SIP_PARSE_DATAGRAM, &m, &err) == XFED_OK) {
			if (d) {
				inside(d, m);
			} else {
				d = begin(m);
			}
			if (d) {
				check(d);
			}
		}
		sip_message_free(m);
		data += len + 1;
	}
	sip_dialog_free(d);
	return 0;
}
